"""Somebody sits between the office and the card: what agencies sign for is what the card itself proves, and what was on
the card before it came is found.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from ecitizen.emulator.image import CardImage, Sections
from ecitizen.emulator.personalise import card_from_image
from ecitizen.emulator.security_domain_keys import key_memory
from ecitizen.errors import CardSpoiled, EcitizenError, ReadBackMismatch, WrongCard
from ecitizen.globalplatform import DomainSession
from ecitizen.key_providers import DiversifiedKeys
from ecitizen.model import ApplicationRecord, CitizenId
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import Scp03Keys
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader, VirtualTransport
from ecitizen.usecases.change_card import renew_card, rotate_keys
from ecitizen.usecases.update_card import update_card
from tests.flow.issued_cards import (
    NAME,
    P_256,
    at_a_blank_card,
    at_an_issued_card,
    check_ended,
    issue,
    state_of,
    uncut_issue,
)
from tests.flow.test_change_cuts import CHANGES
from tests.issuing_desk import MOMENT, Desk, QuickAuthorities, copy_of, session_with

Meddle = Callable[[bytes, bytes], bytes]
"""What reaches the office, given a command as it went to the card and the card's answer."""

SECURED = 0x04
INS_GET_RESPONSE = 0xC0
TRUE_NAME, OTHER_NAME = b"Wanida", b"Xanida"


class MeddlingTransport(VirtualTransport):
    """A way to the card with somebody on it, who keeps what went over it."""

    def __init__(self, image: CardImage, meddle: Meddle) -> None:
        reader = VirtualReader(card_from_image(image))
        assert reader.card is not None
        super().__init__(reader, reader.card)
        self._meddle = meddle
        self.sent: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return self._meddle(command, super().transmit(command))


def through(image: CardImage, meddle: Meddle) -> CardSession:
    return CardSession(MeddlingTransport(image, meddle))


def in_clear(change: Callable[[bytes], bytes]) -> Meddle:
    """Changes answers to commands that nothing protects."""
    return lambda command, answer: answer if command[0] & SECURED else change(answer)


def honest(_: bytes, answer: bytes) -> bytes:
    return answer


def other_name(answer: bytes) -> bytes:
    return answer.replace(TRUE_NAME, OTHER_NAME)


def with_more_keys(sections: Sections, kvn: int) -> CardImage:
    """The card, to whose issuer's domain somebody has added keys of his own."""
    his = key_memory(Scp03Keys.same(KeyBytes(bytes(16)), kvn))
    return copy_of({**sections, "card": {**sections["card"], **his}})


# What was on the card before


def test_keys_of_somebody_elses_are_seen_before_anything_is_written() -> None:
    sections, desk = at_a_blank_card()
    image = with_more_keys(sections, 0x7A)
    with session_with(image) as session, pytest.raises(WrongCard, match="more keys"):
        issue(session, desk)
    assert desk.journal.latest(NAME) is None
    assert set(image.sections()) == {"card"}
    assert image.read("card")["registry"] == []


@pytest.mark.parametrize("section", ["card", "domain_f045434954495a454e2d53442d4d4f49"])
def test_keys_that_came_while_the_card_was_away_spoil_it(section: str) -> None:
    """Transport keys are often known to many: whoever has the card between two runs may add keys with them."""
    sections, desk = at_a_blank_card()
    image = copy_of(sections)
    count = 0

    def cut(command: bytes, answer: bytes) -> bytes:
        nonlocal count
        count += command[1] == 0x47  # the first key is made: all domains are there
        return answer if not count else b"\x6f\x00"

    with through(image, cut) as session, suppress(EcitizenError):
        issue(session, desk)
    assert section in image.sections()
    image.read(section).write(key_memory(Scp03Keys.same(KeyBytes(bytes(16)), 0x7A)))
    with session_with(image) as session, pytest.raises(CardSpoiled, match="7A"):
        issue(session, desk)
    assert desk.journal.spoiled(NAME) == "keys"
    assert desk.delivered == []


def test_an_application_that_is_hidden_at_first_is_found_before_the_card_is_secured() -> None:
    """That nothing is installed is said by an error, which has no MAC: anybody on the way can say it."""
    sections, desk = at_a_blank_card()
    image = copy_of(sections)
    with session_with(image) as session:
        selected = DomainSession.select(session)
        selected.open_channel(desk.office.transport)
        selected.install_and_make_selectable(
            desk.office.scheme.load_file, *[desk.office.scheme.drivers["health_insurance"].aid] * 2
        )
    asked = 0

    def hide(command: bytes, answer: bytes) -> bytes:
        nonlocal asked
        if command[1:3] != b"\xf2\x40":
            return answer
        asked += 1
        return b"\x6a\x88" if asked == 1 else answer

    with through(image, hide) as session, pytest.raises(CardSpoiled) as caught:
        issue(session, desk)
    assert caught.value.reason == "registry"
    assert desk.delivered == []


def test_a_registry_that_stays_hidden_secures_no_card() -> None:
    sections, desk = at_a_blank_card()
    image = copy_of(sections)

    def hide(command: bytes, answer: bytes) -> bytes:
        return b"\x6a\x88" if command[1:3] == b"\xf2\x40" else answer

    with through(image, hide) as session, pytest.raises(ReadBackMismatch):
        issue(session, desk)
    assert (desk.delivered, desk.journal.spoiled(NAME)) == ([], None)
    with session_with(image) as session:  # and nothing is lost
        issue(session, desk)
    assert state_of(image, desk) == uncut_issue()


def test_a_card_is_not_taken_for_another() -> None:
    """The chip's serial is asked in clear first, and proved before anything is done."""
    sections, desk = at_a_blank_card()
    image = copy_of(sections)
    serial = bytes.fromhex(NAME)

    def lie(answer: bytes) -> bytes:
        return answer.replace(serial, serial[::-1])

    with through(image, in_clear(lie)) as session, pytest.raises(WrongCard, match="reader"):
        issue(session, desk)
    assert desk.journal.latest(serial[::-1].hex().upper()) is None
    assert set(image.sections()) == {"card"}


# What is signed


class WatchfulAuthorities(QuickAuthorities):
    """Keeps what it signed, and how the last command before had come."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.signed: list[ApplicationRecord] = []
        self.proved: list[bool] = []
        self.transport: MeddlingTransport | None = None

    def certify(self, *arguments: Any) -> bytes:
        self._look()
        return super().certify(*arguments)

    def seal(self, application: str, record: ApplicationRecord, *further: Any) -> bytes:
        self._look()
        self.signed.append(record)
        return super().seal(application, record, *further)

    def _look(self) -> None:
        assert self.transport is not None
        last = next(command for command in reversed(self.transport.sent) if command[1] != INS_GET_RESPONSE)
        self.proved.append(bool(last[0] & SECURED))


def watched(desk: Desk) -> tuple[Desk, WatchfulAuthorities]:
    assert isinstance(desk.authorities, QuickAuthorities)
    copied = desk.authorities.copy()
    watching = WatchfulAuthorities(copied._store, copied._authority, copied._sealer)
    return Desk(watching, desk.journal, desk.office.keys), watching


def session_watched(image: CardImage, watching: WatchfulAuthorities, meddle: Meddle) -> CardSession:
    watching.transport = MeddlingTransport(image, meddle)
    return CardSession(watching.transport)


def test_no_agency_signs_for_a_key_that_came_in_clear() -> None:
    sections, before = at_a_blank_card()
    desk, watching = watched(before)
    image = copy_of(sections)
    with session_watched(image, watching, honest) as session:
        issue(session, desk)
    assert len(watching.signed) == 2
    assert watching.proved == [True] * (2 + 2 * 2)  # two keys; a certificate and a seal for each application


def test_an_update_signs_what_the_card_says_and_not_what_the_reader_says() -> None:
    sections, before = at_an_issued_card()
    desk, watching = watched(before)
    application, changes = CHANGES["address"]
    with (
        session_watched(copy_of(sections), watching, in_clear(other_name)) as session,
        pytest.raises(ReadBackMismatch),  # which is read in clear again
    ):
        update_card(session, application, changes, desk.office, moment=MOMENT)
    [signed] = watching.signed
    assert isinstance(signed, CitizenId)
    assert signed.name_en is not None
    assert signed.name_en.first == TRUE_NAME.decode()
    assert all(watching.proved)


def test_a_renewal_certifies_whom_the_card_names_and_not_whom_the_reader_names() -> None:
    sections, before = at_an_issued_card()
    desk, watching = watched(before)
    image = copy_of(sections)
    with session_watched(image, watching, in_clear(other_name)) as session:
        renew_card(session, {0x9A: P_256}, desk.office, moment=MOMENT)
    good = b"".join(watching.good(NAME))
    assert TRUE_NAME in good
    assert OTHER_NAME not in good


# Answers that get lost


@pytest.mark.parametrize("refusal", [b"\x6a\x82", b"\x69\x85"], ids=bytes.hex)
def test_a_renewal_revokes_nothing_that_the_card_still_uses(refusal: bytes) -> None:
    """An answer that is lost at any exchange, or replaced by an error: after another call all is as it should be."""
    at, places = 1, 0
    while True:
        sections, desk = at_an_issued_card()
        image = copy_of(sections)
        count = 0

        def lose(_: bytes, answer: bytes, at: int = at) -> bytes:
            nonlocal count
            count += 1
            return refusal if count == at else answer

        with through(image, lose) as session, suppress(EcitizenError):
            renew_card(session, {0x9A: P_256}, desk.office, moment=MOMENT)
        if count < at:
            break
        with session_with(image) as session:
            renew_card(session, {0x9A: P_256}, desk.office, moment=MOMENT)
        check_ended(image, desk)
        at, places = at + 3, places + 1
    assert places > 5


def told_already(command: bytes, answer: bytes) -> bytes:
    """Key information that says the new keys are there already."""
    return answer.replace(b"\xc0\x04\x01\x01", b"\xc0\x04\x01\x02") if command[1:4] == b"\xca\x00\xe0" else answer


def told_nothing(command: bytes, answer: bytes) -> bytes:
    """That nothing is installed."""
    return b"\x6a\x88" if command[1:3] == b"\xf2\x40" else answer


class NoKeysOfAgencies:
    """Says that every domain that is selected by an agency's name has no keys."""

    def __init__(self) -> None:
        self._agency = False

    def __call__(self, command: bytes, answer: bytes) -> bytes:
        if command[1] == 0xA4:
            self._agency = b"ECITIZEN-SD" in command
        return b"\x6a\x88" if self._agency and command[1:4] == b"\xca\x00\xe0" else answer


@pytest.mark.parametrize(
    "meddle", [told_already, told_nothing, NoKeysOfAgencies()], ids=["rotated", "empty", "keyless"]
)
def test_a_rotation_leaves_no_old_keys_because_somebody_says_so(meddle: Meddle) -> None:
    sections, desk = at_an_issued_card()
    image = copy_of(sections)
    new = DiversifiedKeys(KeyBytes(bytes(range(16))), kvn=0x02)
    with through(image, meddle) as session, pytest.raises(EcitizenError):
        rotate_keys(session, new, desk.office, moment=MOMENT)
    with session_with(image) as session:
        assert rotate_keys(session, new, desk.office, moment=MOMENT).changed
    assert all("keys_01" not in image.read(name) for name in image.sections())
