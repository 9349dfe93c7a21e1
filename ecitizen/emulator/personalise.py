"""From a persona to a card: applets are found through entry points and given their memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..errors import DecodeError, ImageDamaged, UsageError
from ..iso7816.apdu import CardProtocol
from ..iso7816.globalplatform import AID_ISSUER_DOMAIN, CardLifeCycle
from .card import Card
from .card_registry import (
    APPLETS,
    LIFE_CYCLE,
    PRIVILEGES_DOMAIN,
    SECTION_CARD,
    CardRegistry,
    RegistryEntry,
    damaged,
    registry_memory,
)
from .catalogue import AppletModule, modules_named
from .domain_applet import supplementary_domain
from .image import CardImage, Sections, Value
from .issuer_domain import CPLC_SERIAL, IssuerSecurityDomain

if TYPE_CHECKING:
    from ..secure_channel.handshake import Scp03Keys
    from .persona import Persona  # a saved card needs no persona, nor the time to import it

__all__ = [
    "NOTHING_FURTHER",
    "SECTION_CARD",
    "AppletModule",
    "DomainPlan",
    "HolderAppletModule",
    "blank_sections",
    "card_from_image",
    "managed_sections",
    "record_for",
    "sections_for",
]

NOTHING_FURTHER: Mapping[str, Any] = MappingProxyType({})

BLANK_ATRS: Mapping[CardProtocol, bytes] = MappingProxyType(
    {
        CardProtocol.T0: bytes.fromhex("3B799600005448204E4944203138"),
        CardProtocol.T1: bytes.fromhex("3B99968131FE455448204E49442031375D"),
    }
)
"""Answers to reset of blank cards."""


class HolderAppletModule(AppletModule, Protocol):
    """An Applet class whose record is made for a holder, rather than brought by the persona."""

    def record_for(self, persona: "Persona", **options: Any) -> Any:
        """What `personalise` takes, for this holder; `options` are the application's own."""
        ...


def record_for(name: str, persona: "Persona", **options: Any) -> Any:
    """The record that application `name` makes for a holder, for `further` of `sections_for`.

    Raise ConfigError if the application is not installed, UsageError for options that it can't follow.
    """
    module = cast("HolderAppletModule", modules_named([name])[name])
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
        APPLETS: list(applications),
        "cplc": IssuerSecurityDomain.cplc(persona.chip_serial),
    }
    modules = modules_named(applications)
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
    atr, protocol = card.get("atr"), card.get("protocol")
    if not isinstance(atr, bytes) or protocol not in list(CardProtocol):
        raise damaged()
    speaks = CardProtocol(protocol)
    return Card(CardRegistry(image, speaks), atr=atr, protocol=speaks)


# Cards that can be managed


@dataclass(frozen=True, slots=True)
class DomainPlan:
    """A supplementary security domain for a card that is made ready: its name, its applications, its keys."""

    aid: bytes
    applications: Sequence[str]
    keys: "Scp03Keys | None" = None
    """None: channels are opened with the issuer's."""


def blank_sections(
    protocol: CardProtocol,
    chip_serial: bytes,
    *,
    atr: bytes | None = None,
    keys: "Scp03Keys | None" = None,
) -> dict[str, dict[str, Value]]:
    """The sections of a card image with nothing on it but the issuer's domain, ready to be personalised.

    `chip_serial` has 8 bytes. Without `keys` it has the published test keys, as version 0x30.
    Raise UsageError for another serial, or an answer to reset of another protocol.
    """
    if len(chip_serial) != CPLC_SERIAL.stop - CPLC_SERIAL.start:
        raise UsageError("a chip serial has 8 bytes")
    from ..secure_channel.handshake import Scp03Keys  # late: most programs only read cards
    from .security_domain_keys import key_memory

    return {
        SECTION_CARD: {
            "protocol": int(protocol),
            "atr": BLANK_ATRS[protocol] if atr is None else _checked_atr(atr, protocol),
            "cplc": IssuerSecurityDomain.cplc(chip_serial),
            LIFE_CYCLE: int(CardLifeCycle.OP_READY),
            **registry_memory(()),
            **key_memory(keys or Scp03Keys.published()),
        }
    }


def managed_sections(
    sections: Sections, keys: "Scp03Keys", domains: Sequence[DomainPlan] = ()
) -> dict[str, dict[str, Value]]:
    """The sections of a card that is ready (`sections_for`), with management keys and domains, as if it were issued.

    Applications that no domain claims stay the issuer's. Raise UsageError for a domain that claims what is not there.
    """
    from .security_domain_keys import key_memory  # late, as above

    result = {name: dict(values) for name, values in sections.items()}
    card = result[SECTION_CARD]
    names = card.pop(APPLETS, None)
    if not isinstance(names, list):
        raise UsageError("only a card without domains can be given some: start from `sections_for`")
    modules = modules_named(str(name) for name in names)
    owners = {name: plan.aid for plan in domains for name in plan.applications}
    if not owners.keys() <= modules.keys():
        raise UsageError(f"no application {', '.join(sorted(owners.keys() - modules.keys()))} is on this card")
    entries = []
    for plan in domains:
        name = supplementary_domain(plan.aid).name
        entries.append(RegistryEntry(name, plan.aid, AID_ISSUER_DOMAIN, privileges=PRIVILEGES_DOMAIN))
        result[name] = {} if plan.keys is None else key_memory(plan.keys)
    for name, module in modules.items():
        entries.append(RegistryEntry(name, module.aid, owners.get(name, AID_ISSUER_DOMAIN)))
    card |= {**registry_memory(entries), **key_memory(keys)}
    return result
