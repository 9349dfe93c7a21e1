"""From a persona to a card: applets are found through entry points and given their memory."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..entry_points import entry_points
from ..errors import ConfigError, DecodeError, ImageDamaged, UsageError
from ..iso7816.apdu import CardProtocol
from .applet import Applet
from .card import Card
from .image import CardImage, Section, Value
from .issuer_domain import IssuerSecurityDomain

if TYPE_CHECKING:
    from .persona import Persona  # a saved card needs no persona, nor the time to import it

GROUP_APPLETS = "ecitizen.applets"
"""Entry points of Applet classes, under their application's name."""

NOTHING_FURTHER: Mapping[str, Any] = MappingProxyType({})

SECTION_CARD = IssuerSecurityDomain.name


class AppletModule(Protocol):
    """An Applet class as its entry point gives it."""

    def __call__(self, memory: Section, protocol: CardProtocol) -> Applet:
        """The applet over its memory."""
        ...

    def personalise(self, record: Any) -> dict[str, Value]:
        """The memory of an applet that says what the application's record says."""
        ...


class HolderAppletModule(AppletModule, Protocol):
    """An Applet class whose record is made for a holder, rather than brought by the persona."""

    def record_for(self, persona: "Persona", **options: Any) -> Any:
        """What `personalise` takes, for this holder; `options` are the application's own."""
        ...


def record_for(name: str, persona: "Persona", **options: Any) -> Any:
    """The record that application `name` makes for a holder, for `further` of `sections_for`.

    Raise ConfigError if the application is not installed, UsageError for options that it can't follow.
    """
    module = cast("HolderAppletModule", _modules([name])[name])
    return module.record_for(persona, **options)


def sections_for(
    persona: "Persona",
    protocol: CardProtocol,
    *,
    further: Mapping[str, Any] = NOTHING_FURTHER,
    atr: bytes | None = None,
) -> dict[str, dict[str, Value]]:
    """The sections of a card image for a persona.

    `further` has the records of applications that the persona's data know nothing of, by name (`record_for`);
    `atr` is another answer to reset than the persona's.
    Raise UsageError if the persona has no card for that protocol, or the ATR says another one; EncodeError for data
    that a layout can't hold.
    """
    if protocol not in persona.atrs:
        raise UsageError(f"persona {persona.name} has no card that speaks {protocol}")
    applications = {**persona.applications, **further}
    card: dict[str, Value] = {
        "persona": persona.name,
        "protocol": int(protocol),
        "atr": persona.atrs[protocol] if atr is None else _checked_atr(atr, protocol),
        "applets": list(applications),
        "cplc": IssuerSecurityDomain.cplc(persona.chip_serial),
    }
    modules = _modules(applications)
    memories = {name: modules[name].personalise(record) for name, record in applications.items()}
    return {SECTION_CARD: card, **memories}


def _checked_atr(atr: bytes, protocol: CardProtocol) -> bytes:
    from ..iso7816.atr import Atr  # late: a card that is made already needs it not

    try:
        offered = Atr.parse(atr).protocols
    except DecodeError as error:
        raise UsageError(f"this can't be a card's answer to reset: {error}") from error
    if int(protocol) not in offered:
        raise UsageError(f"a card with this answer to reset does not speak {protocol}")
    return atr


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
