"""The card manager: what is selected after reset, and names the chip (GlobalPlatform Card Specification 2.3.1).

A card without management keys does no more than that. With keys it is the issuer's security domain: what it manages
then stands in `security_domain` and `security_domain_issuer`, which are imported when they are needed, since most
programs only read cards.
"""

import os
from collections.abc import Callable, Mapping
from typing import ClassVar

from ..iso7816 import tlv
from ..iso7816.apdu import NE_SHORT, CardProtocol, CommandApdu, ResponseApdu
from ..iso7816.command import Ins
from ..iso7816.files import TAG_DF_NAME, TAG_FCI
from ..iso7816.status import StatusWord
from .applet import Applet, Refusal, Selection, ok
from .card import CLA_SECURED
from .image import Value

AID_ISSUER_DOMAIN = bytes.fromhex("A000000151000000")
"""Issuer security domain (GlobalPlatform Card Specification 2.3.1, H.6)."""

NAME_CARD_MANAGER = b"CM"
"""What the Thai authority's own library selects (thai-card.md, section 2)."""

TAG_CPLC = 0x9F7F
CPLC_LEN = 42
CPLC_SERIAL = slice(10, 18)
"""Fabrication date, serial number and batch, which readers use as the card's number (thai-card.md, 3.4)."""

CHALLENGE_LEN = 8
"""What GET CHALLENGE gives to a host that names no length."""

TAG_PROPRIETARY = 0xA5
TAG_MAX_DATA_LEN = 0x9F65

DATA_OBJECTS = {TAG_CPLC: "cplc", 0x42: "iin", 0x45: "cin"}
"""What GET DATA gives out of memory: production data, issuer's and card's number (11.3.3, table 11-26)."""

KEYS_PREFIX = "keys_"
"""How the names of management keys begin in memory."""


class IssuerSecurityDomain(Applet):
    """The card manager applet.

    Its memory has `cplc`, the 42 bytes of card production life cycle data. What further may be there: management keys
    (`security_domain_keys`), the states of card and applications (`security_domain_issuer`), `iin` and `cin`, the
    numbers of issuer and card.
    """

    name: ClassVar[str] = "card"
    aid: ClassVar[bytes] = AID_ISSUER_DOMAIN
    aliases: ClassVar[tuple[bytes, ...]] = (NAME_CARD_MANAGER,)
    chaining: ClassVar[bool] = True
    secured: ClassVar[bool] = True
    contents: ClassVar[tuple[str, ...]] = ("cplc",)

    @staticmethod
    def cplc(chip_serial: bytes) -> bytes:
        """Production data of a fictional chip with this 8-byte serial: all else is zero."""
        data = bytearray(CPLC_LEN)
        data[CPLC_SERIAL] = chip_serial
        return bytes(data)

    def fci(self) -> bytes:
        """Name and longest command data (Card Specification, 11.9.3.1)."""
        longest = tlv.encode(TAG_MAX_DATA_LEN, b"\xff")
        return tlv.encode(TAG_FCI, tlv.encode(TAG_DF_NAME, self.aid) + tlv.encode(TAG_PROPRIETARY, longest))

    def __init__(
        self,
        memory: Mapping[str, Value],
        protocol: CardProtocol,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(memory, protocol)
        self._random_bytes = random_bytes

    def open(self) -> Selection:
        """Without keys it keeps nothing between commands; with keys each selection has a channel of its own."""
        if not any(name.startswith(KEYS_PREFIX) for name in self.memory):
            return self
        from .security_domain import DomainSelection  # late: most programs only read cards
        from .security_domain_issuer import IssuerManagement

        return DomainSelection(IssuerManagement(self, self))

    def permits(self, applet: Applet) -> bool:
        """Nothing but the card manager on a locked or terminated card, and no locked application."""
        if applet is self or not ("life_cycle" in self.memory or "locked" in self.memory):
            return True
        from .security_domain_issuer import IssuerManagement  # late, for the same reason

        return IssuerManagement(self, self).permits(applet)

    def process(self, command: CommandApdu) -> ResponseApdu:
        """What anybody may ask: GET DATA of what names chip, issuer and card, and GET CHALLENGE."""
        if command.cla in {CLA_SECURED, 0x80 | CLA_SECURED}:
            raise Refusal(StatusWord.SECURE_MESSAGING_NOT_SUPPORTED)
        if command.cla not in {0x00, 0x80}:
            raise Refusal(StatusWord.CLASS_NOT_SUPPORTED)
        if command.ins == Ins.SELECT and command.cla == 0x00:
            raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
        if command.ins == Ins.GET_CHALLENGE:
            return self._get_challenge(command)
        if command.ins != Ins.GET_DATA:
            raise Refusal(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        tag = command.p1 << 8 | command.p2
        key = DATA_OBJECTS.get(tag)
        if key is None or key not in self.memory:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        return ok(tlv.encode(tag, self.content(key)))

    def _get_challenge(self, command: CommandApdu) -> ResponseApdu:
        """Random bytes, as many as are asked for (ISO/IEC 7816-4:2020, 11.5.3)."""
        if command.p1 or command.p2:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if command.data:
            raise Refusal(StatusWord.WRONG_LENGTH)
        return ok(self._random_bytes(min(command.ne or CHALLENGE_LEN, NE_SHORT)))
