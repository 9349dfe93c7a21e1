"""ASiC containers: made, signed again, extended, checked; and those that are not what they seem."""

import io
import struct
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from pki import asic
from pki.asic import AsicForm
from pki.asic_manifest import read_manifest, written_manifest
from pki.errors import Malformed
from pki.signed import DocumentReport, DocumentVerdict, Level, Result, SignedBounds
from pki.signed_files import writing_whole
from tests.signing_people import SigningPeople
from tests.unit.small_pki import MOMENT, YEAR

FILES: dict[str, Any] = {
    "letter.txt": b"what was agreed on",
    "annex/table 1.csv": b"1,2,3",
    "หนังสือ.txt": "ตกลง".encode(),
}
ONE: dict[str, Any] = {"letter.txt": b"what was agreed on"}
LATER = MOMENT + timedelta(days=1)
VALID, ALTERED, CANNOT_TELL = DocumentVerdict.VALID, DocumentVerdict.ALTERED, DocumentVerdict.CANNOT_TELL


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


def signed(people: SigningPeople, form: AsicForm, level: Level = Level.B, **settings: Any) -> bytes:
    return asic.sign(
        settings.pop("files", ONE if form is AsicForm.SIMPLE else FILES),
        people.signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        form=form,
        level=level,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
        **settings,
    )


def judged(people: SigningPeople, container: bytes, **settings: Any) -> DocumentReport:
    return asic.verify(container, **{"trust": people.trust(MOMENT), "moment": LATER, **settings})


def rewritten(container: bytes, change: Callable[[list[tuple[zipfile.ZipInfo, bytes]]], None]) -> bytes:
    """The container with its files changed by a test."""
    with zipfile.ZipFile(io.BytesIO(container)) as old:
        files = [(info, old.read(info)) for info in old.infolist()]
    change(files)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        for info, data in files:
            new.writestr(info, data)
    return target.getvalue()


@pytest.mark.parametrize("form", list(AsicForm))
@pytest.mark.parametrize("level", list(Level))
def test_containers_of_each_kind_and_level(people: SigningPeople, form: AsicForm, level: Level) -> None:
    container = signed(people, form, level)
    assert container[30:38] == b"mimetype"
    assert container[38:].startswith(form.mimetype.encode())
    report = judged(people, container)
    assert (report.verdict, report.format) == (VALID, form)
    assert report.signatures[0].level is level
    names = ONE if form is AsicForm.SIMPLE else FILES
    assert report.signatures[0].covers == ", ".join(names)


@pytest.mark.parametrize("form", list(AsicForm))
def test_two_people_sign_and_both_are_extended(people: SigningPeople, form: AsicForm) -> None:
    other = people.certified(KeyAlgorithm.P_384)
    assert other.certificate
    both = asic.add_signature(signed(people, form), other, other.certificate, people.chain, moment=MOMENT)
    report = judged(people, both)
    assert report.verdict is VALID
    assert len(report.signatures) == 2
    extended = asic.extend(
        both,
        moment=MOMENT,
        level=Level.LTA,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
    )
    later = judged(people, extended, moment=MOMENT + 2 * YEAR, trust=people.trust(MOMENT + 2 * YEAR, "later"))
    assert [each.level for each in later.signatures] == [Level.LTA, Level.LTA]
    assert later.verdict is VALID
    assert judged(people, both, moment=MOMENT + 2 * YEAR).verdict is DocumentVerdict.EXPIRED


def test_a_container_is_written_to_a_file(people: SigningPeople, tmp_path: Path) -> None:
    source, target = tmp_path / "scan.bin", tmp_path / "scan.asice"
    source.write_bytes(bytes(2_500_000))
    with writing_whole(target) as into:
        assert signed(people, AsicForm.EXTENDED, files={"scan.bin": source}, into=into) == b""
    assert asic.verify(target, trust=people.trust(MOMENT), moment=LATER).verdict is VALID
    assert set(tmp_path.iterdir()) == {source, target}


@pytest.mark.parametrize("names", [[], ["../out"], ["/etc/passwd"], ["mimetype"], ["META-INF/x"], ["a\\b"], ["a//b"]])
def test_names_that_can_not_stand_in_a_container_are_refused(people: SigningPeople, names: list[str]) -> None:
    with pytest.raises(UsageError):
        signed(people, AsicForm.EXTENDED, files=dict.fromkeys(names, b""))


def test_a_container_of_one_file_takes_no_more(people: SigningPeople) -> None:
    with pytest.raises(UsageError):
        signed(people, AsicForm.SIMPLE, files=FILES)


# What was done to a container afterwards


def test_a_changed_file_is_named(people: SigningPeople) -> None:
    def change(files: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        files[1] = (files[1][0], b"something else")

    for form in AsicForm:
        report = judged(people, rewritten(signed(people, form), change))
        assert report.verdict is ALTERED
        assert report.signatures[0].changed == ("changed: letter.txt",)


def test_a_file_taken_out_is_named(people: SigningPeople) -> None:
    report = judged(people, rewritten(signed(people, AsicForm.EXTENDED), lambda files: files.__delitem__(2)))
    assert report.verdict is ALTERED
    assert report.signatures[0].changed == ("missing: annex/table 1.csv",)


@pytest.mark.parametrize("form", list(AsicForm))
def test_a_file_that_nobody_signed_is_reported(people: SigningPeople, form: AsicForm) -> None:
    added = (zipfile.ZipInfo("appendix.txt"), b"and I owe you a million")
    report = judged(people, rewritten(signed(people, form), lambda files: files.append(added)))
    assert report.verdict is CANNOT_TELL
    assert any(each.evidence.get("file") == "appendix.txt" for each in report.findings)


def test_a_changed_list_of_files_is_noticed(people: SigningPeople) -> None:
    def change(files: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        files[-2] = (files[-2][0], files[-2][1] + b" ")

    report = judged(people, rewritten(signed(people, AsicForm.EXTENDED), change))
    assert report.verdict is ALTERED
    assert report.signatures[0].changed == ("changed: the list of files",)


def test_a_second_list_for_the_same_signature_is_ambiguous(people: SigningPeople) -> None:
    other = written_manifest("META-INF/signature001.p7s", {"letter.txt": bytes(32)}, {})
    added = (zipfile.ZipInfo("META-INF/ASiCManifest000.xml"), other)
    report = judged(people, rewritten(signed(people, AsicForm.EXTENDED), lambda files: files.insert(1, added)))
    assert report.verdict is CANNOT_TELL


def _with_prefix(container: bytes) -> bytes:
    return b"MZ" + container


def _with_suffix(container: bytes) -> bytes:
    return container + b"hidden"


def _with_gap(container: bytes) -> bytes:
    end = container.rfind(b"PK\x05\x06")
    (listing,) = struct.unpack_from("<I", container, end + 16)
    moved = bytearray(container[:listing] + bytes(64) + container[listing:])
    struct.pack_into("<I", moved, end + 64 + 16, listing + 64)
    return bytes(moved)


def _with_comment(container: bytes) -> bytes:
    return container[:-2] + struct.pack("<H", 6) + b"hidden"


def _encrypted(container: bytes) -> bytes:
    at = container.rfind(b"PK\x01\x02")
    return container[: at + 8] + bytes((container[at + 8] | 1,)) + container[at + 9 :]


def _with_another_head(container: bytes) -> bytes:
    """The head of the first file says deflated, the list stored."""
    return container[:8] + b"\x08" + container[9:]


def _with_a_second_name(container: bytes) -> bytes:
    def change(files: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        name = b"\x01" + bytes(4) + b"other.txt"
        files[1][0].extra = struct.pack("<HH", 0x7075, len(name)) + name

    return rewritten(container, change)


HIDING = [_with_prefix, _with_suffix, _with_gap, _encrypted, _with_another_head, _with_a_second_name]


@pytest.mark.parametrize("change", HIDING)
def test_what_could_be_read_in_two_ways_is_never_valid(people: SigningPeople, change: Callable[[bytes], bytes]) -> None:
    container = signed(people, AsicForm.EXTENDED)
    report = judged(people, change(container))
    assert report.verdict is not VALID
    assert any(each.result is not Result.PASSED for each in report.findings)


def test_a_comment_is_told(people: SigningPeople) -> None:
    report = judged(people, _with_comment(signed(people, AsicForm.EXTENDED)))
    assert report.verdict is VALID
    assert any(each.text.en == "the container has a comment" for each in report.findings)


@pytest.mark.parametrize("name", ["../letter.txt", "/letter.txt", "a/../../b", "c:x", "LETTER.TXT", "letter.txt"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_lead_out_or_come_twice_are_refused(people: SigningPeople, name: str) -> None:
    added = (zipfile.ZipInfo(name), b"")
    report = judged(people, rewritten(signed(people, AsicForm.EXTENDED), lambda files: files.append(added)))
    assert (report.verdict, report.signatures) == (CANNOT_TELL, ())


def test_a_bomb_is_not_unpacked(people: SigningPeople) -> None:
    bomb = zipfile.ZipInfo("bomb")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    container = rewritten(signed(people, AsicForm.EXTENDED), lambda files: files.append((bomb, bytes(30_000_000))))
    report = judged(people, container, bounds=SignedBounds(expanded_max_len=20_000_000))
    assert report.verdict is CANNOT_TELL


def test_too_many_files_are_not_read(people: SigningPeople) -> None:
    container = signed(people, AsicForm.EXTENDED, files={f"{number}.txt": b"" for number in range(20)})
    assert judged(people, container, bounds=SignedBounds(entries_max=10)).verdict is CANNOT_TELL


def test_a_container_without_signature(people: SigningPeople) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        new.writestr("letter.txt", "x")
    report = judged(people, target.getvalue())
    assert (report.verdict, report.signatures) == (CANNOT_TELL, ())


def test_what_is_no_xades_is_told(people: SigningPeople) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        new.writestr("mimetype", AsicForm.EXTENDED.mimetype)
        new.writestr("letter.txt", "x")
        new.writestr("META-INF/signatures0.xml", "<x/>")
    report = judged(people, target.getvalue())
    assert report.verdict is CANNOT_TELL
    assert report.signatures[0].format == "xades"


@pytest.mark.parametrize("cut", [0, 1, 30, 100, 1000, -1, -20, -30, -200])
def test_a_container_cut_short(people: SigningPeople, cut: int) -> None:
    assert judged(people, signed(people, AsicForm.EXTENDED)[:cut]).verdict is CANNOT_TELL


ENTITIES = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    "data",
    [b"", b"<", b"<a/>", ENTITIES, b"\xff", b'<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#"/>'],
)
def test_what_is_no_list_of_files(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_manifest(data)


def test_a_list_of_files_reads_as_it_was_written() -> None:
    files = {name: bytes(32) for name in FILES}
    manifest = read_manifest(written_manifest("META-INF/signature001.p7s", files, {"letter.txt": "text/plain"}))
    assert manifest.signature == "META-INF/signature001.p7s"
    assert [each.name for each in manifest.files] == list(FILES)
