"""A model in MLflow's own format: texts and the script that reads them; no pickle, no path of a machine."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .tracking_store import mlflow_quiet

SCRIPT = Path(__file__).with_name("pyfunc_model.py")
STANDING = "standing_"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The model of one ``quantity`` (turnout or swing) as it is registered.

    ``files``: name to text. ``inputs``: the columns that it reads, numbers all, ``registered`` whole ones.
    ``outputs``: the columns that it returns.
    """

    quantity: str
    files: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def national(self) -> tuple[str, ...]:
        """The national figures that a caller may state: turnout, and the share of each bloc."""
        blocs = [n.removeprefix(STANDING) for n in self.inputs if n.startswith(STANDING)]
        return ("turnout", *(f"share_{b}" for b in blocs))


def write_model(model: ModelFiles, aside: Path) -> Path:
    """The model in MLflow's format: its files, the script that reads them, what it takes; no pickle."""
    from mlflow.models import Model

    texts, folder = aside / "texts", aside / "model"
    texts.mkdir()
    for name, text in model.files.items():
        (texts / name).write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        # It asks for an example of the input: ours would be stations.
        warnings.simplefilter("ignore")
        mlflow_quiet().pyfunc.save_model(
            path=str(folder),
            python_model=str(SCRIPT),
            artifacts={name: str(texts / name) for name in model.files},
            signature=signature_of(model),
            # Named, or MLflow loads the model in another process to find them.
            pip_requirements=[f"{name}=={version(name)}" for name in ("isoloir", "lightgbm", "mlflow")],
        )
    said = Model.load(str(folder))
    flavor = said.flavors["python_function"]
    # MLflow writes down the full paths of this machine; it reads the last part only.
    flavor["model_code_path"] = SCRIPT.name
    for entry in flavor["artifacts"].values():
        entry["uri"] = entry["path"]
    said.save(str(folder / "MLmodel"))
    return folder


def signature_of(model: ModelFiles) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    def columns(names: tuple[str, ...]) -> Any:
        return Schema([ColSpec(DataType.long if n == "registered" else DataType.double, n) for n in names])

    return ModelSignature(
        inputs=columns(model.inputs),
        outputs=columns(model.outputs),
        params=ParamSchema([ParamSpec(n, DataType.double, None) for n in model.national]),
    )
