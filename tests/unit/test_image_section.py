"""A section of a card's memory in the hands of its applet: written all at once or not at all, and read live."""

from pathlib import Path

import pytest

from ecitizen.emulator.image import CardImage, Disk, Sections
from ecitizen.errors import ImageError, UsageError

CONTENT: Sections = {"one": {"tries": 3, "pin": b"123456", "keys": {"9A": b"key"}}, "other": {"x": 1}}


def test_write_puts_replaces_and_removes() -> None:
    image = CardImage.in_memory(CONTENT)
    section = image.read("one")
    section.write({"tries": 2, "pin": None, "new": [1, 2], "never there": None})
    assert dict(section) == {"tries": 2, "keys": {"9A": b"key"}, "new": [1, 2]}
    assert dict(image.read("other")) == {"x": 1}


def test_a_section_is_made_by_its_first_value() -> None:
    image = CardImage.in_memory(CONTENT)
    later = image.read("later")
    later.write({})
    assert "later" not in image.sections()
    later.write({"x": b"1"})
    assert (dict(later), image.sections()) == ({"x": b"1"}, ("later", "one", "other"))


def test_all_or_nothing() -> None:
    image = CardImage.in_memory(CONTENT)
    section = image.read("one")
    with pytest.raises(UsageError):
        section.write({"tries": 1, "pin": 1.5})  # type: ignore[dict-item]
    with pytest.raises(UsageError):
        section.write({"tries": 1, "$name": 1})
    assert dict(section) == CONTENT["one"]
    section.write({"tries": 1})  # and a write that failed left no transaction open
    assert section["tries"] == 1


def test_what_is_written_and_read_are_copies() -> None:
    image = CardImage.in_memory(CONTENT)
    section = image.read("one")
    section.write({"value": {"a": 1}})
    taken = section["value"]
    assert isinstance(taken, dict)
    taken["a"] = 2
    assert section["value"] == {"a": 1}


def test_a_write_is_one_line_of_the_journal_and_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    journal = tmp_path / "card.json.journal"
    with CardImage.create(path, CONTENT) as image:
        lines = []
        for tries in (2, 1):
            image.read("one").write({"tries": tries, "pin": None if tries == 1 else b"new"})
            lines.append(journal.read_bytes().count(b"\n"))
    assert lines == [1, 2]
    with CardImage.open(path) as image:
        assert dict(image.read("one")) == {"tries": 1, "keys": {"9A": b"key"}}


def test_a_write_that_cannot_be_stored_has_not_happened(tmp_path: Path) -> None:
    class FullDisk(Disk):
        full = False

        def write(self, fd: int, data: bytes) -> None:
            if self.full:
                raise OSError(28, "no space left")
            super().write(fd, data)

    disk = FullDisk()
    with CardImage.create(tmp_path / "card.json", CONTENT, disk=disk) as image:
        disk.full = True
        with pytest.raises(ImageError):
            image.read("one").write({"tries": 2})
        assert image.read("one")["tries"] == 3
        disk.full = False
        image.read("one").write({"tries": 2})
        assert image.read("one")["tries"] == 2


def test_no_write_inside_a_transaction_or_after_the_end() -> None:
    image = CardImage.in_memory(CONTENT)
    section = image.read("one")
    with image.transaction(), pytest.raises(UsageError, match="already open"):
        section.write({"tries": 2})
    image.close()
    with pytest.raises(UsageError, match="closed"):
        section.write({"tries": 2})
