"""Targets: PDF of any content, and a signed one with changes: no error gets out, what is valid is what was signed."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from pki import pdf
from pki.pdf import Certify
from pki.signed import DEFAULT_BOUNDS, DocumentVerdict
from pki.trust import TrustStore
from tests.pdf_files import FIELD, last_object, updated
from tests.pdf_files import pdf as pdf_file
from tests.pdf_signers import town
from tests.unit.small_pki import MOMENT

from .target import Cursor, Target, piece

BOUNDS = replace(DEFAULT_BOUNDS, seconds=2.0)


@cache
def trust() -> TrustStore:
    """Those who are believed in this run."""
    return town().store(Path(tempfile.mkdtemp(prefix="ecitizen-fuzz-")), *town().lists().crls)


@cache
def documents() -> tuple[bytes, ...]:
    """Good documents: signed, and certified with a field filled in."""
    place = town()
    signed, certified = (
        pdf.sign(pdf_file(), place.signer(), place.citizen.der, place.chain, moment=MOMENT, certify=certify)
        for certify in (None, Certify.FORMS)
    )
    filled = last_object(certified, FIELD).replace(b"/FT /Tx", b"/FT /Tx /V (500)")
    return signed, updated(certified, {FIELD: filled})


def check_file(data: bytes) -> None:
    """Any file gets an answer, and never a good one: what was signed began otherwise."""
    report = pdf.verify(b"%PDF-1.6\n" + data, trust(), MOMENT, BOUNDS)
    assert report.verdict is not DocumentVerdict.VALID


def check_changes(data: bytes) -> None:
    """What is not altered has every signed byte as it was."""
    source = Cursor(data)
    original = documents()[source.byte() % 2]
    changed = bytearray(original)
    while source:
        at = source.byte() << 8 | source.byte()
        end = at + source.byte() % 16
        changed[at:end] = source.piece()
    report = pdf.verify(bytes(changed), None, MOMENT, BOUNDS)
    assert report.verdict is not DocumentVerdict.VALID
    if report.verdict is DocumentVerdict.UNTRUSTED:  # which is all there is to say against it, since nobody is trusted
        for begin, end in covered(original):
            assert changed[begin:end] == original[begin:end]


@cache
def covered(document: bytes) -> tuple[tuple[int, int], ...]:
    """The ranges that the signature covers."""
    found = re.findall(rb"/ByteRange ?\[(\d+) (\d+) (\d+) (\d+)", document)[-1]
    first, first_len, second, second_len = map(int, found)
    return (first, first + first_len), (second, second + second_len)


def file_seeds() -> Iterator[bytes]:
    yield pdf_file()[9:]
    for document in documents():
        yield document[9:]


def change_seeds() -> Iterator[bytes]:
    for number in range(2):
        yield bytes((number,))
        for at in (0, 9, 200, 700, 1300, 2000, 8200, 8600):
            yield bytes((number,)) + at.to_bytes(2, "big") + b"\x01" + piece(b"x")


TARGETS = (
    Target("pdf_file", check_file, file_seeds, 12_000, 2),
    Target("signed_pdf", check_changes, change_seeds, 80, 2),
)
