"""The card manager: what is selected after reset, and names the chip (GlobalPlatform Card Specification 2.3.1).

A card without management keys does no more than that. With keys it is the issuer's security domain.
"""

from typing import ClassVar

from ..iso7816.globalplatform import AID_ISSUER_DOMAIN
from ..iso7816.status import StatusWord
from .applet import Applet, Selection
from .domain_applet import DomainApplet

NAME_CARD_MANAGER = b"CM"
"""What the Thai authority's own library selects (thai-card.md, section 2)."""

CPLC_LEN = 42
CPLC_SERIAL = slice(10, 18)
"""Fabrication date, serial number and batch, which readers use as the card's number (thai-card.md, 3.4)."""


class IssuerSecurityDomain(DomainApplet):
    """The card manager applet.

    Its memory has `cplc`, the 42 bytes of card production life cycle data. What further may be there: management keys
    (`security_domain_keys`), `iin` and `cin`, the numbers of issuer and card, and what is on the card
    (`card_registry`).
    """

    name: ClassVar[str] = "card"
    aid: ClassVar[bytes] = AID_ISSUER_DOMAIN
    aliases: ClassVar[tuple[bytes, ...]] = (NAME_CARD_MANAGER,)
    contents: ClassVar[tuple[str, ...]] = ("cplc",)

    @staticmethod
    def cplc(chip_serial: bytes) -> bytes:
        """Production data of a fictional chip with this 8-byte serial: all else is zero."""
        data = bytearray(CPLC_LEN)
        data[CPLC_SERIAL] = chip_serial
        return bytes(data)

    @property
    def chip_serial(self) -> bytes:
        """Eight bytes."""
        return self.content("cplc")[CPLC_SERIAL]

    def in_use(self, aid: bytes) -> bool:
        """Tell whether an application is selected on some channel."""
        return any(applet.aid == aid for applet in self.selected())

    def permits(self, applet: Applet) -> bool:
        """Nothing but the card manager on a locked or terminated card, and no application that is not selectable."""
        return applet is self or self.registry is None or self.registry.permits(applet)

    def selected_sw(self) -> int:
        """A warning on a locked card, where nothing else can be selected (11.9.3.2)."""
        locked = self.registry is not None and self.registry.card_locked
        return StatusWord.SELECTED_FILE_DEACTIVATED if locked else StatusWord.NO_ERROR

    def guarded(self, applet: Applet, selection: Selection) -> Selection:
        """An application that takes its data from its domain is behind that domain's channel."""
        if self.registry is None or not applet.managed or self.registry.key_holder(applet.aid) is None:
            return selection
        return self.registry.guard(applet, selection)
