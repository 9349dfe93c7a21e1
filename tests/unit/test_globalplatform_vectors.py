"""Sessions that others have published, as a host of ours leads them: handshake and commands, byte by byte."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecitizen.errors import CryptogramWrong, SecureMessagingError
from ecitizen.globalplatform import DomainSession
from ecitizen.iso7816.apdu import NE_SHORT, CardProtocol, CommandApdu, ResponseApdu
from ecitizen.key_providers import StaticKeys
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import Scp03Keys, SecurityLevel
from ecitizen.session import CardSession

FILE = Path(__file__).parents[2] / "fixtures" / "vectors" / "scp03.json"
SESSIONS: list[dict[str, Any]] = [
    each for each in json.loads(FILE.read_text(encoding="utf-8"))["sessions"] if "aid" in each
]
"""Of one the card's name was not published, without which nobody can check its challenge."""
SERIAL = bytes(8)
every_session = pytest.mark.parametrize("published", SESSIONS, ids=lambda published: published["name"])


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


class Published:
    """A transport that knows one published session.

    Hosts differ in whether they ask for a MAC alone (Le), and name the key version or leave it to the card (P1).
    """

    def __init__(self, session: dict[str, Any]) -> None:
        self.name, self.atr, self.protocol = "published", b"\x3b\x00", CardProtocol.T1
        self.script = [(session["initialize_update"], session["answer"] + "9000")]
        self.script.append((session["external_authenticate"], "9000"))
        self.script += [(each["wrapped"], each.get("response", "6985")) for each in session["exchanges"]]

    def transmit(self, command: bytes) -> bytes:
        if command.hex().upper() == "80CA00E000":
            return b"\x6a\x88"
        expected, answer = self.script.pop(0)
        ours, theirs = CommandApdu.parse(command), CommandApdu.parse(octets(expected))
        p1 = ours.p1 if ours.ins == 0x50 and not theirs.p1 else theirs.p1
        assert ours.with_ne(None) == replace(theirs, p1=p1, ne=None)
        return octets(answer)

    def reset(self) -> None:
        """Nothing to forget."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def close(self) -> None:
        """Nothing to let go of."""


def keys_of(session: dict[str, Any], *, other: bool = False) -> StaticKeys:
    enc, mac, dek = (octets(session["keys"][name])[:: -1 if other else 1] for name in ("enc", "mac", "dek"))
    return StaticKeys(Scp03Keys(KeyBytes(enc), KeyBytes(mac), KeyBytes(dek), octets(session["answer"])[10]))


def domain_of(session: dict[str, Any]) -> DomainSession:
    challenge = CommandApdu.parse(octets(session["initialize_update"])).data
    return DomainSession(
        CardSession(Published(session)),
        octets(session["aid"]),
        chip_serial=SERIAL,
        random_bytes=lambda _: challenge,
    )


def level_of(session: dict[str, Any]) -> SecurityLevel:
    return SecurityLevel(octets(session["external_authenticate"])[2])


@every_session
def test_a_published_session(published: dict[str, Any]) -> None:
    domain = domain_of(published)
    assert domain.open_channel(keys_of(published), level_of(published)) is level_of(published)
    for each in published["exchanges"]:
        plain = CommandApdu.parse(octets(each["plain"]))
        asked = plain.with_ne(NE_SHORT) if "response" in each else plain
        expected = ResponseApdu.parse(octets(each.get("plain_response", "6985")))
        assert domain.session.transmit(asked) == expected
    transport = domain.session.transport
    assert isinstance(transport, Published)
    assert transport.script == []


@every_session
def test_the_same_session_with_other_keys(published: dict[str, Any]) -> None:
    domain = domain_of(published)
    with pytest.raises(CryptogramWrong):
        domain.open_channel(keys_of(published, other=True), level_of(published))


def test_a_real_cards_challenge_is_of_its_own_name() -> None:
    """A card that was recorded by others makes its challenge as the standard has it, of the AID that was selected."""
    for session in SESSIONS:
        domain = domain_of({**session, "aid": "A000000003000000"})
        with pytest.raises(SecureMessagingError, match="counter"):
            domain.open_channel(keys_of(session), level_of(session))
