import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.emulator.image import CardImage, Disk, Sections, Value
from ecitizen.emulator.image_store import MAX_FILE_LEN, MAX_JOURNAL_LEN
from ecitizen.errors import ImageBusy, ImageDamaged, ImageError, ImageTooNew, UsageError

CARD: Sections = {
    "card": {"persona": "สมชาย", "protocol": 1, "atr": bytes.fromhex("3b79")},
    "pin": {"tries": 3, "blocked": False, "label": None, "keys": [b"\x00", {"kvn": 1, "key": b"\xff"}]},
}


def content(image: CardImage) -> dict[str, dict[str, Value]]:
    return {section: dict(image.read(section)) for section in image.sections()}


class QuickDisk(Disk):
    """Waits for no medium: for tests that open thousands of images."""

    def fsync(self, fd: int) -> None:
        pass

    def sync_folder(self, folder: str) -> None:
        pass


def stored(path: Path) -> dict[str, dict[str, Value]]:
    with CardImage.open(path, disk=QuickDisk()) as image:
        return content(image)


@contextmanager
def crashed(path: Path, sections: Sections = CARD) -> Iterator[CardImage]:
    """An image whose process dies at the end of the block: the journal is not folded, the lock is free."""
    image = CardImage.create(path, sections, disk=QuickDisk())
    try:
        yield image
    finally:
        assert image._store is not None
        image._store.release()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "card.json"


@pytest.fixture
def journal(path: Path) -> Path:
    return path.with_name("card.json.journal")


# Memory and transactions


def test_create_read_and_open_again(path: Path) -> None:
    with CardImage.create(path, CARD) as image:
        assert image.sections() == ("card", "pin")
        assert content(image) == CARD
    assert stored(path) == CARD


@pytest.mark.parametrize("on_disk", [True, False])
def test_transaction(path: Path, on_disk: bool) -> None:
    with CardImage.create(path, CARD) if on_disk else CardImage.in_memory(CARD) as image:
        view = image.read("pin")
        with image.transaction() as change:
            change.put("pin", "tries", 2)
            change.put("new", "first", b"1")
            change.put("new", "second", 2)
            change.delete("new", "second")
            change.delete("new", "never was")
            change.delete("nowhere", "never was")
            change.drop("card")
            change.drop("nowhere")
            assert view["tries"] == 3
            assert image.sections() == ("card", "pin")
        after = {"pin": {**CARD["pin"], "tries": 2}, "new": {"first": b"1"}}
        assert view["tries"] == 2
        assert content(image) == after
    if on_disk:
        assert stored(path) == after


def test_view_is_live_sorted_and_survives_its_section() -> None:
    image = CardImage.in_memory(CARD)
    view, absent = image.read("pin"), image.read("later")
    assert list(view) == sorted(CARD["pin"])
    assert (len(view), len(absent), absent.get("x")) == (4, 0, None)
    with image.transaction() as change:
        change.drop("pin")
        change.put("later", "x", 1)
    assert (len(view), dict(absent)) == (0, {"x": 1})


def test_values_that_were_given_or_taken_are_copies() -> None:
    given_list: list[Value] = [1, {"a": 2}]
    image = CardImage.in_memory({"s": {"v": given_list}})
    given_list.append(3)
    taken = image.read("s")["v"]
    assert taken == [1, {"a": 2}]
    assert isinstance(taken, list)
    assert isinstance(taken[1], dict)
    taken[1]["a"] = 9
    assert image.read("s")["v"] == [1, {"a": 2}]


def test_an_exception_drops_all_changes(path: Path) -> None:
    with CardImage.create(path, CARD) as image:
        with suppress(KeyError), image.transaction() as change:
            change.put("pin", "tries", 0)
            raise KeyError
        assert content(image) == CARD
        with image.transaction() as change:
            change.put("pin", "tries", 1)
    assert stored(path)["pin"]["tries"] == 1


def test_misuse_of_transactions(path: Path) -> None:
    image = CardImage.create(path, CARD)
    with image.transaction() as outer:
        with pytest.raises(UsageError, match="already open"), image.transaction():
            pass
        outer.put("pin", "tries", 1)
    assert image.read("pin")["tries"] == 1
    with pytest.raises(UsageError, match="is over"):
        outer.put("pin", "tries", 0)
    image.close()
    image.close()
    with pytest.raises(UsageError, match="closed"), image.transaction():
        pass
    assert stored(path)["pin"]["tries"] == 1


class _Code(IntEnum):
    ONE = 1


def test_subclasses_of_values_are_kept_as_plain_values() -> None:
    image = CardImage.in_memory({"s": {"v": _Code.ONE}})
    assert type(image.read("s")["v"]) is int


BAD_VALUES = [1.5, (1,), bytearray(b"1"), object(), 1 << 64, "\ud800", {1: 1}, {"$hex": "00"}, {"": 1}]


@pytest.mark.parametrize("value", [*BAD_VALUES, [[1.5]], {"a": {"b": 1.5}}], ids=lambda value: type(value).__name__)
def test_values_that_cannot_be_held(path: Path, value: Any) -> None:
    image = CardImage.in_memory(CARD)
    with pytest.raises(UsageError), image.transaction() as change:
        change.put("pin", "tries", value)
    assert content(image) == CARD
    with pytest.raises(UsageError):
        CardImage.create(path, {"s": {"v": value}})
    assert not path.exists()


def test_nesting_is_limited(path: Path) -> None:
    value: Value = 1
    for _ in range(12):
        value = [value]
    CardImage.create(path, {"s": {"v": value}}).close()
    assert stored(path) == {"s": {"v": value}}
    with pytest.raises(UsageError, match="deep"):
        CardImage.in_memory({"s": {"v": [value]}})


@pytest.mark.parametrize("name", ["", "$hex", "\udfff", None, 7])
def test_names_that_cannot_be(name: Any) -> None:
    with CardImage.in_memory({}).transaction() as change:
        for write in (change.drop, lambda bad: change.put(bad, "k", 1), lambda bad: change.put("s", bad, 1)):
            with pytest.raises(UsageError):
                write(name)


@pytest.mark.parametrize("sections", [None, [], {"s": 1}, {"s": None}, {1: {}}])
def test_sections_of_wrong_shape(sections: Any) -> None:
    with pytest.raises(UsageError):
        CardImage.in_memory(sections)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).filter(lambda text: text[0] != "$")
scalars = st.none() | st.booleans() | st.integers(-(2**64) + 1, 2**64 - 1) | st.text(st.characters(codec="utf-8"))
values = st.recursive(
    scalars | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, st.dictionaries(names, values, max_size=3), max_size=3), names, names, values)
@settings(max_examples=60, deadline=None)
def test_every_value_comes_back_from_snapshot_and_journal(
    tmp_path_factory: pytest.TempPathFactory,
    sections: dict[str, dict[str, Value]],
    section: str,
    key: str,
    value: Value,
) -> None:
    path = tmp_path_factory.mktemp("image") / "card.json"
    with crashed(path, sections) as image, image.transaction() as change:
        change.put(section, key, value)
    expected = {**sections, section: {**sections.get(section, {}), key: value}}
    assert stored(path) == expected
    assert stored(path) == expected


# The file


def test_snapshot_is_readable_json_that_says_what_it_is(path: Path) -> None:
    CardImage.create(path, CARD).close()
    text = path.read_text("utf-8")
    assert "สมชาย" in text
    document = json.loads(text)
    assert text == json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    assert document.pop("warning").startswith("Fictional test card")
    assert document == {
        "format": "ecitizen card image",
        "version": 1,
        "test_only": True,
        "generation": 1,
        "sections": {
            "card": {"persona": "สมชาย", "protocol": 1, "atr": {"$hex": "3b79"}},
            "pin": {
                "tries": 3,
                "blocked": False,
                "label": None,
                "keys": [{"$hex": "00"}, {"kvn": 1, "key": {"$hex": "ff"}}],
            },
        },
    }


def test_journal_line(path: Path, journal: Path) -> None:
    with crashed(path) as image, image.transaction() as change:
        change.put("pin", "key", b"\x01")
        change.delete("pin", "tries")
        change.drop("card")
    line = json.loads(journal.read_text())
    assert len(line.pop("crc32")) == 8
    assert line == {
        "generation": 1,
        "sequence": 1,
        "changes": [["put", "pin", "key", {"$hex": "01"}], ["delete", "pin", "tries"], ["drop", "card"]],
    }


class _ModeDisk(Disk):
    """Looks at the mode of every file at its birth, before its first byte."""

    def __init__(self) -> None:
        self.modes: dict[str, int] = {}

    def create(self, path: str) -> int:
        fd = super().create(path)
        self.modes[Path(path).name] = stat.S_IMODE(os.fstat(fd).st_mode)
        return fd


def test_all_files_are_private_from_the_first_byte(path: Path) -> None:
    disk = _ModeDisk()
    old_mask = os.umask(0)
    try:
        with CardImage.create(path, CARD, disk=disk) as image:
            with image.transaction() as change:
                change.put("pin", "tries", 2)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old_mask)
    assert disk.modes == {"card.json.tmp": 0o600, "card.json.journal": 0o600}
    assert modes == dict.fromkeys(("card.json", "card.json.journal", "card.json.lock"), 0o600)


def test_journal_is_folded_at_close_and_nothing_else_is_left(path: Path) -> None:
    with CardImage.create(path, CARD) as image, image.transaction() as change:
        change.put("pin", "tries", 2)
    assert {file.name for file in path.parent.iterdir()} == {"card.json", "card.json.lock"}
    assert json.loads(path.read_bytes())["sections"]["pin"]["tries"] == 2


def test_a_clean_image_is_not_written_again(path: Path) -> None:
    CardImage.create(path, CARD).close()
    before = path.stat()
    with CardImage.open(path) as image, image.transaction():
        content(image)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_journal_is_folded_when_it_is_full(path: Path, journal: Path) -> None:
    with crashed(path) as image:
        for number in range(40):
            with image.transaction() as change:
                change.put("pin", "blob", bytes([number]) * 2_000)
            assert not journal.exists() or journal.stat().st_size <= MAX_JOURNAL_LEN
        assert json.loads(path.read_bytes())["generation"] > 2
        with image.transaction() as change:
            change.put("pin", "tries", 1)
    after = stored(path)["pin"]
    assert (after["blob"], after["tries"]) == (bytes([39]) * 2_000, 1)


def test_a_transaction_larger_than_the_journal_is_one_snapshot(path: Path, journal: Path) -> None:
    with crashed(path) as image:
        with image.transaction() as change:
            change.put("pin", "blob", bytes(MAX_JOURNAL_LEN))
        assert not journal.exists()
    assert stored(path)["pin"]["blob"] == bytes(MAX_JOURNAL_LEN)


def test_a_full_card_refuses_and_stays_as_it_was(path: Path) -> None:
    with CardImage.create(path, CARD) as image:
        with pytest.raises(ImageError, match="full"), image.transaction() as change:
            change.put("pin", "blob", bytes(MAX_FILE_LEN // 2))
        assert content(image) == CARD
        with image.transaction() as change:
            change.put("pin", "tries", 2)
    assert stored(path)["pin"]["tries"] == 2


def test_create_over_an_existing_file(path: Path) -> None:
    CardImage.create(path, CARD).close()
    with pytest.raises(UsageError, match="exists already"):
        CardImage.create(path, {})
    assert stored(path) == CARD
    CardImage.create(path, {"other": {}}, overwrite=True).close()
    assert stored(path) == {"other": {}}


def test_a_new_card_never_takes_over_an_old_journal(path: Path, journal: Path) -> None:
    with crashed(path) as image, image.transaction() as change:
        change.put("pin", "tries", 0)
    old_journal = journal.read_bytes()
    CardImage.create(path, {"other": {}}, overwrite=True).close()
    journal.write_bytes(old_journal)  # as if the power had failed before it was removed
    assert stored(path) == {"other": {}}
    path.unlink()
    journal.write_bytes(old_journal)
    CardImage.create(path, {"third": {}}).close()
    journal.write_bytes(old_journal)
    assert stored(path) == {"third": {}}
    assert not journal.exists()


def test_links_lead_to_one_lock_and_stay_links(path: Path) -> None:
    link = path.with_name("link.json")
    link.symlink_to(path)
    with CardImage.create(path, CARD) as image:
        with pytest.raises(ImageBusy):
            CardImage.open(link)
        with image.transaction() as change:
            change.put("pin", "tries", 2)
    with CardImage.open(link) as image, image.transaction() as change:
        change.put("pin", "tries", 1)
    assert link.is_symlink()
    assert stored(path)["pin"]["tries"] == 1


# The lock


def test_second_opener_is_refused_until_the_first_closes(path: Path) -> None:
    with CardImage.create(path, CARD):
        with pytest.raises(ImageBusy, match="in use"):
            CardImage.open(path)
        with pytest.raises(ImageBusy):
            CardImage.create(path, {}, overwrite=True)
    with CardImage.open(path), pytest.raises(ImageBusy):
        CardImage.open(path)
    assert stored(path) == CARD


def test_a_failed_open_leaves_no_lock(path: Path) -> None:
    path.write_text("no JSON")
    for _ in range(2):
        with pytest.raises(ImageDamaged):
            CardImage.open(path)
    CardImage.create(path, CARD, overwrite=True).close()
    with pytest.raises(UsageError):
        CardImage.create(path, CARD)
    assert stored(path) == CARD


def test_another_process_holds_the_lock_until_it_is_killed(path: Path) -> None:
    CardImage.create(path, CARD).close()
    program = (
        "import sys; from ecitizen.emulator.image import CardImage; image = CardImage.open(sys.argv[1])\n"
        "with image.transaction() as change: change.put('pin', 'tries', 1)\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(ImageBusy):
            CardImage.open(path)
        other.kill()
    assert stored(path)["pin"]["tries"] == 1


# Hostile files


def document(**fields: object) -> dict[str, object]:
    return {
        "format": "ecitizen card image",
        "version": 1,
        "test_only": True,
        "warning": "",
        "generation": 1,
        "sections": {},
        **fields,
    }


def section(value: object) -> bytes:
    return json.dumps(document(sections={"s": {"k": value}})).encode()


DAMAGED = {
    "empty": b"",
    "zeros": bytes(4096),
    "not UTF-8": b'{"format": "\xff"}',
    "half": json.dumps(document()).encode()[:-10],
    "list": b"[]",
    "number": b"7",
    "huge number": b"9" * 10_000,
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "other JSON": b"{}",
    "other format": json.dumps(document(format="x")).encode(),
    "version text": json.dumps(document(version="1")).encode(),
    "version true": json.dumps(document(version=True)).encode(),
    "version 0": json.dumps(document(version=0)).encode(),
    "version negative": json.dumps(document(version=-5)).encode(),
    "not test only": json.dumps(document(test_only=False)).encode(),
    "no generation": json.dumps(document(generation=None)).encode(),
    "generation negative": json.dumps(document(generation=-1)).encode(),
    "generation huge": json.dumps(document(generation=1 << 64)).encode(),
    "sections list": json.dumps(document(sections=[])).encode(),
    "section list": json.dumps(document(sections={"s": []})).encode(),
    "section name": json.dumps(document(sections={"": {}})).encode(),
    "key name": json.dumps(document(sections={"s": {"$x": 1}})).encode(),
    "fraction": section(1.5),
    "not a number": section(float("nan")),
    "big number": section(1 << 65),
    "odd hex": section({"$hex": "123"}),
    "no hex": section({"$hex": "zz"}),
    "hex number": section({"$hex": 12}),
    "hex and more": section({"$hex": "12", "x": 1}),
    "surrogate": section("\ud800"),
    "deep value": section(json.loads("[" * 50 + "]" * 50)),
    "deeper value": section(0).replace(b"0}", b"[" * 900 + b"]" * 900 + b"}", 1),
    "too long": json.dumps(document()).encode() + b" " * MAX_FILE_LEN,
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_files(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ImageDamaged):
        CardImage.open(path)
    assert path.read_bytes() == data


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_change_of_the_files_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("image") / "card.json"
    with crashed(path) as image:
        for tries in (2, 1):
            with image.transaction() as change:
                change.put("pin", "tries", tries)
    damaged = path.with_name(data.draw(st.sampled_from(["card.json", "card.json.journal"])))
    old = damaged.read_bytes()
    start = data.draw(st.integers(0, len(old)))
    stop = data.draw(st.integers(start, min(len(old), start + 20)))
    damaged.write_bytes(old[:start] + data.draw(st.binary(max_size=5)) + old[stop:])
    with suppress(ImageError):
        stored(path)


def test_newer_version(path: Path) -> None:
    path.write_text(json.dumps(document(version=2, test_only=None)))
    with pytest.raises(ImageTooNew, match="update"):
        CardImage.open(path)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_nothing(path: Path) -> None:
    del path


@pytest.mark.parametrize("make", [Path.mkdir, make_pipe, make_loop, make_nothing])
def test_paths_that_are_no_file(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    before = sorted(path.parent.iterdir())
    with pytest.raises(ImageError):
        CardImage.open(path)
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("make", [Path.mkdir, make_pipe, make_loop])
def test_what_is_no_file_is_not_overwritten(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    mode = path.lstat().st_mode
    with pytest.raises(ImageError):
        CardImage.create(path, CARD, overwrite=True)
    assert path.lstat().st_mode == mode


@pytest.mark.parametrize(
    ("suffix", "make"),
    [
        (".journal", Path.mkdir),
        (".journal", make_pipe),
        (".journal", make_loop),
        (".lock", Path.mkdir),
        (".lock", make_loop),
    ],
)
def test_planted_journal_or_lock(path: Path, suffix: str, make: Callable[[Path], None]) -> None:
    CardImage.create(path, CARD).close()
    side = path.with_name(path.name + suffix)
    side.unlink(missing_ok=True)
    make(side)
    with pytest.raises(ImageError):
        CardImage.open(path)


@pytest.mark.parametrize("make", [Path.mkdir, make_pipe, make_loop])
def test_planted_next_snapshot_loses_nothing(path: Path, make: Callable[[Path], None]) -> None:
    CardImage.create(path, CARD).close()
    temp = path.with_name("card.json.tmp")
    make(temp)
    with CardImage.open(path) as image, image.transaction() as change:
        change.put("pin", "tries", 2)
    if temp.is_dir():
        temp.rmdir()
    assert stored(path)["pin"]["tries"] == 2


@pytest.mark.parametrize("name", ["", "\0", "a\0b", "\ud800", None, 7, 1.5])
def test_names_that_are_no_path(name: Any) -> None:
    with pytest.raises(UsageError):
        CardImage.open(name)
    with pytest.raises(UsageError):
        CardImage.create(name, CARD)


@pytest.mark.parametrize("name", ["x" * 300, "missing/card.json", "file/card.json"])
def test_paths_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    for use in (CardImage.open, lambda path: CardImage.create(path, CARD)):
        with pytest.raises(ImageError):
            use(tmp_path / name)


class _ForbiddenDisk(Disk):
    def __init__(self, forbidden: str) -> None:
        self._forbidden = forbidden

    def read(self, path: str) -> bytes:
        if self._forbidden == "read":
            raise PermissionError(13, "Permission denied")
        return super().read(path)

    def create(self, path: str) -> int:
        if self._forbidden == "create":
            raise PermissionError(13, "Permission denied")
        return super().create(path)


def test_no_permission_to_read(path: Path) -> None:
    CardImage.create(path, CARD).close()
    with pytest.raises(ImageError, match="Permission denied"):
        CardImage.open(path, disk=_ForbiddenDisk("read"))


def test_read_only_folder_can_be_read_but_not_changed(path: Path) -> None:
    CardImage.create(path, CARD).close()
    with CardImage.open(path, disk=_ForbiddenDisk("create")) as image:
        assert content(image) == CARD
        with pytest.raises(ImageError, match="Permission denied"), image.transaction() as change:
            change.put("pin", "tries", 2)
        assert content(image) == CARD
    assert stored(path) == CARD


# The journal


@pytest.fixture
def lines(path: Path, journal: Path) -> list[bytes]:
    """Three transactions, tries 2, 1 and 0, that were not folded."""
    with crashed(path) as image:
        for tries in (2, 1, 0):
            with image.transaction() as change:
                change.put("pin", "tries", tries)
    return journal.read_bytes().splitlines(keepends=True)


def test_torn_last_line_is_dropped_wherever_it_is_torn(path: Path, journal: Path, lines: list[bytes]) -> None:
    snapshot = path.read_bytes()
    for length in range(len(lines[2])):
        path.write_bytes(snapshot)
        journal.write_bytes(b"".join(lines[:2]) + lines[2][:length])
        assert stored(path)["pin"]["tries"] == 1
        assert not journal.exists()


def test_corrupt_last_line_is_dropped(path: Path, journal: Path, lines: list[bytes]) -> None:
    journal.write_bytes(b"".join(lines[:2]) + lines[2].replace(b'"tries",0', b'"tries",9'))
    assert stored(path)["pin"]["tries"] == 1


def test_only_line_torn(path: Path, journal: Path, lines: list[bytes]) -> None:
    journal.write_bytes(lines[0][:-1])
    before = path.stat().st_ino
    assert stored(path) == CARD
    assert path.stat().st_ino == before
    assert not journal.exists()


def test_corrupt_line_before_another_one(path: Path, journal: Path, lines: list[bytes]) -> None:
    journal.write_bytes(lines[0] + lines[1].replace(b'"tries",1', b'"tries",9') + lines[2])
    for _ in range(2):
        with pytest.raises(ImageDamaged, match="journal"):
            CardImage.open(path)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2), (0, 0), (0, 1, 1), (1, 2)])
def test_lines_out_of_sequence(path: Path, journal: Path, lines: list[bytes], order: tuple[int, ...]) -> None:
    journal.write_bytes(b"".join(lines[number] for number in order))
    with pytest.raises(ImageDamaged):
        CardImage.open(path)


@pytest.mark.parametrize("changes", [7, [7], [["put", "s"]], [["burn", "s"]], [["put", 1, "k", 1]], {}])
def test_whole_lines_with_malformed_changes(path: Path, journal: Path, changes: object) -> None:
    CardImage.create(path, CARD).close()
    body = json.dumps({"generation": 1, "sequence": 1, "changes": changes}).removesuffix("}").encode()
    line = body + b',"crc32":"%08x"}\n' % crc32(body)
    journal.write_bytes(line * 2)
    with pytest.raises(ImageDamaged):
        CardImage.open(path)


def test_journal_of_another_generation_is_ignored_and_removed(path: Path, journal: Path, lines: list[bytes]) -> None:
    assert stored(path)["pin"]["tries"] == 0
    journal.write_bytes(b"".join(lines))
    before = path.stat().st_ino
    with CardImage.open(path) as image:
        assert image.read("pin")["tries"] == 0
        assert not journal.exists()
    assert path.stat().st_ino == before


def test_journal_too_long(path: Path, journal: Path) -> None:
    CardImage.create(path, CARD).close()
    journal.write_bytes(bytes(MAX_FILE_LEN + 1))
    with pytest.raises(ImageDamaged):
        CardImage.open(path)


# Migration


def rename_tries(old: dict[str, Any]) -> dict[str, object]:
    pin = old["sections"]["pin"]
    pin["retries_left"] = pin.pop("tries")
    return old


def test_migration_replays_the_journal_first_and_is_stored(path: Path, journal: Path, lines: list[bytes]) -> None:
    old = json.loads(path.read_bytes())
    path.write_text(json.dumps({**old, "version": 0}))
    journal.write_bytes(lines[0])
    with CardImage.open(path, migrations={0: rename_tries}) as image:
        assert image.read("pin")["retries_left"] == 2
    assert json.loads(path.read_bytes())["version"] == 1
    assert not journal.exists()
    assert stored(path)["pin"]["retries_left"] == 2


def test_migrations_run_one_after_the_other(path: Path) -> None:
    path.write_text(json.dumps(document(version=-1, sections={"s": {"order": []}})))

    def step(number: int) -> Callable[[dict[str, Any]], dict[str, object]]:
        def migrate(old: dict[str, Any]) -> dict[str, object]:
            old["sections"]["s"]["order"].append(number)
            return old

        return migrate

    with CardImage.open(path, migrations={0: step(0), -1: step(-1)}) as image:
        assert image.read("s")["order"] == [-1, 0]


@pytest.mark.parametrize("migrate", [rename_tries, lambda _: {}, lambda old: old["x"], lambda _: int("x")])
def test_migration_of_a_malformed_file(path: Path, migrate: Any) -> None:
    data = json.dumps(document(version=0)).encode()
    path.write_bytes(data)
    with pytest.raises(ImageDamaged):
        CardImage.open(path, migrations={0: migrate})
    assert path.read_bytes() == data


# Power cuts


class PowerCut(BaseException):
    """Nothing runs after it, so no code of the image may catch it."""


class CutDisk(Disk):
    """Loses power after a number of steps: an operation is one, and so is every byte that is written (16 bytes
    of a next snapshot, which nobody reads before it is whole).

    What `forget` brings back is the worst that a medium may keep: of each file only what was synchronised,
    and only the names that were there when the folder was.
    """

    def __init__(self, folder: Path, steps: int) -> None:
        self._folder = folder
        self.steps = steps
        self._files: dict[str, str] = {}  # name: identity of the file, as a folder has it
        self._open: dict[int, str] = {}
        self._synced: dict[str, bytes] = {}
        for file in folder.iterdir():
            self._files[file.name] = identity = f"old {file.name}"
            self._synced[identity] = file.read_bytes()
        self._synced_files = dict(self._files)

    def _step(self) -> None:
        if self.steps <= 0:
            self.steps = 0
            raise PowerCut
        self.steps -= 1

    def create(self, path: str) -> int:
        self._step()
        fd = super().create(path)
        name = Path(path).name
        self._open[fd] = self._files[name] = f"new {len(self._synced)} {name}"
        self._synced[self._open[fd]] = b""
        return fd

    def write(self, fd: int, data: bytes) -> None:
        self._step()
        for start in range(0, len(data), grain := 16 if ".tmp" in self._open[fd] else 1):
            self._step()
            super().write(fd, data[start : start + grain])

    def fsync(self, fd: int) -> None:
        self._step()
        identity = self._open[fd]
        name = next(name for name, known in self._files.items() if known == identity)
        self._synced[identity] = (self._folder / name).read_bytes()

    def truncate(self, fd: int, length: int) -> None:
        self._step()
        super().truncate(fd, length)

    def replace(self, source: str, target: str) -> None:
        self._step()
        super().replace(source, target)
        self._files[Path(target).name] = self._files.pop(Path(source).name)

    def remove(self, path: str) -> None:
        self._step()
        super().remove(path)
        self._files.pop(Path(path).name, None)

    def sync_folder(self, folder: str) -> None:
        self._step()
        self._synced_files = dict(self._files)

    def forget(self) -> None:
        for file in self._folder.iterdir():
            file.unlink()
        for name, identity in self._synced_files.items():
            (self._folder / name).write_bytes(self._synced[identity])


def survive_every_cut(
    tmp_path: Path,
    prepare: Callable[[Path], None],
    work: Callable[[Path, Disk], Iterator[None]],
    allowed: list[Mapping[str, Mapping[str, Value]] | None],
) -> set[int]:
    """Cut the power at every step of `work`; gives which of the allowed states (None: no file) were found.

    `work` yields when a state has been reached for good: from then on no earlier one is allowed.
    """
    found = set()
    for forgetful in (False, True):
        steps = 0
        while True:
            folder = tmp_path / f"{forgetful}-{steps}"
            folder.mkdir()
            path = folder / "card.json"
            prepare(path)
            disk = CutDisk(folder, steps)
            reached = 0
            try:
                for _ in work(path, disk):
                    reached += 1
            except PowerCut:
                finished = False
            else:
                finished = True
            if forgetful:
                disk.forget()
            state = stored(path) if path.exists() else None
            assert state in allowed[reached:]
            found.add(allowed.index(state))
            if finished:
                assert state == allowed[-1]
                break
            steps += 1
    return found


def change_all(image: CardImage) -> None:
    with image.transaction() as change:
        change.put("s", "a", 2)
        change.put("s", "b", b"\x22")
        change.drop("t")
        change.put("u", "c", "ใหม่")


OLD: Sections = {"s": {"a": 1, "b": b"\x11"}, "t": {"x": None}}
NEW: Sections = {"s": {"a": 2, "b": b"\x22"}, "u": {"c": "ใหม่"}}


def make_old(path: Path) -> None:
    CardImage.create(path, OLD, disk=QuickDisk()).close()


def make_old_with_journal(path: Path) -> None:
    with crashed(path, {**OLD, "s": {}}) as image:
        with image.transaction() as change:
            change.put("s", "a", 1)
        with image.transaction() as change:
            change.put("s", "b", b"\x11")


def make_new_with_journal(path: Path) -> None:
    with crashed(path, OLD) as image:
        change_all(image)


def test_power_cut_during_a_transaction_and_close(tmp_path: Path) -> None:
    def work(path: Path, disk: Disk) -> Iterator[None]:
        with CardImage.open(path, disk=disk) as image:
            change_all(image)
            yield

    assert survive_every_cut(tmp_path, make_old, work, [OLD, NEW]) == {0, 1}


def test_power_cut_during_a_transaction_on_an_image_with_a_journal(tmp_path: Path) -> None:
    def work(path: Path, disk: Disk) -> Iterator[None]:
        with CardImage.open(path, disk=disk) as image:
            change_all(image)
            yield

    assert survive_every_cut(tmp_path, make_old_with_journal, work, [OLD, NEW]) == {0, 1}


def test_power_cut_while_an_old_journal_is_folded(tmp_path: Path) -> None:
    def work(path: Path, disk: Disk) -> Iterator[None]:
        with CardImage.open(path, disk=disk):
            yield

    assert survive_every_cut(tmp_path, make_new_with_journal, work, [NEW, NEW]) == {0}


def test_power_cut_during_a_second_transaction_after_a_fold(tmp_path: Path) -> None:
    middle = {**OLD, "t": {"x": 1}}

    def work(path: Path, disk: Disk) -> Iterator[None]:
        with CardImage.open(path, disk=disk) as image:
            with image.transaction() as change:
                change.put("t", "x", 1)
            yield
            assert image._store is not None
            image._store.fold(image._memory)
            change_all(image)
            yield

    assert survive_every_cut(tmp_path, make_old, work, [OLD, middle, NEW]) == {0, 1, 2}


def test_power_cut_during_create(tmp_path: Path) -> None:
    def work(path: Path, disk: Disk) -> Iterator[None]:
        with CardImage.create(path, NEW, disk=disk):
            yield

    assert survive_every_cut(tmp_path, lambda _: None, work, [None, NEW]) == {0, 1}


def test_power_cut_while_a_card_with_a_journal_is_overwritten(tmp_path: Path) -> None:
    def work(path: Path, disk: Disk) -> Iterator[None]:
        with CardImage.create(path, NEW, overwrite=True, disk=disk):
            yield

    assert survive_every_cut(tmp_path, make_old_with_journal, work, [OLD, NEW]) == {0, 1}


def test_power_cut_during_a_transaction_too_large_for_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecitizen.emulator.image_store.MAX_JOURNAL_LEN", 100)

    def work(path: Path, disk: Disk) -> Iterator[None]:
        with CardImage.open(path, disk=disk) as image:
            change_all(image)
            yield

    assert survive_every_cut(tmp_path, make_old, work, [OLD, NEW]) == {0, 1}


# Full and failing disks: the program goes on


class FullDisk(Disk):
    """Takes a number of bytes and then no more, and can fail to take back the last ones."""

    def __init__(self, room: int, *, stuck: bool = False) -> None:
        self.room = room
        self._stuck = stuck

    def write(self, fd: int, data: bytes) -> None:
        kept = data[: self.room]
        super().write(fd, kept)
        self.room -= len(kept)
        if len(kept) < len(data):
            raise OSError(28, "No space left on device")

    def truncate(self, fd: int, length: int) -> None:
        if self._stuck:
            raise OSError(5, "Input/output error")
        super().truncate(fd, length)


@pytest.mark.parametrize("room", [0, 1, 50, 100])
def test_full_disk_changes_nothing_and_goes_on_when_there_is_room(path: Path, room: int) -> None:
    make_old(path)
    disk = FullDisk(room)
    with CardImage.open(path, disk=disk) as image:
        with pytest.raises(ImageError, match="No space left"):
            change_all(image)
        assert content(image) == OLD
        disk.room = 10_000
        change_all(image)
        assert content(image) == NEW
        assert image._store is not None
        image._store.release()  # the process dies: what counts is the journal
    assert stored(path) == NEW


def test_full_disk_at_close_keeps_the_journal(path: Path, journal: Path) -> None:
    make_old(path)
    disk = FullDisk(10_000)
    with CardImage.open(path, disk=disk) as image:
        change_all(image)
        disk.room = 10
    assert journal.exists()
    assert {file.name for file in path.parent.iterdir()} == {path.name, journal.name, "card.json.lock"}
    assert stored(path) == NEW


def test_an_image_that_may_differ_from_its_file_takes_no_more_changes(path: Path) -> None:
    make_old(path)
    disk = FullDisk(50, stuck=True)
    with CardImage.open(path, disk=disk) as image:
        with pytest.raises(ImageError, match="Input/output"):
            change_all(image)
        disk.room = 10_000
        with pytest.raises(ImageError, match="open it again"):
            change_all(image)
        assert content(image) == OLD
    assert stored(path) == OLD


def test_a_journal_that_the_power_left_empty_stands_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    CardImage.create(path, {"card": {"tries": 3}}).close()
    (tmp_path / "card.json.journal").touch()
    for tries in (2, 1):
        with CardImage.open(path) as image:
            image.read("card").write({"tries": tries})
    with CardImage.open(path) as image:
        assert image.read("card")["tries"] == 1
