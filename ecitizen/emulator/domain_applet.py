"""What the applets of all security domains have in common: their names, and what they tell anybody.

What they manage stands in `security_domain` and the modules beside it. These need no cipher before a channel is asked
for, but they are imported late, since most programs only read cards.
"""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from ..iso7816 import tlv
from ..iso7816.apdu import NE_SHORT, CardProtocol, CommandApdu, ResponseApdu
from ..iso7816.command import Ins
from ..iso7816.files import TAG_DF_NAME, TAG_FCI
from ..iso7816.globalplatform import TAG_CIN, TAG_CPLC, TAG_IIN
from ..iso7816.status import StatusWord
from .applet import Applet, Refusal, Selection, ok
from .card import CLA_SECURED
from .image import Value

if TYPE_CHECKING:
    from .card_registry import CardRegistry

CHALLENGE_LEN = 8
"""What GET CHALLENGE gives to a host that names no length."""

TAG_PROPRIETARY = 0xA5
TAG_MAX_DATA_LEN = 0x9F65

DATA_OBJECTS = {TAG_CPLC: "cplc", TAG_IIN: "iin", TAG_CIN: "cin"}
"""What GET DATA gives out of memory: production data, issuer's and card's number (11.3.3, table 11-26)."""

KEYS_PREFIX = "keys_"
"""How the names of management keys begin in memory."""


class DomainApplet(Applet):
    """The applet of a security domain; its memory may have management keys, and the numbers `iin` and `cin`."""

    chaining: ClassVar[bool] = True
    secured: ClassVar[bool] = True
    registry: "CardRegistry | None" = None
    """What is on the card; None for an applet that was made alone, which manages nothing."""

    def __init__(
        self,
        memory: Mapping[str, Value],
        protocol: CardProtocol,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(memory, protocol)
        self._random_bytes = random_bytes

    @property
    def has_keys(self) -> bool:
        """Whether channels are opened with keys of its own."""
        return any(name.startswith(KEYS_PREFIX) for name in self.memory)

    def fci(self) -> bytes:
        """Name and longest command data (Card Specification, 11.9.3.1)."""
        longest = tlv.encode(TAG_MAX_DATA_LEN, b"\xff")
        return tlv.encode(TAG_FCI, tlv.encode(TAG_DF_NAME, self.aid) + tlv.encode(TAG_PROPRIETARY, longest))

    def open(self) -> Selection:
        """On a card without keys it keeps nothing between commands; or else each selection can have a channel."""
        if self.registry is None or self.registry.key_holder(self.aid) is None:
            return self
        return self.registry.management(self)

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


class SupplementarySecurityDomain(DomainApplet):
    """The domain of an agency. Each has its own name, so each is a class of its own: see `supplementary_domain`."""


SECTION_PREFIX = "domain_"
"""How the names of these domains' sections begin; the AID in hex follows."""


def supplementary_domain(aid: bytes) -> type[SupplementarySecurityDomain]:
    """The applet class of the supplementary security domain of this AID."""
    named = {"name": f"{SECTION_PREFIX}{aid.hex()}", "aid": aid}
    return type("NamedSecurityDomain", (SupplementarySecurityDomain,), named)
