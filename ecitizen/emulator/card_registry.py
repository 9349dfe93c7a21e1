"""What is on one emulated card, and in which state: the GlobalPlatform registry (Card Specification 2.3.1, 6.4).

It stands in the card manager's section of the image: `registry` has an entry for each application and each
supplementary security domain, `life_cycle` is the card's. An image without `registry` is one of a card that was made
ready: its `applets` names the applications, which are the issuer's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, overload

from ..errors import ImageDamaged
from ..iso7816.apdu import CardProtocol
from ..iso7816.globalplatform import (
    AID_LENS,
    AID_LOAD_FILE_OF_DOMAINS,
    AID_MODULE_OF_DOMAINS,
    LOCKED,
    ApplicationLifeCycle,
    CardLifeCycle,
)
from .applet import Applet, Selection
from .catalogue import LOAD_FILE_APPLICATIONS, modules_named
from .domain_applet import SECTION_PREFIX, DomainApplet, supplementary_domain
from .image import CardImage, Value
from .issuer_domain import IssuerSecurityDomain

SECTION_CARD: Final = IssuerSecurityDomain.name

REGISTRY: Final = "registry"
APPLETS: Final = "applets"
LIFE_CYCLE: Final = "life_cycle"

PRIVILEGES_NONE: Final = bytes(3)
PRIVILEGES_DOMAIN: Final = bytes.fromhex("800000")
"""A security domain, and nothing more: it manages what is its own (6.6.1, table 6-1)."""

NOTHING: Final[Mapping[str, Mapping[str, Value]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """An application or a supplementary security domain on the card."""

    name: str
    """Its section of the image."""
    aid: bytes
    domain: bytes
    """AID of the security domain that it belongs to."""
    state: int = ApplicationLifeCycle.SELECTABLE
    privileges: bytes = PRIVILEGES_NONE

    @property
    def is_domain(self) -> bool:
        """A supplementary security domain."""
        return self.name.startswith(SECTION_PREFIX)

    @property
    def load_file(self) -> bytes:
        """AID of the load file that it was installed from."""
        return AID_LOAD_FILE_OF_DOMAINS if self.is_domain else LOAD_FILE_APPLICATIONS

    @property
    def module(self) -> bytes:
        """AID of the module that it was installed from."""
        return AID_MODULE_OF_DOMAINS if self.is_domain else self.aid

    @property
    def locked(self) -> bool:
        """Somebody locked it."""
        return bool(self.state & LOCKED)

    @property
    def selectable(self) -> bool:
        """It may be selected, and personalised."""
        return not self.locked and self.state & ApplicationLifeCycle.SELECTABLE == ApplicationLifeCycle.SELECTABLE

    def to_value(self) -> Value:
        """The entry as memory holds it."""
        return {
            "name": self.name,
            "aid": self.aid,
            "domain": self.domain,
            "state": int(self.state),
            "privileges": self.privileges,
        }

    @classmethod
    def from_value(cls, value: Value) -> "RegistryEntry":
        """Read an entry; raise ImageDamaged if it is none."""
        if isinstance(value, dict):
            match value:
                case {
                    "name": str() as name,
                    "aid": bytes() as aid,
                    "domain": bytes() as domain,
                    "state": int() as state,
                    "privileges": bytes() as privileges,
                }:
                    known = not isinstance(state, bool) and state & ~LOCKED in set(ApplicationLifeCycle)
                    lengths = len(aid) in AID_LENS and len(domain) in AID_LENS and len(privileges) == 3
                    named = not name.startswith(SECTION_PREFIX) or name == supplementary_domain(aid).name
                    if known and lengths and named and name != SECTION_CARD:
                        return cls(name, aid, domain, state, privileges)
        raise damaged()


class CardRegistry(Sequence[Applet]):
    """All applets of one card as its image has them: the card manager first, then domains and applications.

    It stays up to date when something is installed or deleted. Raise ImageDamaged for an image that is no card's,
    ConfigError for an application that is not installed in this Python.
    """

    def __init__(self, image: CardImage, protocol: CardProtocol) -> None:
        self._image = image
        self._protocol = protocol
        self.memory = image.read(SECTION_CARD)
        self.issuer = IssuerSecurityDomain(self.memory, protocol)
        self.issuer.registry = self
        self._applets: dict[bytes, Applet] = {}
        self.entries: tuple[RegistryEntry, ...] = ()
        """In the order of installation; without the card manager."""
        self._load()

    @overload
    def __getitem__(self, index: int) -> Applet: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Applet]: ...

    def __getitem__(self, index: int | slice) -> Applet | Sequence[Applet]:
        return (self.issuer, *self._applets.values())[index]

    def __len__(self) -> int:
        return 1 + len(self._applets)

    @property
    def life_cycle(self) -> CardLifeCycle:
        """The state of the card, SECURED if its memory says nothing; raise ImageDamaged if it is none."""
        value = self.memory.get(LIFE_CYCLE, int(CardLifeCycle.SECURED))
        if not isinstance(value, int) or value not in set(CardLifeCycle):
            raise ImageDamaged("the image's life cycle is none of a card; make a new one with `ecitizen emulator new`")
        return CardLifeCycle(value)

    @property
    def card_locked(self) -> bool:
        """Whether nothing but the card manager can be selected, until it unlocks the card."""
        return LIFE_CYCLE in self.memory and self.life_cycle is CardLifeCycle.CARD_LOCKED

    def find(self, aid: bytes) -> RegistryEntry | None:
        """The entry of this AID."""
        return next((entry for entry in self.entries if entry.aid == aid), None)

    def applet(self, aid: bytes) -> Applet:
        """The applet of an entry, or the card manager."""
        return self.issuer if aid == self.issuer.aid else self._applets[aid]

    def within(self, domain: bytes) -> tuple[RegistryEntry, ...]:
        """What belongs to a domain."""
        return tuple(entry for entry in self.entries if entry.domain == domain)

    def permits(self, applet: Applet) -> bool:
        """Tell whether an applet other than the card manager may be selected."""
        if LIFE_CYCLE in self.memory and self.life_cycle in {CardLifeCycle.CARD_LOCKED, CardLifeCycle.TERMINATED}:
            return False
        entry = self.find(applet.aid)
        return entry is not None and entry.selectable

    def key_holder(self, aid: bytes) -> DomainApplet | None:
        """The domain whose keys open channels to an applet: the nearest one, itself or above it, that has keys.

        None if there is no such domain, or a locked one is on the way.
        """
        seen = set()
        while aid != self.issuer.aid:
            entry = self.find(aid)
            if entry is None or entry.locked or aid in seen:
                return None
            applet = self._applets[aid]
            if isinstance(applet, DomainApplet) and applet.has_keys:
                return applet
            seen.add(aid)
            aid = entry.domain
        return self.issuer if self.issuer.has_keys else None

    def management(self, applet: DomainApplet) -> Selection:
        """A selection of a domain on a card with keys."""
        from .security_domain import domain_selection  # late: most programs only read cards

        return domain_selection(applet, self)

    def guard(self, applet: Applet, selection: Selection) -> Selection:
        """A selection of an application behind its domain's channel."""
        from .security_domain_personalising import guarded_application  # late, for the same reason

        return guarded_application(applet, selection, self)

    def write(
        self,
        entries: Iterable[RegistryEntry],
        *,
        added: Mapping[str, Mapping[str, Value]] = NOTHING,
        dropped: Iterable[str] = (),
    ) -> None:
        """Put other entries in the place of all, with the sections of what comes and goes: all at once, or nothing.

        Raise ImageError if it can't be stored.
        """
        with self._image.transaction() as change:
            change.put(SECTION_CARD, REGISTRY, [entry.to_value() for entry in entries])
            change.delete(SECTION_CARD, APPLETS)
            for name in dropped:
                change.drop(name)
            for name, values in added.items():
                change.drop(name)
                for key, value in values.items():
                    change.put(name, key, value)
        self._load()

    def set_states(self, states: Mapping[bytes, int]) -> None:
        """Put other states, by AID, into these entries."""
        self.write(replace(each, state=states.get(each.aid, each.state)) for each in self.entries)

    def give(self, aid: bytes, domain: bytes) -> None:
        """Let an application belong to another domain."""
        self.write(replace(each, domain=domain) if each.aid == aid else each for each in self.entries)

    def _load(self) -> None:
        """Read the entries, keep the applets that are still there, make the others."""
        self.entries = self._stored() if REGISTRY in self.memory else self._derived()
        domains = {self.issuer.aid, *(entry.aid for entry in self.entries if entry.is_domain)}
        aids = {self.issuer.aid, *(entry.aid for entry in self.entries)}
        if len(aids) != len(self.entries) + 1 or any(entry.domain not in domains for entry in self.entries):
            raise damaged()
        before, self._applets = self._applets, {}
        for entry in self.entries:
            kept = before.get(entry.aid) or self._made(entry)
            self._applets[entry.aid] = kept

    def _stored(self) -> tuple[RegistryEntry, ...]:
        values = self.memory[REGISTRY]
        if not isinstance(values, list):
            raise damaged()
        return tuple(RegistryEntry.from_value(value) for value in values)

    def _derived(self) -> tuple[RegistryEntry, ...]:
        """The applications of an image without a registry."""
        names = self.memory.get(APPLETS)
        if not isinstance(names, list) or not all(
            isinstance(name, str) and name in self._image.sections() for name in names
        ):
            raise damaged()
        modules = modules_named(str(name) for name in names)
        return tuple(RegistryEntry(name, module.aid, self.issuer.aid) for name, module in modules.items())

    def _made(self, entry: RegistryEntry) -> Applet:
        memory = self._image.read(entry.name)
        if not entry.is_domain:
            module = modules_named([entry.name])[entry.name]
            if module.aid != entry.aid:
                raise damaged()
            return module(memory, self._protocol)
        domain = supplementary_domain(entry.aid)(memory, self._protocol)
        domain.registry = self
        return domain


def damaged() -> ImageDamaged:
    """The error for an image whose card section no card wrote."""
    return ImageDamaged("the image's section card is incomplete; make a new one with `ecitizen emulator new`")


def registry_memory(entries: Iterable[RegistryEntry]) -> dict[str, Value]:
    """What goes into the card manager's section for these entries."""
    return {REGISTRY: [entry.to_value() for entry in entries]}
