"""Targets: the reader of security objects, and the verification of a card whose seals are made up."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cardapps.seal_evaluator import SealEvaluator
from cardapps.seal_files import APPLICATION_CERTIFICATE, SECURITY_OBJECT
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.verdict import CardVerdict
from pki.data_security import check_signature, compare_hashes, open_security_object
from pki.errors import PkiError
from pki.trust import TrustStore
from tests.sealed_cards import Workshop

from .target import Cursor, Target, piece

NAMES = ("citizen_id", "health_insurance", "card_admin")


@cache
def workshop() -> Workshop:
    """Authorities of this run."""
    return Workshop(Path(tempfile.mkdtemp(prefix="ecitizen-fuzz-")) / "hierarchy")


@cache
def judge() -> SealEvaluator:
    """One for whom only processor time counts: a machine that has much else to do makes no card doubtful."""
    return SealEvaluator(TrustStore.open(workshop().trust, clock=time.process_time))


def check_object(data: bytes) -> None:
    """An object opens or is refused with an error of ours; one whose signature holds is one that we made."""
    try:
        sealed = open_security_object(data)
        compare_hashes(sealed, {1: data})
        check_signature(sealed)
    except PkiError:
        return
    ours = {open_security_object(each).content for each in objects()}
    assert sealed.content in ours or sealed.certificate not in certificates()


def check_card(data: bytes) -> None:
    """No card with a changed seal is genuine, and nothing breaks."""
    source = Cursor(data)
    name = NAMES[source.byte() % len(NAMES)]
    file = (SECURITY_OBJECT, APPLICATION_CERTIFICATE)[source.byte() % 2]
    sections = workshop().card("somchai", CardProtocol.T1)
    sections["card"]["applets"] = [name, "piv"]  # the others would only take time
    original = sections[name][file]
    changed = bytearray(original)
    while source:
        at = source.byte() << 8 | source.byte()
        end = at + source.byte() % 4
        changed[at:end] = source.piece()
    sections[name][file] = bytes(changed)
    verdict = workshop().verify(sections, trust=judge()).verdict
    assert (verdict is CardVerdict.GENUINE) == (_used(bytes(changed)) == original)


def _used(content: bytes) -> bytes:
    """What a reader takes of a file: its outer value."""
    with contextlib.suppress(IndexError):
        if content[:2] == b"\x30\x82":
            return content[: 4 + int.from_bytes(content[2:4])]
    return content


@cache
def objects() -> tuple[bytes, ...]:
    card = workshop().card("somchai", CardProtocol.T1)
    return tuple(card[name][SECURITY_OBJECT] for name in NAMES)


@cache
def certificates() -> frozenset[bytes]:
    return frozenset(open_security_object(each).certificate for each in objects())


def object_seeds() -> Iterator[bytes]:
    yield from objects()
    yield objects()[0][:100]


def card_seeds() -> Iterator[bytes]:
    for name in range(len(NAMES)):
        for file in range(2):
            yield bytes((name, file))
            for at in (0, 2, 30, 200, 700):
                yield bytes((name, file)) + at.to_bytes(2, "big") + b"\x01" + piece(b"\x00")


TARGETS = (
    Target("security_object", check_object, object_seeds, max_len=4000, weight=20),
    Target("sealed_card", check_card, card_seeds, max_len=60, weight=1),
)
