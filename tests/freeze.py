"""Freeze a release of the demo, as the last one of its schema version, for the tests of compatibility.

    isoloir demo --stations 300 --home build/frozen
    isoloir run demo --target 2012_pres_t1 --home build/frozen
    python tests/freeze.py build/frozen/releases/demo/2012_pres_t1/current

An early target has a small training set. It is copied to tests/release/frozen/<schema version>/, its contract
in it or beside it. Run it when schema_version was raised, and commit what it writes. A frozen release never
changes: readers of then are out there.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from isoloir.pipelines.home import write_json, write_text
from isoloir.pipelines.release.columns import minor_of, tables_of
from isoloir.pipelines.release.contract import FILE, contract, facts_of
from isoloir.pipelines.release.verify import verify

FROZEN = Path(__file__).resolve().parent / "release" / "frozen"
LARGEST = 700_000
"""Bytes of a frozen release: a repository keeps them for ever."""


def freeze(release: Path, into: Path = FROZEN) -> Path:
    """Copy a release into ``into``, its manifest without the paths of this machine; the copy, verified."""
    verify(release)
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    folder = into / manifest["schema_version"]
    size = sum(path.stat().st_size for path in release.iterdir())
    if folder.exists():
        raise SystemExit(f"{folder} is there already: a frozen release is never changed")
    if size > LARGEST:
        raise SystemExit(f"{size} bytes are too many to keep: freeze a smaller demo (at most {LARGEST})")
    shutil.copytree(release.resolve(), folder)
    folder.chmod(0o755)
    for one in manifest.get("inputs", []):
        if "path" in one:
            one["path"] = Path(one["path"]).name
    write_json(folder / "manifest.json", manifest)
    if not (folder / FILE).is_file():
        write_text(into / f"{folder.name}.{FILE}", _contract(manifest))
    verify(folder)
    return folder


def _contract(manifest: dict[str, Any]) -> str:
    """The contract of a release from before releases had one."""
    blocs = tuple(str(bloc) for bloc in manifest["blocs"])
    return contract(tables_of(blocs, minor_of(manifest["schema_version"])), facts_of(manifest))


def contract_of(version: str) -> str:
    """The contract of a frozen release: its own, or that which was made of it."""
    own = FROZEN / version / FILE
    return (own if own.is_file() else FROZEN / f"{version}.{FILE}").read_text(encoding="utf-8")


if __name__ == "__main__":
    print(freeze(Path(sys.argv[1])))
