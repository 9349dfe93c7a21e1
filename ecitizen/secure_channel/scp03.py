"""SCP03: one engine for both ends of a channel (GlobalPlatform Card Specification 2.3, Amendment D 1.1.2, 6.2).

The host asks with `initialize_update`, reads `CardAnswer.parse`, derives `session_keys` (or has whoever keeps the
static keys derive them) and makes a `HostChannel`, whose `external_authenticate` opens it. The card makes a
`CardOpening`, whose `authenticate` gives its `CardChannel`. From there on each command is wrapped and unwrapped, and
each answer on its way back.

A MAC covers one whole logical command. Chains and extended lengths are matters of the link below: the card puts a
chain together before it unwraps. A channel that has met an error is closed, and its keys are gone.

Needs `cryptography`, which is slow to import: import this module late.
"""

from dataclasses import replace
from typing import Final

from ..errors import CryptogramWrong, DecodeError, SecureMessagingError, UsageError
from ..iso7816.apdu import CLA_CHAINING, CLA_FURTHER, LC_MAX, LC_SHORT_MAX, NE_MAX, NE_SHORT, CommandApdu, ResponseApdu
from ..iso7816.status import StatusWord, is_warning
from ..secret import KeyBytes
from .aes import BLOCK_LEN, ZERO_BLOCK, AesKey, equal, pad, unpad
from .handshake import (
    CLA_SECURED,
    INS_EXTERNAL_AUTHENTICATE,
    MODES,
    SEQUENCE_LEN,
    CardAnswer,
    Scp03Keys,
    Scp03Option,
    SecurityLevel,
    SessionKeys,
)

# Derivation constants (Amendment D, 4.1.5, table 4-1).
DERIVE_CARD_CRYPTOGRAM: Final = 0x00
DERIVE_HOST_CRYPTOGRAM: Final = 0x01
DERIVE_CARD_CHALLENGE: Final = 0x02
DERIVE_S_ENC: Final = 0x04
DERIVE_S_MAC: Final = 0x06
DERIVE_S_RMAC: Final = 0x07

CLA_BITS_SECURED: Final = 0x04
"""GlobalPlatform secure messaging on channels 0 to 3 (Card Specification 2.3.1, 11.1.4.1)."""
CLA_BITS_SECURING: Final = 0x0C
"""Where a class of channels 0 to 3 says which secure messaging it has."""
CLA_BITS_SECURED_FURTHER: Final = 0x20
"""Secure messaging on channels 4 to 19 (Card Specification 2.3.1, 11.1.4.2)."""
CLA_BIT_PROPRIETARY: Final = 0x80

RESPONSE_MARK: Final = b"\x80"
"""First byte of the counter block for answers, so that no vector serves twice (Amendment D, 6.2.7)."""


def session_keys(keys: Scp03Keys, host_challenge: bytes, card_challenge: bytes) -> SessionKeys:
    """Derive the keys of a channel from the static keys (Amendment D, 6.2.1)."""
    context = host_challenge + card_challenge
    length = len(keys.enc)
    enc, mac = AesKey(keys.enc), AesKey(keys.mac)
    derived = SessionKeys(
        KeyBytes(enc.derive(DERIVE_S_ENC, context, length)),
        KeyBytes(mac.derive(DERIVE_S_MAC, context, length)),
        KeyBytes(mac.derive(DERIVE_S_RMAC, context, length)),
    )
    enc.wipe()
    mac.wipe()
    return derived


def pseudo_random_challenge(enc: KeyBytes, sequence: int, aid: bytes, mode: int) -> bytes:
    """The challenge that a card must choose: of its sequence counter and its domain's AID (Amendment D, 6.2.2.1)."""
    key = AesKey(enc)
    challenge = key.derive(DERIVE_CARD_CHALLENGE, sequence.to_bytes(SEQUENCE_LEN, "big") + aid, mode)
    key.wipe()
    return challenge


class _Channel:
    """What both ends do: they hold the same keys, chaining value and counter, and compute the same MACs."""

    def __init__(self, session: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> None:
        """Take over the session keys: they are wiped here, and live on in this channel only."""
        if len(host_challenge) not in MODES or len(card_challenge) != len(host_challenge):
            raise UsageError("the challenges of a channel have 8 bytes each (S8) or 16 (S16)")
        self._mode = len(host_challenge)
        self._enc, self._mac, self._rmac = AesKey(session.enc), AesKey(session.mac), AesKey(session.rmac)
        session.wipe()
        context = host_challenge + card_challenge
        self._card_cryptogram = self._mac.derive(DERIVE_CARD_CRYPTOGRAM, context, self._mode)
        self._host_cryptogram = self._mac.derive(DERIVE_HOST_CRYPTOGRAM, context, self._mode)
        self._level = SecurityLevel.C_MAC
        self._chaining = ZERO_BLOCK
        self._counter = 0
        self._answer_due = False
        self._closed = False

    @property
    def level(self) -> SecurityLevel:
        """What the channel protects."""
        return self._level

    @property
    def closed(self) -> bool:
        """Whether the channel is over, by `close` or an error."""
        return self._closed

    def close(self) -> None:
        """Overwrite the session keys. May be called twice."""
        if not self._closed:
            self._closed = True
            for key in (self._enc, self._mac, self._rmac):
                key.wipe()

    def _begin(self, *, answer: bool) -> None:
        """A command may be treated now, or its answer: they take turns."""
        if self._closed:
            raise UsageError("this secure channel is closed; open a new one")
        if self._answer_due is not answer:
            raise UsageError("commands and answers of a secure channel take turns")
        self._answer_due = not answer

    def _broken(self, why: str, kind: type[SecureMessagingError] = SecureMessagingError) -> SecureMessagingError:
        """Close the channel and make the error to raise."""
        self.close()
        return kind(why)

    def _command_mac(self, command: CommandApdu, *, wide: bool) -> bytes:
        """All 16 bytes for a command without its MAC: it counts in Lc, and the channel number counts not (6.2.4)."""
        length = len(command.data) + self._mode
        lc = b"\x00" + length.to_bytes(2, "big") if wide else bytes((length,))
        head = bytes((_mac_class(command.cla), command.ins, command.p1, command.p2))
        return self._mac.cmac(self._chaining + head + lc + command.data)

    def _response_mac(self, response: ResponseApdu) -> bytes:
        """The MAC of an answer, which hangs on the MAC of its command (6.2.5)."""
        return self._rmac.cmac(self._chaining + response.encode())[: self._mode]

    def _vector(self, mark: bytes = b"\x00") -> bytes:
        """The initial vector for this command, or its answer: the counter, encrypted (6.2.6, 6.2.7)."""
        return self._enc.encrypt_block(mark + self._counter.to_bytes(BLOCK_LEN - 1, "big"))


class HostChannel(_Channel):
    """The host's end. Raise CryptogramWrong if the card does not hold the same keys, UsageError if it lacks the level.

    It takes the session keys over and wipes the caller's. `level` holds once the card has accepted
    `external_authenticate`.
    """

    def __init__(
        self, session: SessionKeys, host_challenge: bytes, answer: CardAnswer, level: SecurityLevel = SecurityLevel.FULL
    ) -> None:
        super().__init__(session, host_challenge, answer.challenge)
        if not answer.options.allow(level):
            self.close()
            raise UsageError("this card can't protect its answers in a channel; choose a lower security level")
        if not equal(answer.cryptogram, self._card_cryptogram):
            raise self._broken(
                "the card does not hold these keys; look up its key version before you try others, since a card "
                "locks itself after a few wrong ones",
                CryptogramWrong,
            )
        self._level = level
        self._ne = 0

    def external_authenticate(self) -> CommandApdu:
        """The command that opens the channel; it must be the first."""
        if self._chaining != ZERO_BLOCK:
            raise UsageError("this secure channel has been opened already")
        self._begin(answer=False)
        self._answer_due = False  # nothing protects the answer
        bare = CommandApdu(CLA_SECURED, INS_EXTERNAL_AUTHENTICATE, self._level, 0, self._host_cryptogram)
        return self._with_mac(bare, wide=False)

    def wrap_command(self, command: CommandApdu, *, extended_link: bool = False) -> CommandApdu:
        """Encrypt and authenticate a command of class 00 or 80, on any logical channel.

        The MAC covers Lc as it is sent: say with `extended_link` whether card and reader take extended lengths. Where
        answers are authenticated the result always asks for one, long enough for the MAC.
        """
        _check_class(command.cla)
        data = command.data
        encrypted = bool(data) and self._level.command_encrypted
        if len(data) + (BLOCK_LEN if encrypted else 0) + self._mode > LC_MAX:
            raise UsageError("this command is too long for a secure channel; send it in parts")
        self._begin(answer=False)
        self._counter += 1
        if encrypted:
            data = self._enc.encrypt(pad(data), self._vector())
        self._ne = command.ne or 0
        ne = self._wrapped_ne(command.ne)
        wide = len(data) + self._mode > LC_SHORT_MAX or (extended_link and (ne or 0) > NE_SHORT)
        return self._with_mac(replace(command, cla=_secured(command.cla), data=data, ne=ne), wide=wide)

    def unwrap_response(self, response: ResponseApdu) -> ResponseApdu:
        """Check and decrypt an answer; an error status word alone is as it came, since no MAC protects it.

        What the card gave beyond the Ne of the plain command is cut off, for it can't have known it: on T=0 Ne is not
        sent, and where answers are encrypted padding hides it. Raise SecureMessagingError, and close the channel, if
        anything about the answer is wrong.
        """
        self._begin(answer=True)
        if not self._level.response_authenticated:
            return self._cut(response) if self._ne else response
        if not _is_protected(response.sw):
            if response.data:
                raise self._broken("the card's answer has data that nothing protects; open the channel again")
            return response
        data, mac = response.data[: -self._mode], response.data[-self._mode :]
        bare = ResponseApdu(data, response.sw)
        if not equal(mac, self._response_mac(bare)):
            raise self._broken(
                "the card's answer was changed on its way, or is not this card's; open the channel again"
            )
        if data and self._level.response_encrypted:
            try:
                bare = replace(bare, data=unpad(self._enc.decrypt(data, self._vector(RESPONSE_MARK))))
            except DecodeError as error:
                raise self._broken("the card's answer can't be decrypted; open the channel again") from error
        if bare.data and not self._ne:
            raise self._broken("the card sent more than it was asked for; open the channel again")
        return self._cut(bare)

    def _cut(self, answer: ResponseApdu) -> ResponseApdu:
        """What was asked for; where the card has more, the end that it met is behind it."""
        if len(answer.data) <= self._ne:
            return answer
        sw = StatusWord.NO_ERROR if answer.sw == StatusWord.END_REACHED_BEFORE_NE_BYTES else answer.sw
        return ResponseApdu(answer.data[: self._ne], sw)

    def _with_mac(self, bare: CommandApdu, *, wide: bool) -> CommandApdu:
        self._chaining = self._command_mac(bare, wide=wide)
        return replace(bare, data=bare.data + self._chaining[: self._mode])

    def _wrapped_ne(self, ne: int | None) -> int | None:
        """How long an answer of `ne` bytes may be with padding and MAC."""
        if not self._level.response_authenticated:
            return ne
        longest = ne or 0
        if longest and self._level.response_encrypted:
            longest += BLOCK_LEN - longest % BLOCK_LEN
        return min(longest + self._mode, NE_MAX)


class CardChannel(_Channel):
    """The card's end; made by `CardOpening.authenticate`."""

    def unwrap_command(self, command: CommandApdu) -> CommandApdu:
        """Check and decrypt a whole command, chains put together; it comes out with its plain class and Ne.

        Amendment D does not say what Le is in a protected command; here as in ISO/IEC 7816-4:2020, 10, it is for the
        protected answer, of which MAC and padding take their part. Le = 00 asks for all there is, and stays that.

        Raise SecureMessagingError, and close the channel, if it is plain or anything about it is wrong.
        """
        self._begin(answer=False)
        bare = replace(self._authenticated(command), ne=self._bare_ne(command))
        self._counter += 1
        if not bare.data or not self._level.command_encrypted:
            return bare
        try:  # data-less commands come encrypted from some hosts, as one block of padding
            return replace(bare, data=unpad(self._enc.decrypt(bare.data, self._vector())))
        except DecodeError as error:
            raise self._broken("the command can't be decrypted") from error

    def wrap_response(self, response: ResponseApdu) -> ResponseApdu:
        """Encrypt and authenticate an answer; an error goes out as a bare status word."""
        self._begin(answer=True)
        if not self._level.response_authenticated:
            return response
        if not _is_protected(response.sw):
            return ResponseApdu(b"", response.sw)
        if response.data and self._level.response_encrypted:
            response = replace(response, data=self._enc.encrypt(pad(response.data), self._vector(RESPONSE_MARK)))
        return replace(response, data=response.data + self._response_mac(response))

    def _bare_ne(self, command: CommandApdu) -> int | None:
        """How much an answer may hold that is as long as `command` asks for once it is protected."""
        ne = command.ne
        if ne is None or not self._level.response_authenticated or ne == (NE_MAX if command.extended else NE_SHORT):
            return ne
        room = ne - self._mode
        if self._level.response_encrypted:
            room -= room % BLOCK_LEN + 1  # of whole blocks, with a byte of padding at least
        return room if room > 0 else None

    def _authenticated(self, command: CommandApdu) -> CommandApdu:
        """The command without its MAC, which was right.

        A host may have computed it over an Lc of three bytes though the command would fit the short form; no command
        reads the same in both forms, since Lc is never zero.
        """
        if not _is_secured(command.cla) or len(command.data) < self._mode:
            raise self._broken("a plain command came through a secure channel")
        mac = command.data[-self._mode :]
        bare = replace(command, data=command.data[: -self._mode])
        forms = (True,) if len(command.data) > LC_SHORT_MAX else (False, True) if command.extended else (False,)
        for wide in forms:
            chaining = self._command_mac(bare, wide=wide)
            if equal(mac, chaining[: self._mode]):
                self._chaining = chaining
                return replace(bare, cla=_plain(command.cla))
        raise self._broken("the command's MAC is wrong")


class CardOpening:
    """A card that has answered INITIALIZE UPDATE and waits for EXTERNAL AUTHENTICATE.

    `sequence` is the counter that the challenge was made of, None for a random challenge. The static keys stay the
    caller's. Raise UsageError if the challenges are not of the options' length.
    """

    def __init__(
        self,
        keys: Scp03Keys,
        options: Scp03Option,
        host_challenge: bytes,
        card_challenge: bytes,
        *,
        diversification: bytes,
        sequence: int | None = None,
    ) -> None:
        if not len(host_challenge) == len(card_challenge) == options.mode:
            raise UsageError(f"the challenges of this card's channel have {options.mode} bytes")
        self._options = options
        self._channel = CardChannel(session_keys(keys, host_challenge, card_challenge), host_challenge, card_challenge)
        cryptogram = self._channel._card_cryptogram
        self.answer = CardAnswer(diversification, keys.kvn, options, card_challenge, cryptogram, sequence)
        """What INITIALIZE UPDATE answers."""

    def authenticate(self, command: CommandApdu) -> CardChannel:
        """Check EXTERNAL AUTHENTICATE and open the channel at the level of its P1; may be called once.

        Raise CryptogramWrong if the host does not hold the same keys, SecureMessagingError if the MAC is wrong,
        UsageError for a level that this card does not have: the opening is over with each.
        """
        channel = self._channel
        channel._begin(answer=False)
        channel._answer_due = False  # nothing protects the answer
        try:
            level = SecurityLevel(command.p1)
        except ValueError:
            level = None
        if level is None or not self._options.allow(level):
            channel.close()
            raise UsageError("this card's channel does not have that security level")
        if not equal(command.data[: channel._mode], channel._host_cryptogram):
            raise channel._broken("the host does not hold this card's keys", CryptogramWrong)
        channel._authenticated(command)
        channel._level = level
        return channel

    def close(self) -> None:
        """Give it up and overwrite the session keys."""
        self._channel.close()


def _is_protected(sw: int) -> bool:
    """Whether an answer with this status word carries a MAC: success and warnings do (Amendment D, 6.2.5)."""
    return sw == StatusWord.NO_ERROR or is_warning(sw)


def _check_class(cla: int) -> None:
    """Refuse classes that have no secured form."""
    if not 0 <= cla <= 0xFF or not _is_secured(_secured(cla)) or _is_secured(cla):
        raise UsageError(f"a command of class {cla:02X} can't go through a secure channel; use 00 or 80")


def _secured(cla: int) -> int:
    return cla | (CLA_BITS_SECURED_FURTHER if cla & CLA_FURTHER else CLA_BITS_SECURED)


def _plain(cla: int) -> int:
    return cla & ~(CLA_BITS_SECURED_FURTHER if cla & CLA_FURTHER else CLA_BITS_SECURED)


def _is_secured(cla: int) -> bool:
    """Whether this is the class of a whole secured command; a chain is put together before it comes here."""
    if cla & CLA_FURTHER:
        return cla & (CLA_BITS_SECURED_FURTHER | CLA_CHAINING) == CLA_BITS_SECURED_FURTHER
    return cla & (0x30 | CLA_BITS_SECURING) == CLA_BITS_SECURED


def _mac_class(cla: int) -> int:
    """The class as the MAC sees it: secured, on the basic channel."""
    return cla & CLA_BIT_PROPRIETARY | CLA_BITS_SECURED
