"""Both ends of SCP03 against sessions that others have published: three key lengths, levels 03, 11 and 33."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecitizen.iso7816.apdu import NE_SHORT, CommandApdu, ResponseApdu
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import CardAnswer, Scp03Keys, Scp03Option, SecurityLevel, initialize_update
from ecitizen.secure_channel.scp03 import (
    CardChannel,
    CardOpening,
    HostChannel,
    pseudo_random_challenge,
    session_keys,
)

FILE = Path(__file__).parents[2] / "fixtures" / "vectors" / "scp03.json"
SESSIONS: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["sessions"]

every_session = pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session["name"])


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def command(text: str) -> CommandApdu:
    return CommandApdu.parse(octets(text))


def static_keys(session: dict[str, Any]) -> Scp03Keys:
    enc, mac, dek = (KeyBytes(octets(session["keys"][name])) for name in ("enc", "mac", "dek"))
    return Scp03Keys(enc, mac, dek, octets(session["answer"])[10])


def host_challenge(session: dict[str, Any]) -> bytes:
    return command(session["initialize_update"]).data


def level(session: dict[str, Any]) -> SecurityLevel:
    return SecurityLevel(command(session["external_authenticate"]).p1)


def host_end(session: dict[str, Any]) -> HostChannel:
    challenge = host_challenge(session)
    answer = CardAnswer.parse(octets(session["answer"]), len(challenge))
    keys = session_keys(static_keys(session), challenge, answer.challenge)
    return HostChannel(keys, challenge, answer, level(session))


def card_opening(session: dict[str, Any]) -> CardOpening:
    answer = CardAnswer.parse(octets(session["answer"]), 8)
    return CardOpening(
        static_keys(session),
        answer.options,
        host_challenge(session),
        answer.challenge,
        diversification=answer.diversification,
        sequence=answer.sequence,
    )


def card_end(session: dict[str, Any]) -> CardChannel:
    return card_opening(session).authenticate(command(session["external_authenticate"]))


def test_the_sessions_cover_three_key_lengths_at_three_levels() -> None:
    covered = {(len(session["keys"]["enc"]) // 2, level(session)) for session in SESSIONS}
    wanted = {SecurityLevel.C_MAC_C_ENC, SecurityLevel.C_MAC_R_MAC, SecurityLevel.FULL}
    assert covered >= {(length, each) for length in (16, 24, 32) for each in wanted}


@every_session
def test_the_host_opens_the_channel(session: dict[str, Any]) -> None:
    asked = command(session["initialize_update"])
    assert initialize_update(asked.data, kvn=asked.p1) == asked
    opened = host_end(session).external_authenticate()
    assert opened == command(session["external_authenticate"])


@every_session
def test_the_card_answers_and_accepts(session: dict[str, Any]) -> None:
    opening = card_opening(session)
    assert opening.answer.encode() == octets(session["answer"])
    assert card_end(session).level is level(session)


@every_session
def test_the_host_wraps_and_unwraps(session: dict[str, Any]) -> None:
    """The published commands leave Le as it was, with an R-MAC to come too; ours asks for what must come."""
    channel = host_end(session)
    channel.external_authenticate()
    for exchange in session["exchanges"]:
        plain, wrapped = command(exchange["plain"]), command(exchange["wrapped"])
        if "response" in exchange:
            plain = plain.with_ne(NE_SHORT)
        ours = channel.wrap_command(plain)
        assert ours.with_ne(wrapped.ne) == wrapped
        response = ResponseApdu.parse(octets(exchange.get("response", "6985")))
        expected = ResponseApdu.parse(octets(exchange.get("plain_response", "6985")))
        assert channel.unwrap_response(response) == expected


@every_session
def test_the_card_unwraps_and_wraps(session: dict[str, Any]) -> None:
    channel = card_end(session)
    for exchange in session["exchanges"]:
        plain, wrapped = command(exchange["plain"]), command(exchange["wrapped"])
        assert channel.unwrap_command(wrapped) == plain.with_ne(wrapped.ne)
        response = ResponseApdu.parse(octets(exchange.get("plain_response", "6985")))
        expected = ResponseApdu.parse(octets(exchange.get("response", "6985")))
        assert channel.wrap_response(response) == expected


@pytest.mark.parametrize(
    "session", [each for each in SESSIONS if "session_keys" in each], ids=lambda each: each["name"]
)
def test_session_keys(session: dict[str, Any]) -> None:
    answer = CardAnswer.parse(octets(session["answer"]), 8)
    derived = session_keys(static_keys(session), host_challenge(session), answer.challenge)
    shown = {name: getattr(derived, name).reveal().hex().upper() for name in ("enc", "mac", "rmac")}
    assert shown == session["session_keys"]


@pytest.mark.parametrize("session", [each for each in SESSIONS if "aid" in each], ids=lambda each: each["name"])
def test_pseudo_random_challenges_are_what_real_cards_chose(session: dict[str, Any]) -> None:
    answer = CardAnswer.parse(octets(session["answer"]), 8)
    assert Scp03Option.PSEUDO_RANDOM in answer.options
    assert answer.sequence is not None
    chosen = pseudo_random_challenge(static_keys(session).enc, answer.sequence, octets(session["aid"]), 8)
    assert chosen == answer.challenge
