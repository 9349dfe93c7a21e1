"""A security domain as a host meets it: what it tells everybody, and the secure channel to it.

GlobalPlatform Card Specification 2.3.1, 11.3 and 11.9; SCP03 as in Amendment D 1.1.2, 7.1. What is done in a channel is
`globalplatform`.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

from .errors import CryptogramWrong, DecodeError, KeyIncorrect, SecureMessagingError, UsageError
from .globalplatform_objects import (
    AID_ISSUER_DOMAIN,
    AID_MAX_LEN,
    AID_MIN_LEN,
    TAG_CARD_RECOGNITION_DATA,
    TAG_CIN,
    TAG_CPLC,
    TAG_IIN,
    TAG_KEY_INFORMATION,
    TAG_SEQUENCE_COUNTER,
    CardRecognition,
    Cplc,
    KeyInformation,
    check_aid,
    expect,
    parse_cplc,
    parse_key_information,
    parse_recognition,
)
from .iso7816 import tlv
from .iso7816.apdu import LC_SHORT_MAX, NE_SHORT, ResponseApdu
from .iso7816.command import get_data, select
from .iso7816.files import TAG_DF_NAME, TAG_FCI
from .iso7816.status import StatusWord, status_error
from .key_providers import KeyContext, KeyProvider
from .secure_channel.handshake import (
    CLA_GLOBALPLATFORM,
    KEY_TYPE_AES,
    MODES,
    CardAnswer,
    Scp03Option,
    SecurityLevel,
    initialize_update,
)

if TYPE_CHECKING:
    from .secure_channel.scp03 import HostChannel  # needs `cryptography`: late, when a channel is opened
    from .session import CardSession

_PATH_MAX_DATA_LEN: Final = (0x6F, 0xA5, 0x9F65)
"""Where a domain's control information says how long a command's data may be (11.9.3.1)."""

_SW_LENGTH_REFUSED: Final = frozenset({StatusWord.WRONG_LENGTH, StatusWord.INCORRECT_DATA_FIELD})
_LEVELS: Final = tuple(sorted(SecurityLevel, reverse=True))


class DomainChannel:
    """A security domain, or an application below one, selected on a card: what it tells, and its channel.

    What can be asked without a channel can be asked in one too. Each call raises StatusError if the card refuses,
    DecodeError and other CardProtocolErrors if it answers what it must not, SecureMessagingError if the channel
    breaks, TransportError if the way to the card fails.
    """

    def __init__(
        self,
        session: "CardSession",
        aid: bytes,
        *,
        control_information: bytes = b"",
        chip_serial: bytes | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.session = session
        self.aid = check_aid(aid)
        self._random_bytes = random_bytes
        self._chip_serial = chip_serial
        self.control_information = control_information
        """What SELECT told of it; empty on T=0."""
        self._max_data_len = _max_data_len(control_information)
        self._keys: KeyProvider | None = None
        self._card: KeyContext | None = None
        self._mode = MODES[0]
        self._sequences: dict[int, int] = {}

    @classmethod
    def select(
        cls,
        session: "CardSession",
        aid: bytes | None = AID_ISSUER_DOMAIN,
        *,
        chip_serial: bytes | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> Self:
        """Select a domain or application: the issuer's domain, the one of that AID, or with None the card's own choice.

        `chip_serial` spares asking the card for it, and is needed where what is selected does not know it. Raise
        AppNotFound if the card does not have it.
        """
        if aid is None:
            session.close_channel()
            answer = require(session.transmit(select(b"")), "selecting the card's manager")
            name = tlv.find(tlv.parse(answer), TAG_FCI, TAG_DF_NAME)
            if name is None or not AID_MIN_LEN <= len(name.value) <= AID_MAX_LEN:
                raise DecodeError("the card does not tell the name of its manager")
            return cls(
                session,
                name.value,
                control_information=answer,
                chip_serial=chip_serial,
                random_bytes=random_bytes,
            )
        information = session.select(check_aid(aid))
        return cls(session, aid, control_information=information, chip_serial=chip_serial, random_bytes=random_bytes)

    def at(self, aid: bytes) -> Self:
        """Select another domain or application of the same card; this session is over then."""
        return self.select(self.session, aid, chip_serial=self.chip_serial(), random_bytes=self._random_bytes)

    # What anybody may ask.

    def key_information(self) -> tuple[KeyInformation, ...]:
        """The keys that the domain has."""
        return parse_key_information(self._get_data(TAG_KEY_INFORMATION, "asking which keys the domain has"))

    def recognition(self) -> CardRecognition:
        """The standard and the secure channels of the card."""
        return parse_recognition(self._get_data(TAG_CARD_RECOGNITION_DATA, "asking for the card recognition data"))

    def cplc(self) -> Cplc:
        """The production data of the chip."""
        return parse_cplc(self._get_data(TAG_CPLC, "asking for the chip's production data"))

    def chip_serial(self) -> bytes:
        """The 8 bytes by which this chip's keys are found; the card is asked once."""
        if self._chip_serial is None:
            self._chip_serial = self.cplc().chip_serial
        return self._chip_serial

    def iin(self) -> bytes | None:
        """The issuer identification number; None if none was stored."""
        return self._number(TAG_IIN, "asking for the issuer's number")

    def cin(self) -> bytes | None:
        """The card image number; None if none was stored."""
        return self._number(TAG_CIN, "asking for the card's number")

    def sequence_counter(self) -> int | None:
        """How many channels the domain's first keys have opened; None for a card with random challenges."""
        counter = self._number(TAG_SEQUENCE_COUNTER, "asking for the sequence counter")
        return None if counter is None else int.from_bytes(counter, "big")

    def _number(self, tag: int, doing: str) -> bytes | None:
        response = self.session.transmit(get_data(tag, NE_SHORT, cla=CLA_GLOBALPLATFORM))
        if response.sw == StatusWord.REFERENCED_DATA_NOT_FOUND:
            return None
        return expect(require(response, doing), tag)

    def _get_data(self, tag: int, doing: str) -> bytes:
        return require(self.session.transmit(get_data(tag, NE_SHORT, cla=CLA_GLOBALPLATFORM)), doing)

    # The channel.

    def context(self, domain_aid: bytes | None = None) -> KeyContext:
        """Whose keys a provider is asked for: this domain's, or another's on the same card."""
        return KeyContext(domain_aid or self.aid, self.chip_serial())

    def probe(self, keys: KeyProvider, *, keys_of: bytes | None = None) -> bool:
        """Tell whether the card holds these keys, without trying them on it: the card proves itself, we don't.

        False, too, if the domain has no keys of this version. Nothing changes on the card, but a channel that was open
        is over.
        """
        card = self._look_before(keys.kvn, keys_of)
        if card is None:
            return False
        try:
            *_, channel = self._initialize(keys, card, SecurityLevel.C_MAC, None)
        except CryptogramWrong:
            return False
        channel.close()
        return True

    def open_channel(
        self,
        keys: KeyProvider,
        level: SecurityLevel = SecurityLevel.FULL,
        *,
        at_least: SecurityLevel | None = None,
        keys_of: bytes | None = None,
    ) -> SecurityLevel:
        """Open a channel with the keys of a provider, and give its level.

        The card is asked first which key versions it has, so that no wrong key is tried. A card that can't protect
        its answers gets a lower level only if `at_least` names one that will do. `keys_of` is the domain whose keys
        they are, where that is another: an application's domain, or the one above a domain without keys.

        Raise KeyIncorrect if the card has no keys of this version or refuses ours, CryptogramWrong if it has others,
        SecureMessagingError if its challenge is not the one that it must choose, UsageError for a level that it
        does not have.
        """
        card = self._look_before(keys.kvn, keys_of)
        if card is None:
            raise KeyIncorrect(
                f"opening a secure channel: the domain {self.aid.hex().upper()} has no keys of version {keys.kvn:02X}; "
                "no key was tried, look up with `ecitizen gp info` which ones it has",
                StatusWord.REFERENCED_DATA_NOT_FOUND,
            )
        card, answer, channel = self._initialize(keys, card, level, at_least)
        try:
            self._check_challenge(keys, card, answer)
        except BaseException:
            channel.close()
            raise
        self.session.open_channel(channel)
        self._keys, self._card = keys, card
        if answer.sequence is not None:
            self._sequences[keys.kvn] = answer.sequence
        return channel.level

    def close_channel(self) -> None:
        """End the channel on our side; the card ends it when something is selected or another channel begins."""
        self.session.close_channel()
        self._keys = self._card = None

    def _look_before(self, kvn: int, keys_of: bytes | None) -> KeyContext | None:
        """Whose keys a handshake is to be about, None if the domain has none of this version; no channel is open then.

        While one is open the card takes questions through it only, so they come first.
        """
        if self.session.security_level is None:
            self.close_channel()  # one that broke is in the way
        card = self.context(keys_of) if self._has_version(kvn) else None
        self.close_channel()
        return card

    def _has_version(self, kvn: int) -> bool:
        """Whether the domain has AES keys of this version, or does not tell."""
        response = self.session.transmit(get_data(TAG_KEY_INFORMATION, NE_SHORT, cla=CLA_GLOBALPLATFORM))
        if response.sw != StatusWord.NO_ERROR:
            return True  # an application, or a domain that hides it: INITIALIZE UPDATE names the version
        known = parse_key_information(response.data)
        return not known or any(each.kvn == kvn and each.key_type == KEY_TYPE_AES for each in known)

    def _initialize(
        self, keys: KeyProvider, card: KeyContext, level: SecurityLevel, at_least: SecurityLevel | None
    ) -> "tuple[KeyContext, CardAnswer, HostChannel]":
        """INITIALIZE UPDATE: whose keys they are, the answer, and the channel of it; its cryptogram was right."""
        from .secure_channel.scp03 import HostChannel  # late: brings `cryptography`

        challenge, response = self._challenge(keys.kvn)
        answer = CardAnswer.parse(response, len(challenge))
        if answer.kvn != keys.kvn:
            raise SecureMessagingError("the card answered for other keys than it was asked for; try again")
        named = KeyContext(card.domain_aid, card.chip_serial, answer.diversification)
        chosen = _possible_level(answer, level, at_least)
        channel = HostChannel(keys.open_channel(named, answer, challenge), challenge, answer, chosen)
        self._mode = len(challenge)
        return named, answer, channel

    def _challenge(self, kvn: int) -> tuple[bytes, bytes]:
        """Our challenge and the answer to it: of 8 bytes, or of 16 if the card takes no others (S16)."""
        for mode in MODES:
            challenge = self._random_bytes(mode)
            response = self.session.transmit(initialize_update(challenge, kvn=kvn))
            if response.sw not in _SW_LENGTH_REFUSED:
                break
        if response.sw == StatusWord.REFERENCED_DATA_NOT_FOUND:
            raise KeyIncorrect(
                f"opening a secure channel: the card has no keys of version {kvn:02X}; no key was tried", response.sw
            )
        return challenge, require(response, "opening a secure channel")

    def _check_challenge(self, keys: KeyProvider, card: KeyContext, answer: CardAnswer) -> None:
        """A card that counts its channels chooses its challenge by the count, and never goes back.

        The challenge hangs on the AID of what is selected, or on that of the domain whose keys they are.
        """
        if answer.sequence is None:
            if Scp03Option.PSEUDO_RANDOM in answer.options:
                raise SecureMessagingError("the card counts its channels and does not tell the count; try again")
            return
        if answer.sequence <= self._sequences.get(keys.kvn, -1):
            raise SecureMessagingError("the card repeats a challenge of an earlier channel; take it out and look at it")
        for aid in (self.aid, card.domain_aid):
            if keys.card_challenge(card, answer.sequence, aid, len(answer.challenge)) == answer.challenge:
                return
        raise SecureMessagingError("the card's challenge is not the one that its counter makes; don't use this card")

    @property
    def block_len(self) -> int:
        """The most that one command of this channel carries over this link, in bytes."""
        long = bool(self.session.link.extended_length) and self._max_data_len is not None
        room = (self._max_data_len or LC_SHORT_MAX) if long else min(self._max_data_len or LC_SHORT_MAX, LC_SHORT_MAX)
        level = self.session.security_level
        if level is None:
            return room
        room -= self._mode
        return room if not level.command_encrypted else (room // 16) * 16 - 1

    def opened_by(self) -> tuple[KeyProvider, KeyContext]:
        """The keys of the channel that is open, and whose they are; raise UsageError if none is."""
        if self._keys is None or self._card is None or self.session.security_level is None:
            raise UsageError("this needs a secure channel; open one first")
        return self._keys, self._card


def require(response: ResponseApdu, doing: str) -> bytes:
    """The data of an answer that says 9000; card management knows no success with a warning."""
    if response.sw != StatusWord.NO_ERROR:
        raise status_error(response.sw, doing)
    return response.data


def _possible_level(answer: CardAnswer, level: SecurityLevel, at_least: SecurityLevel | None) -> SecurityLevel:
    """The highest level of this card that is within `level` and has all of `at_least`."""
    if at_least is None:
        return level
    for each in _LEVELS:
        if each & level == each and each & at_least == at_least and answer.options.allow(each):
            return each
    return level


def _max_data_len(control_information: bytes) -> int | None:
    """How long a command's data may be, if the control information tells; none that make no sense."""
    try:
        found = tlv.find(tlv.parse(control_information), *_PATH_MAX_DATA_LEN)
    except DecodeError:
        return None
    value = int.from_bytes(found.value, "big") if found is not None else 0
    return value if 64 <= value <= 0xFFFF else None
