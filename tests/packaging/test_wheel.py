"""The wheel is the tree: what is in the five folders gets installed, under isoloir, and nothing else does."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

FOLDERS = ("domain", "features", "models", "configs", "pipelines")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.egg-info")


@pytest.fixture(scope="module")
def tree(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads: built in place, leftovers of earlier builds would be in the wheel."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        shutil.copytree(repository / folder, copy / folder, ignore=LEFT_OUT)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    out = tmp_path_factory.mktemp("wheel")
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    ran = subprocess.run(
        [sys.executable, "-c", build, str(out)], cwd=tree, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    (built,) = out.glob("*.whl")
    return zipfile.Path(built)


def installed(wheel: zipfile.Path) -> set[str]:
    return {name for name in wheel.root.namelist() if not name.endswith("/")}


def written(tree: Path) -> set[str]:
    return {
        f"isoloir/{path.relative_to(tree).as_posix()}"
        for folder in FOLDERS
        for path in (tree / folder).rglob("*")
        if path.is_file()
    }


def test_every_file_of_the_five_folders_is_in_the_wheel(tree: Path, wheel: zipfile.Path) -> None:
    missing = sorted(written(tree) - installed(wheel))
    assert not missing, (
        f"{len(missing)} files are in the tree but not in the wheel, the first is {missing[0]}. "
        "A new folder with Python in it needs a line in [tool.setuptools] packages and one in package-dir; "
        "any other kind of file a pattern in [tool.setuptools.package-data]."
    )


def test_nothing_but_the_five_folders_is_in_the_wheel(tree: Path, wheel: zipfile.Path) -> None:
    extra = {name for name in installed(wheel) - written(tree) if ".dist-info/" not in name}
    assert not extra


def test_isoloir_stays_a_namespace_without_an_init(wheel: zipfile.Path) -> None:
    assert "isoloir/__init__.py" not in installed(wheel)


def test_the_licence_travels_with_the_wheel(wheel: zipfile.Path) -> None:
    assert any(PurePosixPath(name).name == "LICENSE" for name in installed(wheel))


def test_every_listed_package_is_mapped_to_its_folder(repository: Path) -> None:
    listed = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {package: package.removeprefix("isoloir.").replace(".", "/") for package in listed["packages"]}
    assert listed["package-dir"] == folders


def test_every_folder_with_python_is_listed_as_a_package(repository: Path) -> None:
    listed = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        "isoloir." + ".".join(path.parent.relative_to(repository).parts)
        for folder in FOLDERS
        for path in (repository / folder).rglob("*.py")
    }
    assert set(listed) == found
