"""Channels from the host's side: what a session does with one, how a domain opens one, and cards that cheat."""

from collections.abc import Callable
from contextlib import suppress
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import (
    CardProtocolError,
    CardRemoved,
    CryptogramWrong,
    DecodeError,
    EcitizenError,
    KeyIncorrect,
    SecureMessagingError,
    StatusError,
    UsageError,
)
from ecitizen.globalplatform import DomainSession
from ecitizen.globalplatform_objects import DataGrouping, RegistryKind
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.key_providers import StaticKeys
from ecitizen.secure_channel.handshake import Scp03Option, SecurityLevel
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader
from tests.unit.gp_card import CPLC, ISSUER_AID, OPTIONS, SERIAL, ChannelCard, Tamper, same_keys
from tests.unit.gp_host import Host, blank_image

GET_CPLC = CommandApdu(0x80, 0xCA, 0x9F, 0x7F, ne=256)
STATUS = "80F28002024F00"
ENTRY = "E3134F08A0000001510000009F700107C5039EFE80"


def domain_at(card: ChannelCard) -> DomainSession:
    return DomainSession.select(CardSession(card), random_bytes=counting())


def counting() -> Callable[[int], bytes]:
    """Challenges that can be told apart."""
    calls = iter(range(256))
    return lambda length: bytes((next(calls),)) * length


def at_emulated(protocol: CardProtocol) -> DomainSession:
    card = Host.at(blank_image(), protocol).card
    return DomainSession.select(CardSession(VirtualReader(card).connect()))


# The session.


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize("level", SecurityLevel)
def test_all_commands_of_a_session_go_through_its_channel(protocol: CardProtocol, level: SecurityLevel) -> None:
    domain = at_emulated(protocol)
    session = domain.session
    plain = session.command(GET_CPLC, "reading")
    assert domain.open_channel(StaticKeys.published(), level) is level
    assert session.security_level is level
    for _ in range(3):
        assert session.command(GET_CPLC, "reading") == plain
    assert domain.chip_serial() == SERIAL


def test_the_channel_ends_when_something_else_is_selected() -> None:
    domain = at_emulated(CardProtocol.T1)
    domain.open_channel(StaticKeys.published())
    domain.session.select(ISSUER_AID)
    assert domain.session.security_level is None
    assert domain.session.command(GET_CPLC, "reading")


def test_the_channel_ends_with_a_reset_and_with_the_session() -> None:
    domain = at_emulated(CardProtocol.T1)
    domain.open_channel(StaticKeys.published())
    domain.session.reset()
    assert domain.session.security_level is None
    domain.open_channel(StaticKeys.published())
    domain.session.close()
    assert domain.session.security_level is None


def test_there_is_one_channel_at_a_time() -> None:
    card = ChannelCard()
    domain = domain_at(card)
    domain.open_channel(StaticKeys.published())
    other = domain_at(ChannelCard())
    *_, second = other._initialize(StaticKeys.published(), other.context(), SecurityLevel.C_MAC, None)
    with pytest.raises(UsageError, match="already"):
        domain.session.open_channel(second)


def test_what_can_not_be_wrapped_does_not_break_the_channel() -> None:
    domain = at_emulated(CardProtocol.T1)
    domain.open_channel(StaticKeys.published())
    with pytest.raises(UsageError, match="class"):
        domain.session.transmit(CommandApdu(0x84, 0xCA, 0x9F, 0x7F, ne=256))
    assert domain.session.command(GET_CPLC, "reading")


def test_a_channel_that_broke_stays_in_the_way() -> None:
    """Nothing is sent in clear that was meant for the channel."""
    card = ChannelCard()
    domain = domain_at(card)
    domain.open_channel(StaticKeys.published())
    card.tamper = lambda _, answer: bytes((answer[0] ^ 1,)) + answer[1:]
    with pytest.raises(SecureMessagingError):
        domain.session.transmit(GET_CPLC)
    card.tamper = lambda _, answer: answer
    sent = len(card.raw)
    with pytest.raises(UsageError, match="closed"):
        domain.session.transmit(GET_CPLC)
    with pytest.raises(UsageError, match="channel"):
        domain.get_status(RegistryKind.ISSUER_DOMAIN)
    assert len(card.raw) == sent
    domain.open_channel(StaticKeys.published())
    assert domain.session.command(GET_CPLC, "reading")


def test_a_card_pulled_out_ends_the_channel() -> None:
    card = ChannelCard()
    domain = domain_at(card)
    domain.open_channel(StaticKeys.published())

    def removed(command: bytes, answer: bytes) -> bytes:
        raise CardRemoved("the card was pulled out")

    card.tamper = removed
    with pytest.raises(CardRemoved):
        domain.session.transmit(GET_CPLC)
    assert domain.session.security_level is None


@pytest.mark.parametrize("level", [SecurityLevel.C_MAC, SecurityLevel.FULL])
def test_a_length_that_is_corrected_sends_the_same_wrapped_command(level: SecurityLevel) -> None:
    """6Cxx is a matter of the link: a command that was wrapped twice would have a wrong MAC."""
    card = ChannelCard()
    domain = domain_at(card)
    domain.open_channel(StaticKeys.published(), level)
    begun = len(card.raw)
    held: list[bytes] = []

    def corrects(command: bytes, answer: bytes) -> bytes:
        if not held:
            held.append(answer)
            return bytes((0x6C, len(answer) - 2))
        return held[0]

    transmit = card.transmit

    def once(command: bytes) -> bytes:
        if len(held) == 1:  # the same again: no second unwrapping on the card either
            card.raw.append(command)
            return held[0]
        return transmit(command)

    card.tamper = corrects
    card.transmit = once  # type: ignore[method-assign]  # the card answers the repetition from what it has ready
    assert domain.session.command(GET_CPLC, "reading").hex().upper() == CPLC
    first, second = card.raw[begun:]
    assert (first[:-1], second[-1]) == (second[:-1], len(held[0]) - 2)


def test_an_answer_that_waits_is_put_together_before_it_is_unwrapped() -> None:
    domain = at_emulated(CardProtocol.T0)
    domain.open_channel(StaticKeys.published())
    begun = domain.session.stats
    domain.session.command(GET_CPLC, "reading")
    assert domain.session.stats_since(begun).exchanges == 2


def test_a_command_too_long_for_one_apdu_is_chained_below_the_channel() -> None:
    card = ChannelCard()
    domain = domain_at(card)
    domain.open_channel(StaticKeys.published())
    begun = len(card.raw)

    def takes_chains(command: bytes) -> bytes:
        card.raw.append(command)
        return b"\x90\x00" if command[0] & 0x10 else b"\x6a\x80"

    card.transmit = takes_chains  # type: ignore[method-assign]
    assert domain.session.transmit(CommandApdu(0x80, 0xE2, data=bytes(300))).sw == 0x6A80
    first, last = card.raw[begun:]
    assert (first[0], last[0]) == (0x94, 0x84)
    assert len(first) - 5 == 255
    assert len(first) + len(last) - 11 == 304 + 8


def test_extended_lengths_are_wrapped_as_they_are_sent() -> None:
    card = ChannelCard(
        {"80CB3FFF" + "000003" + "5C017E" + "0000": "AB" * 300 + "9000", "80CB3FFF035C017E": "AB" * 300 + "9000"}
    )
    domain = domain_at(card)
    domain.session.link.extended_length = True
    domain.open_channel(StaticKeys.published())
    answer = domain.session.command(CommandApdu(0x80, 0xCB, 0x3F, 0xFF, b"\x5c\x01\x7e", 1024), "reading")
    assert answer == b"\xab" * 300
    assert card.raw[-1][4] == 0


# Opening a channel.


def test_keys_that_the_card_does_not_have_are_not_tried() -> None:
    card = ChannelCard()
    domain = domain_at(card)
    with pytest.raises(KeyIncorrect, match="no keys of version 31"):
        domain.open_channel(StaticKeys(same_keys(0x31)))
    assert all(raw[1] not in {0x50, 0x82} for raw in card.raw)


def test_keys_of_another_kind_are_not_tried() -> None:
    card = ChannelCard({"80CA00E0": "E012C00401308010C00402308010C004033080109000"})
    with pytest.raises(KeyIncorrect, match="no keys of version 30"):
        domain_at(card).open_channel(StaticKeys.published())


@pytest.mark.parametrize("said", ["6A88", "6D00", "E0009000"])
def test_a_domain_that_does_not_tell_its_keys_is_asked_for_the_version(said: str) -> None:
    card = ChannelCard({"80CA00E0": said})
    domain_at(card).open_channel(StaticKeys.published())
    assert [raw[2] for raw in card.raw if raw[1] == 0x50] == [0x30]


def test_a_version_that_the_card_refuses_is_told() -> None:
    card = ChannelCard({"80CA00E0": "6A88"})
    card.tamper = lambda command, answer: b"\x6a\x88" if command[1] == 0x50 else answer
    with pytest.raises(KeyIncorrect, match="no key was tried"):
        domain_at(card).open_channel(StaticKeys.published())


def test_other_keys_of_the_same_version_are_known_before_the_card_is_asked() -> None:
    card = ChannelCard(keys=same_keys(first=0x80))
    with pytest.raises(CryptogramWrong):
        domain_at(card).open_channel(StaticKeys.published())
    assert all(raw[1] != 0x82 for raw in card.raw)


def test_a_probe_tries_nothing() -> None:
    card = ChannelCard()
    domain = domain_at(card)
    assert domain.probe(StaticKeys.published())
    assert not domain.probe(StaticKeys(same_keys(0x31)))
    assert not domain.probe(StaticKeys(same_keys(first=0x80)))
    assert all(raw[1] != 0x82 for raw in card.raw)


def test_a_probe_ends_a_channel() -> None:
    domain = domain_at(ChannelCard())
    domain.open_channel(StaticKeys.published())
    assert domain.probe(StaticKeys.published())
    assert domain.session.security_level is None
    domain.open_channel(StaticKeys.published())


def test_a_card_that_refuses_the_keys() -> None:
    card = ChannelCard()
    card.tamper = lambda command, answer: b"\x63\x00" if command[1] == 0x82 else answer
    domain = domain_at(card)
    with pytest.raises(KeyIncorrect, match="6300"):
        domain.open_channel(StaticKeys.published())
    assert domain.session.security_level is None


def test_a_blocked_key_version_is_told() -> None:
    card = ChannelCard()
    card.tamper = lambda command, answer: b"\x69\x83" if command[1] == 0x50 else answer
    with pytest.raises(StatusError, match="blocked") as blocked:
        domain_at(card).open_channel(StaticKeys.published())
    assert blocked.value.sw == 0x6983


@pytest.mark.parametrize("level", SecurityLevel)
@pytest.mark.parametrize("further", [Scp03Option(0), Scp03Option.S16], ids=["s8", "s16"])
def test_both_modes_at_every_level(level: SecurityLevel, further: Scp03Option) -> None:
    card = ChannelCard({STATUS: ENTRY + "9000"}, options=OPTIONS | further)
    domain = domain_at(card)
    assert domain.open_channel(StaticKeys.published(), level) is level
    (entry,) = domain.get_status(RegistryKind.ISSUER_DOMAIN)
    assert (entry.aid, entry.life_cycle) == (ISSUER_AID, 0x07)


def test_a_random_challenge_is_taken_as_it_is() -> None:
    card = ChannelCard(options=Scp03Option.R_MAC | Scp03Option.R_ENC)
    assert domain_at(card).open_channel(StaticKeys.published()) is SecurityLevel.FULL


@pytest.mark.parametrize(
    ("has", "at_least", "level"),
    [
        (Scp03Option.R_MAC, SecurityLevel.C_MAC_C_ENC_R_MAC, SecurityLevel.C_MAC_C_ENC_R_MAC),
        (Scp03Option.R_MAC, SecurityLevel.C_MAC, SecurityLevel.C_MAC_C_ENC_R_MAC),
        (Scp03Option(0), SecurityLevel.C_MAC, SecurityLevel.C_MAC_C_ENC),
        (Scp03Option(0), SecurityLevel.C_MAC_C_ENC, SecurityLevel.C_MAC_C_ENC),
        (Scp03Option(0), SecurityLevel.C_MAC_R_MAC, None),
        (Scp03Option.R_MAC, SecurityLevel.FULL, None),
        (Scp03Option.R_MAC, None, None),
    ],
)
def test_a_lower_level_is_taken_only_with_consent(
    has: Scp03Option, at_least: SecurityLevel | None, level: SecurityLevel | None
) -> None:
    card = ChannelCard({STATUS: ENTRY + "9000"}, options=Scp03Option.PSEUDO_RANDOM | has)
    domain = domain_at(card)
    if level is None:
        with pytest.raises(UsageError, match="lower security level"):
            domain.open_channel(StaticKeys.published(), at_least=at_least)
        assert all(raw[1] != 0x82 for raw in card.raw)
    else:
        assert domain.open_channel(StaticKeys.published(), at_least=at_least) is level
        assert domain.get_status(RegistryKind.ISSUER_DOMAIN)


def test_a_second_channel_follows_the_first() -> None:
    card = ChannelCard()
    domain = domain_at(card)
    domain.open_channel(StaticKeys.published())
    domain.open_channel(StaticKeys.published(), SecurityLevel.C_MAC)
    assert domain.session.security_level is SecurityLevel.C_MAC
    assert card.sequence == 2


# Cards that cheat.


@pytest.mark.parametrize("said", ["E0", "E003C00130", "DEADBEEF", "E002C000", "", "61"])
def test_garbage_in_place_of_key_information_ends_it_before_a_key_is_used(said: str) -> None:
    card = ChannelCard({"80CA00E0": said + "9000"})
    card.tamper = lambda command, answer: answer[:-2] if said == "61" and command[1] == 0xCA else answer
    domain = domain_at(card)
    if said:
        with pytest.raises(CardProtocolError):
            domain.open_channel(StaticKeys.published())
        assert all(raw[1] not in {0x50, 0x82} for raw in card.raw)
    else:  # a domain without keys of its own
        domain.open_channel(StaticKeys.published())


def test_an_answer_of_another_day_is_refused() -> None:
    """The host's challenge is new each time, so what the card said to an earlier one proves nothing."""
    card = ChannelCard()
    domain = domain_at(card)
    domain.open_channel(StaticKeys.published())
    recorded = next(raw for raw in card.raw if raw[1] == 0x50)
    answer = ChannelCard().transmit(recorded)
    card.tamper = lambda command, real: answer if command[1] == 0x50 else real
    with pytest.raises(CryptogramWrong):
        domain.open_channel(StaticKeys.published())


def test_a_counter_that_does_not_move_is_refused() -> None:
    """A host whose random numbers repeat would take the replay; the card's counter gives it away."""
    card = ChannelCard()
    domain = DomainSession.select(CardSession(card), random_bytes=bytes)
    domain.open_channel(StaticKeys.published())
    card.sequence = 0
    with pytest.raises(SecureMessagingError, match="repeats"):
        domain.open_channel(StaticKeys.published())


def test_a_challenge_that_the_counter_does_not_make_is_refused() -> None:
    """The card has the keys, and chooses its challenge freely all the same."""

    card = ChannelCard()
    card.tamper = lambda command, answer: answer[:-5] + b"\x00\x00\x07\x90\x00" if command[1] == 0x50 else answer
    domain = domain_at(card)
    with pytest.raises(SecureMessagingError, match="counter"):
        domain.open_channel(StaticKeys.published())
    assert all(raw[1] != 0x82 for raw in card.raw)


def test_keys_of_another_version_than_asked_for_are_refused() -> None:
    card = ChannelCard(keys=same_keys(0x31))
    with pytest.raises(SecureMessagingError, match="other keys"):
        domain_at(card).open_channel(StaticKeys.published())


def flip(at: int) -> Tamper:
    def flipped(command: bytes, answer: bytes) -> bytes:
        return answer if command[1] == 0x50 else answer[:at] + bytes((answer[at] ^ 1,)) + answer[at + 1 :]

    return flipped


def cut(length: int) -> Tamper:
    return lambda command, answer: answer[:length]


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (flip(0), SecureMessagingError),
        (flip(-3), SecureMessagingError),
        (lambda *_: b"\x90\x00", SecureMessagingError),
        (lambda *_: b"\x63\x10", SecureMessagingError),
        (lambda *_: bytes(8) + b"\x6a\x80", SecureMessagingError),
        (lambda *_: b"\x6a\x80", StatusError),
        (cut(0), DecodeError),
        (cut(1), DecodeError),
        (cut(7), CardProtocolError),
        (lambda *_: b"\x61\x10", CardProtocolError),
        (lambda *_: b"\xab\x61\x10", CardProtocolError),
        (lambda *_: b"\x6c\x10", CardProtocolError),
        (lambda *_: bytes(300) + b"\x90\x00", CardProtocolError),
    ],
    ids=[
        "data changed",
        "check value changed",
        "check value missing",
        "warning alone",
        "error with data",
        "error alone",
        "nothing",
        "one byte",
        "cut inside",
        "61xx without end",
        "61xx for ever",
        "6Cxx twice",
        "too much",
    ],
)
def test_an_answer_in_the_channel_that_was_changed_is_no_answer(tamper: Tamper, kind: type[EcitizenError]) -> None:
    card = ChannelCard({STATUS: ENTRY + "9000"})
    domain = domain_at(card)
    domain.open_channel(StaticKeys.published())
    card.tamper = tamper
    with pytest.raises(kind):
        domain.get_status(RegistryKind.ISSUER_DOMAIN)


@pytest.mark.parametrize("length", range(32))
def test_a_truncated_answer_to_the_handshake_is_a_typed_error(length: int) -> None:
    card = ChannelCard()
    domain = domain_at(card)
    card.tamper = lambda command, answer: answer[:length] + b"\x90\x00" if command[1] == 0x50 else answer
    with pytest.raises((CardProtocolError, KeyIncorrect)):
        domain.open_channel(StaticKeys.published())
    assert all(raw[1] != 0x82 for raw in card.raw)


ACTS: list[Callable[[DomainSession], object]] = [
    lambda domain: domain.open_channel(StaticKeys.published()),
    lambda domain: domain.probe(StaticKeys.published()),
    lambda domain: domain.get_status(RegistryKind.APPLICATIONS),
    lambda domain: domain.put_keys(StaticKeys(same_keys(0x31, 0x80)), replace=0x30),
    lambda domain: domain.store_groupings([DataGrouping(0x0101, bytes(300))], encrypted=True),
    lambda domain: domain.lock(ISSUER_AID),
    lambda domain: domain.recognition(),
    lambda domain: domain.sequence_counter(),
    lambda domain: domain.at(ISSUER_AID),
]


@given(
    act=st.sampled_from(ACTS),
    level=st.sampled_from([None, *SecurityLevel]),
    answers=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.binary(max_size=60).map(lambda data: data + b"\x90\x00"),
            st.sampled_from(
                [b"\x90\x00", b"\x63\x10", b"\x61\x01", b"\x6c\x08", b"\x6a\x88", b"\x62\x00", b"\xe3\x00\x63\x10"]
            ),
            st.none(),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_whatever_a_card_answers_nothing_but_typed_errors_leave(
    act: Callable[[DomainSession], object], level: SecurityLevel | None, answers: list[bytes | None]
) -> None:
    """Answers at random in place of true ones, with and without a channel around them (None leaves the true one)."""
    card = ChannelCard()
    domain = domain_at(card)
    if level is not None:
        domain.open_channel(StaticKeys.published(), level)
    script = cycle(answers)
    card.tamper = lambda _, true: true if (answer := next(script)) is None else answer
    with suppress(EcitizenError):
        act(domain)
