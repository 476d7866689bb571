"""A registered model, as MLflow loads it (models from code): the files beside this one, read by isoloir.

MLflow copies this file into each model and runs the copy when the model is loaded.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from isoloir.models.saved import SavedModel, from_files


class StationForecast(PythonModel):
    """The forecast of one quantity at the stations of a frame."""

    saved: SavedModel

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's files, which are text."""
        self.saved = from_files(
            {name: Path(path).read_text(encoding="utf-8") for name, path in context.artifacts.items()}
        )

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, float | None] | None = None,
    ) -> pd.DataFrame:
        """One row per row of ``model_input``. ``params``: the national figures; one left out is carried."""
        stated = {name: float(value) for name, value in (params or {}).items() if value is not None}
        return self.saved.predict_frame(model_input, stated)


set_model(StationForecast())
