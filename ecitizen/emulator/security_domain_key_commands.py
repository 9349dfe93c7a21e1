"""PUT KEY and DELETE [key]: a domain's keys, by who opened a channel to it (Card Specification 2.3.1, 11.8, 11.2)."""

from typing import Final

from ..errors import DecodeError
from ..iso7816.apdu import CommandApdu, ResponseApdu
from ..iso7816.status import StatusWord
from ..secure_channel.handshake import KVN_MAX, Scp03Keys
from .applet import Refusal, ok
from .domain_applet import DomainApplet
from .security_domain_channel import OpenedBy
from .security_domain_install import P2_DELETE_RELATED
from .security_domain_keys import VERSIONS_MAX, DomainKeys

TAG_KEY_IDENTIFIER: Final = 0xD0
TAG_KEY_VERSION: Final = 0xD2

KEY_IDENTIFIERS: Final = (1, 2, 3)
"""Key-ENC, Key-MAC, Key-DEK of one version (Amendment D, 5.3, table 5-2)."""
P2_SEVERAL_KEYS: Final = 0x80


def names_keys(data: bytes) -> bool:
    """Whether the data of DELETE name keys, and not an application."""
    return data[:1] in {bytes((TAG_KEY_IDENTIFIER,)), bytes((TAG_KEY_VERSION,))}


class KeyCommands:
    """What changes the keys of one domain."""

    def __init__(self, applet: DomainApplet) -> None:
        self._applet = applet
        self._keys = DomainKeys(applet.memory)

    def put_key(self, command: CommandApdu, opened_by: OpenedBy) -> ResponseApdu:
        """PUT KEY: a whole version of three AES keys, new (P1 = 0) or in the place of version P1 (11.8).

        They come under the data key of the channel, also if that is of a domain above.
        """
        from ..secure_channel.key_blocks import check_value, decode_keys  # late: brings `cryptography`

        if command.p2 != P2_SEVERAL_KEYS | KEY_IDENTIFIERS[0]:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        kvn = command.data[0] if command.data else 0
        versions = {each.keys.kvn for each in self._keys}
        if command.p1 and command.p1 not in versions:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        try:
            new = decode_keys(opened_by.keys.keys.dek, command.data[1:])
        except DecodeError:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD) from None
        taken = kvn in versions and kvn != command.p1
        if not 0 < kvn <= KVN_MAX or taken or len(new) != len(KEY_IDENTIFIERS) or len({len(each) for each in new}) != 1:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        if not command.p1 and len(versions) >= VERSIONS_MAX:
            raise Refusal(StatusWord.NOT_ENOUGH_MEMORY)
        enc, mac, dek = new
        self._keys.put(Scp03Keys(enc, mac, dek, kvn), command.p1)
        return ok(bytes((kvn,)) + b"".join(map(check_value, new)))

    def delete_key(self, command: CommandApdu, opened_by: OpenedBy) -> ResponseApdu:
        """DELETE [key]: one whole version, but not that of this channel, nor so the last one (11.2.2.3.2).

        Nothing is related to a key, so it makes no difference whether that is to go too.
        """
        if command.p1 or command.p2 not in {0, P2_DELETE_RELATED}:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if len(command.data) != 3 or command.data[:2] != bytes((TAG_KEY_VERSION, 1)):
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        kvn = command.data[2]
        if not kvn or self._keys.find(kvn) is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        if opened_by.holder is self._applet and kvn == opened_by.keys.keys.kvn:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        self._keys.delete(kvn)
        return ok(b"\x00")
