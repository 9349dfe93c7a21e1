"""A security domain: it opens SCP03 channels with keys of its own, and manages what these keys may.

GlobalPlatform Card Specification 2.3.1, 11, and Amendment D 1.1.2, 7. This is what all domains do; the issuer's
domain adds the card's own commands (`security_domain_issuer`).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ..errors import CryptogramWrong, DecodeError, ImageError, SecureMessagingError
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu, ResponseApdu
from ..iso7816.command import Ins
from ..iso7816.status import StatusWord
from ..secure_channel.handshake import (
    DIVERSIFICATION_LEN,
    INS_EXTERNAL_AUTHENTICATE,
    INS_INITIALIZE_UPDATE,
    KEY_TYPE_AES,
    KVN_MAX,
    SEQUENCE_LEN,
    Scp03Keys,
    Scp03Option,
    SecurityLevel,
)
from .applet import Applet, Refusal, Selection, ok
from .card import CLA_SECURED
from .security_domain_keys import VERSIONS_MAX, DomainKeys, KeySet
from .security_domain_store import INS_STORE_DATA, StoredBlocks

if TYPE_CHECKING:
    from ..secure_channel.scp03 import (
        CardChannel,
        CardOpening,
    )  # need `cryptography`: late, when a channel is asked for

INS_PUT_KEY: Final = 0xD8
INS_DELETE: Final = 0xE4

TAG_KEY_INFORMATION: Final = 0xE0
TAG_KEY_OF_INFORMATION: Final = 0xC0
TAG_SEQUENCE_COUNTER: Final = 0xC1
TAG_CARD_RECOGNITION_DATA: Final = 0x66
TAG_KEY_VERSION: Final = 0xD2

OPTIONS: Final = Scp03Option.PSEUDO_RANDOM | Scp03Option.R_MAC | Scp03Option.R_ENC
"""i = 70: what cards of today announce."""

SW_AUTHENTICATION_FAILED: Final = 0x6300
"""The host's cryptogram is wrong (Card Specification 2.3.1, E.5.2.7; Amendment D, 7.1.2)."""

KEY_IDENTIFIERS: Final = (1, 2, 3)
"""Key-ENC, Key-MAC, Key-DEK of one version (Amendment D, 5.3, table 5-2)."""
P2_SEVERAL_KEYS: Final = 0x80

# Card recognition data: GlobalPlatform 1.2.840.114283, version 2.3.1, identification 3, SCP03 (Card Specification
# 2.3.1, H.2; the last byte of the last OID is the parameter i).
_OID: Final = bytes.fromhex("2A864886FC6B")


def recognition_data() -> bytes:
    """Tag 66: which standard and which secure channel the card has."""

    def oid(*arcs: int) -> bytes:
        return tlv.encode(0x06, _OID + bytes(arcs))

    parts = oid(1) + tlv.encode(0x60, oid(2, 2, 3, 1)) + tlv.encode(0x63, oid(3)) + tlv.encode(0x64, oid(4, 3, OPTIONS))
    return tlv.encode(TAG_CARD_RECOGNITION_DATA, tlv.encode(0x73, parts))


class SecurityDomain:
    """The management behind an applet whose memory has keys, described in `security_domain_keys`.

    `plain` answers what the management does not.
    """

    def __init__(self, applet: Applet, plain: Selection) -> None:
        self.applet = applet
        self._plain = plain
        self.memory = applet.memory
        self.keys = DomainKeys(applet.memory)
        self.blocks = StoredBlocks()

    def get_data(self, tag: int) -> bytes | None:
        """The data object of a tag that tells of keys and channels, with its tag; None if it is none of these."""
        if tag == TAG_KEY_INFORMATION:
            return tlv.encode(TAG_KEY_INFORMATION, b"".join(map(_key_information, self.keys)))
        default = self.keys.find(0)
        if tag == TAG_SEQUENCE_COUNTER and default is not None:
            return tlv.encode(TAG_SEQUENCE_COUNTER, default.sequence.to_bytes(SEQUENCE_LEN, "big"))
        return recognition_data() if tag == TAG_CARD_RECOGNITION_DATA else None

    def allows(self, ins: int) -> bool:  # noqa: ARG002 - for domains whose life cycle takes commands away
        """Tell whether the domain's life cycle leaves this command to it."""
        return True

    def plain_command(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command that needs no channel, or refuse it."""
        found = self.get_data(command.p1 << 8 | command.p2) if command.ins == Ins.GET_DATA else None
        return self._plain.process(command) if found is None else ok(found)

    def managing_commands(self) -> Mapping[int, Callable[[CommandApdu, KeySet], ResponseApdu]]:
        """Commands that need an open channel, by INS; they are given the key version that opened it."""
        return {INS_PUT_KEY: self._put_key, INS_DELETE: self._delete_key}

    def _put_key(self, command: CommandApdu, opened_by: KeySet) -> ResponseApdu:
        """PUT KEY: a whole version of three AES keys, new (P1 = 0) or in the place of version P1 (11.8)."""
        from ..secure_channel.key_blocks import check_value, decode_keys  # late: brings `cryptography`

        if command.p2 != P2_SEVERAL_KEYS | KEY_IDENTIFIERS[0]:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        kvn = command.data[0] if command.data else 0
        versions = {each.keys.kvn for each in self.keys}
        if command.p1 and command.p1 not in versions:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        try:
            new = decode_keys(opened_by.keys.dek, command.data[1:])
        except DecodeError:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD) from None
        taken = kvn in versions and kvn != command.p1
        if not 0 < kvn <= KVN_MAX or taken or len(new) != len(KEY_IDENTIFIERS) or len({len(each) for each in new}) != 1:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        if not command.p1 and len(versions) >= VERSIONS_MAX:
            raise Refusal(StatusWord.NOT_ENOUGH_MEMORY)
        enc, mac, dek = new
        self.keys.put(Scp03Keys(enc, mac, dek, kvn), command.p1)
        return ok(bytes((kvn,)) + b"".join(map(check_value, new)))

    def _delete_key(self, command: CommandApdu, opened_by: KeySet) -> ResponseApdu:
        """DELETE [key]: one whole version, but not that of this channel, nor so the last one (11.2.2.3.2)."""
        if command.p1 or command.p2:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if len(command.data) != 3 or command.data[:2] != bytes((TAG_KEY_VERSION, 1)):
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        kvn = command.data[2]
        if not kvn or self.keys.find(kvn) is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        if kvn == opened_by.keys.kvn:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        self.keys.delete(kvn)
        return ok(b"\x00")


class DomainSelection:
    """One selection of a domain, and the secure channel that may be open in it."""

    def __init__(self, domain: SecurityDomain) -> None:
        self._domain = domain
        self._opening: CardOpening | None = None
        self._channel: CardChannel | None = None
        self._opened_by: KeySet | None = None

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command: through the channel if one is open, and then nothing but that.

        INITIALIZE UPDATE without protection ends a channel and begins another.
        """
        if command.cla & ~CLA_SECURED not in {0x00, 0x80}:
            raise Refusal(StatusWord.CLASS_NOT_SUPPORTED)
        secured = bool(command.cla & CLA_SECURED)
        if not self._domain.allows(command.ins):
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        opening, self._opening = self._opening, None  # which only the very next command can use
        if command.ins == INS_INITIALIZE_UPDATE and command.cla == 0x80:
            return self._initialize_update(command)
        if self._channel is not None:
            return self._through(self._channel, command)
        if secured and command.ins == INS_EXTERNAL_AUTHENTICATE and opening is not None:
            return self._external_authenticate(command, opening)
        if secured:
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        if command.ins in self._domain.managing_commands():
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        return self._domain.plain_command(command)

    def _initialize_update(self, command: CommandApdu) -> ResponseApdu:
        """Choose keys and a challenge (Amendment D, 7.1.1)."""
        from ..secure_channel.scp03 import CardOpening, pseudo_random_challenge  # late: brings `cryptography`

        self._close()
        if command.p2:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if len(command.data) != OPTIONS.mode:
            raise Refusal(StatusWord.WRONG_LENGTH)
        found = self._domain.keys.find(command.p1)
        if found is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        if not found.usable:
            raise Refusal(StatusWord.AUTHENTICATION_METHOD_BLOCKED)
        challenge = pseudo_random_challenge(found.keys.enc, found.sequence, self._domain.applet.aid, OPTIONS.mode)
        self._opening = CardOpening(
            found.keys,
            OPTIONS,
            command.data,
            challenge,
            diversification=self._diversification(),
            sequence=found.sequence,
        )
        self._opened_by = found
        return ok(self._opening.answer.encode())

    def _diversification(self) -> bytes:
        """What a host derives this card's keys from: the end of the domain's name and the chip's number."""
        cplc = self._domain.memory.get("cplc")
        serial = cplc[10:18] if isinstance(cplc, bytes) else b""
        return (self._domain.applet.aid[-2:] + serial).ljust(DIVERSIFICATION_LEN, b"\x00")

    def _external_authenticate(self, command: CommandApdu, opening: "CardOpening") -> ResponseApdu:
        """Let the host prove its keys; a failure is counted before it is known (Amendment D, 7.1.2)."""
        opened_by = self._opened_by
        assert opened_by is not None
        if command.p2 or command.p1 not in set(SecurityLevel):
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if len(command.data) != 2 * OPTIONS.mode:
            raise Refusal(StatusWord.WRONG_LENGTH)
        found = self._domain.keys.find(opened_by.keys.kvn)
        if found is None or found.keys != opened_by.keys or not found.usable:  # by what went on on another channel
            raise Refusal(StatusWord.AUTHENTICATION_METHOD_BLOCKED)
        self._domain.keys.count_failure(found.keys.kvn)
        try:
            channel = opening.authenticate(command)
        except CryptogramWrong:
            raise Refusal(SW_AUTHENTICATION_FAILED) from None
        except SecureMessagingError:
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED) from None
        self._domain.keys.count_success(found.keys.kvn)
        self._channel = channel
        return ok()

    def _through(self, channel: "CardChannel", command: CommandApdu) -> ResponseApdu:
        """Unwrap a command, carry it out, wrap the answer; what was not wrapped well ends the channel."""
        try:
            bare = channel.unwrap_command(command)
        except SecureMessagingError:
            self._close()
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED) from None
        try:
            response = self._carry_out(bare)
        except Refusal as refusal:
            response = ResponseApdu(b"", refusal.sw)
        except ImageError:  # the write has not happened, and the channel goes on
            response = ResponseApdu(b"", StatusWord.MEMORY_FAILURE)
        return channel.wrap_response(response)

    def _carry_out(self, bare: CommandApdu) -> ResponseApdu:
        assert self._opened_by is not None
        if bare.ins != INS_STORE_DATA:
            self._domain.blocks.forget()
        managing = self._domain.managing_commands().get(bare.ins)
        if managing is not None and bare.cla == 0x80:
            return managing(bare, self._opened_by)
        return self._domain.plain_command(bare)

    def _close(self) -> None:
        self._domain.blocks.forget()
        for each in (self._opening, self._channel):
            if each is not None:
                each.close()
        self._opening = self._channel = self._opened_by = None


def _key_information(found: KeySet) -> bytes:
    """Tag C0 for each key of a version: identifier, version, type AES, length (Card Specification 2.3.1, 11.3.3.1)."""
    length = len(found.keys.enc)
    parts = ((kid, found.keys.kvn, KEY_TYPE_AES, length) for kid in KEY_IDENTIFIERS)
    return b"".join(tlv.encode(TAG_KEY_OF_INFORMATION, bytes(part)) for part in parts)
