"""What is in the wheel, who owns the four packages, and the arrows between them."""

import importlib.metadata
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

from ecitizen.version import __version__

ROOT = Path(__file__).parents[2]
PACKAGES = ("ecitizen", "cardapps", "pki", "cli")
DIST_INFO = f"ecitizen-{__version__}.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def members(wheel: Path) -> list[PurePosixPath]:
    with ZipFile(wheel) as archive:
        return [PurePosixPath(name) for name in archive.namelist()]


def test_the_wheel_holds_the_four_packages_and_nothing_else(members: list[PurePosixPath]) -> None:
    assert {member.parts[0] for member in members} == {*PACKAGES, DIST_INFO}


def test_the_wheel_is_pure_and_typed(wheel: Path, members: list[PurePosixPath]) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert {PurePosixPath(package, "py.typed") for package in PACKAGES} <= set(members)


def test_the_wheel_holds_every_module_and_every_persona(members: list[PurePosixPath]) -> None:
    suffixes = {".py", ".json", ".jpg", ".html", ".css", ".js", ".mo"}
    sources = {
        PurePosixPath(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.suffix in suffixes
    }
    for data in ("cardapps/personas/*.json", "cardapps/personas/*.jpg"):
        assert any(source.match(data) for source in sources)
    assert sources <= set(members)


def test_the_wheel_holds_no_tests(members: list[PurePosixPath]) -> None:
    assert [member for member in members if "tests" in member.parts or member.match("test_*")] == []


def test_the_wheel_can_not_be_uploaded_by_mistake_and_names_its_licence(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        metadata = archive.read(f"{DIST_INFO}/METADATA").decode().splitlines()
        assert f"{DIST_INFO}/licenses/LICENSE" in archive.namelist()
    assert "Classifier: Private :: Do Not Upload" in metadata
    assert "License-Expression: Apache-2.0" in metadata


def test_every_entry_point_of_the_project_is_installed_and_loads() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {("console_scripts", name, value) for name, value in project["scripts"].items()}
    for group, entries in project["entry-points"].items():
        declared |= {(group, name, value) for name, value in entries.items()}
    installed = importlib.metadata.distribution("ecitizen").entry_points
    assert {(entry.group, entry.name, entry.value) for entry in installed} == declared
    for entry in installed:
        assert callable(entry.load())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_one_owner_and_one_directory(package: str) -> None:
    # An editable installation owns no files under the package's name, so it may be absent here.
    owners = importlib.metadata.packages_distributions().get(package, [])
    assert set(owners) <= {"ecitizen"}
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (directory,) = spec.submodule_search_locations
    assert Path(directory).is_relative_to(ROOT)


def test_the_arrows_between_packages_point_down() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
