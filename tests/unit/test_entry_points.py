import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecitizen.emulator.persona import GROUP_PERSONAS
from ecitizen.entry_points import EntryPoint, entry_points
from ecitizen.errors import ConfigError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    entry_points.cache_clear()
    yield
    entry_points.cache_clear()


def package(folder: Path, name: str, content: bytes | str) -> Path:
    info = folder / name
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize(
    "group", ["ecitizen.drivers", "ecitizen.applets", GROUP_PERSONAS, "console_scripts", "pytest11"]
)
def test_the_same_is_found_as_by_the_standard_library(group: str) -> None:
    expected = {(entry.name, entry.value) for entry in importlib.metadata.entry_points(group=group)}
    assert {(entry.name, entry.value) for entry in entry_points(group)} == expected
    assert expected


def test_sections_comments_and_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# a remark\n[other]\na = x:y\n\n[thing]\n b = m.n : C.d [extra]\n; c\n#d = e:f\n\n[thing.more]\nz = q:r\n"
    monkeypatch.setattr(sys, "path", [str(package(tmp_path, "some-1.dist-info", text))])
    assert entry_points("thing") == (EntryPoint("b", "m.n : C.d"),)


def test_of_a_package_installed_twice_the_first_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = package(tmp_path / "1", "some-2.dist-info", "[thing]\na = new:x\n")
    second = package(tmp_path / "2", "Some-1.egg-info", "[thing]\na = old:x\nb = old:y\n")
    other = package(tmp_path / "3", "other-1.dist-info", "[thing]\na = other:x\n")
    monkeypatch.setattr(sys, "path", ["/nowhere", str(first), str(second), str(other)])
    assert [entry.value for entry in entry_points("thing")] == ["new:x", "old:y", "other:x"]


def test_files_that_are_no_text_and_folders_without_one_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "bad-1.dist-info", b"\xff\xfe[thing]\n\x00")
    (tmp_path / "empty-1.dist-info").mkdir()
    package(tmp_path, "good-1.dist-info", "[thing]\na = x:y\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert entry_points("thing") == (EntryPoint("a", "x:y"),)


def test_an_object_is_loaded_by_its_path() -> None:
    assert EntryPoint("x", "ecitizen.model:CardDate.parse").load()("99999999").lifelong


@pytest.mark.parametrize("value", ["no_such_module:x", "ecitizen.model:NoSuch", "ecitizen.model:", ":x", ""])
def test_a_broken_package_is_a_matter_of_configuration(value: str) -> None:
    with pytest.raises(ConfigError, match="repair or remove"):
        EntryPoint("x", value).load()
