"""Targets: what people type or send to an authority: shares, plans, profiles, transcripts, names of keys."""

import contextlib
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import ConfigError, UsageError
from ecitizen.secret import KeyBytes
from pki.errors import SharesWrong, SignatureInvalid, TranscriptWrong
from pki.keys import FileSigner, generate_key
from pki.pkcs11_keys import Pkcs11Uri
from pki.plan import Plan, standard_plan
from pki.profiles import Profile
from pki.shares import Share, split
from pki.transcript import check
from tests.unit.held_ceremony import Ceremony, hold, script

from .target import Cursor, Target, piece

BASE_URI = "http://pki.example"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def check_share(data: bytes) -> None:
    """A share is read as it is written, or refused."""
    try:
        share = Share.parse(_text(data))
    except SharesWrong:
        return
    assert Share.parse(share.text) == share


def check_settings(data: bytes) -> None:
    """A plan, a profile or a reference of a key is read or refused with an error of ours."""
    text = _text(data)
    for read in (lambda: Plan.parse(text, base_uri=BASE_URI), lambda: Profile.parse("mine", text)):
        try:
            read()
        except ConfigError:
            continue
    try:
        Pkcs11Uri.parse(text)
    except UsageError:
        return


@cache
def held() -> Ceremony:
    """A ceremony of this run."""
    witness = FileSigner(generate_key(KeyAlgorithm.P_256))
    with tempfile.TemporaryDirectory(prefix="ecitizen-fuzz-") as folder:
        return hold(Path(folder) / "ca", script(witness), witness)


def check_transcript(data: bytes) -> None:
    """Any text is refused or holds; of ours with changes, what holds is of our root, whatever signatures it lacks."""
    with contextlib.suppress(TranscriptWrong, SignatureInvalid):
        check(_text(data))  # of whatever ceremony: everybody may hold one
    ours, source = held().text, Cursor(data)
    changed = bytearray(ours.encode())
    while source:
        at = source.byte() << 8 | source.byte()
        end = at + source.byte()
        changed[at:end] = source.piece()
    try:
        checked = check(_text(bytes(changed)))
    except (TranscriptWrong, SignatureInvalid):
        return
    assert checked.root == check(ours).root


def _transcripts() -> Iterator[bytes]:
    yield held().text.encode()
    for at in (0, 50, 400, 1000, 3000, 7000):
        yield at.to_bytes(2, "big") + b"\x01" + piece(b"x")
        yield at.to_bytes(2, "big") + b"\xff" + piece(b"")


TARGETS = (
    Target("share", check_share, lambda: [split(KeyBytes(bytes(32)), 2, 3)[0].text.encode()], 200, 10),
    Target("plan", check_settings, lambda: [standard_plan().encode()], 4_000, 4),
    Target("ceremony", check_transcript, _transcripts, 20_000, 1),
)
