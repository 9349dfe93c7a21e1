"""From a persona to a card: applets are found through entry points and given their memory."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..entry_points import entry_points
from ..errors import ConfigError, ImageDamaged, UsageError
from ..iso7816.apdu import CardProtocol
from .applet import Applet
from .card import Card
from .image import CardImage, Value
from .issuer_domain import IssuerSecurityDomain

if TYPE_CHECKING:
    from .persona import Persona  # a saved card needs no persona, nor the time to import it

GROUP_APPLETS = "ecitizen.applets"
"""Entry points of Applet classes, under their application's name."""

SECTION_CARD = IssuerSecurityDomain.name


class AppletModule(Protocol):
    """An Applet class as its entry point gives it."""

    def __call__(self, memory: Mapping[str, Value], protocol: CardProtocol) -> Applet:
        """The applet over its memory."""
        ...

    def personalise(self, record: Any) -> dict[str, Value]:
        """The memory of an applet that says what the application's record says."""
        ...


def sections_for(persona: "Persona", protocol: CardProtocol) -> dict[str, dict[str, Value]]:
    """The sections of a card image for a persona.

    Raise UsageError if the persona has no card for that protocol, EncodeError for data that a layout can't hold.
    """
    if protocol not in persona.atrs:
        raise UsageError(f"persona {persona.name} has no card that speaks {protocol}")
    card: dict[str, Value] = {
        "persona": persona.name,
        "protocol": int(protocol),
        "atr": persona.atrs[protocol],
        "applets": list(persona.applications),
        "cplc": IssuerSecurityDomain.cplc(persona.chip_serial),
    }
    modules = _modules(persona.applications)
    memories = {name: modules[name].personalise(record) for name, record in persona.applications.items()}
    return {SECTION_CARD: card, **memories}


def card_from_image(image: CardImage) -> Card:
    """The card whose memory the image is. Raise ImageDamaged if it is not a card's memory."""
    if SECTION_CARD not in image.sections():
        raise ImageDamaged("the image has no card in it; make a new one with `ecitizen emulator new`")
    card = image.read(SECTION_CARD)
    names, atr, protocol = (card.get(key) for key in ("applets", "atr", "protocol"))
    if not (
        isinstance(names, list)
        and all(isinstance(name, str) and name in image.sections() for name in names)
        and isinstance(atr, bytes)
        and protocol in list(CardProtocol)
    ):
        raise ImageDamaged("the image's section card is incomplete; make a new one with `ecitizen emulator new`")
    speaks = CardProtocol(protocol)
    modules = _modules(str(name) for name in names)
    applets = [module(image.read(name), speaks) for name, module in modules.items()]
    return Card([IssuerSecurityDomain(card, speaks), *applets], atr=atr, protocol=speaks)


def _modules(names: Any) -> dict[str, AppletModule]:
    found = {entry.name: entry for entry in entry_points(GROUP_APPLETS)}
    wanted = list(names)
    absent = sorted(set(wanted) - found.keys())
    if absent:
        raise ConfigError(f"no applet {', '.join(absent)} is installed; install the package that brings it")
    return {name: found[name].load() for name in wanted}
