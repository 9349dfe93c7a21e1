"""Sealed cards of fictional holders: a persona, its signing application and the test hierarchy put together.

A persona whose `condition` says so gets a card that is not genuine, in that one way.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.apps import installed_drivers
from ecitizen.emulator.image import CardImage, Value
from ecitizen.emulator.persona import Condition, Persona
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import UsageError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.model import CardDate, CitizenId
from ecitizen.ports import Driver, SealedDriver
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader
from pki.keys import generate_key, load_private_key, private_key_info, public_key_info
from pki.status import RevocationReason

from . import seal_files
from .hierarchy import Hierarchy
from .piv.applet_state import StoredKey, key_name
from .piv.layout import KEY_ALGORITHM_IDS, Slot
from .piv.record import PivRecord, record_for
from .sealing import binding_groups, data_groups

Sections = dict[str, dict[str, Value]]

STRANGER: Final = "stranger"
"""Folder, beside the test hierarchy's, of one just like it that nobody trusts."""

_PIV: Final = "piv"
_KEY_9E: Final = key_name(Slot.CARD_AUTHENTICATION)
_LONGER_YEARS: Final = 4


def sealed_card(
    persona: Persona,
    protocol: CardProtocol,
    hierarchy: Hierarchy,
    *,
    keys: Mapping[Slot, KeyAlgorithm] = MappingProxyType({}),
    extensions: bool = True,
    atr: bytes | None = None,
) -> Sections:
    """The sections of a card image: all applications of the persona, sealed, and the signing application beside them.

    `keys` and `extensions` are as for `piv.record.record_for`. Raise what that and `sections_for` do.
    """
    signer = _signer(persona, hierarchy)
    try:
        record = record_for(persona, keys=keys, extensions=extensions, issuer=signer.persons_issuer(_serial(persona)))
        sections = sections_for(persona, protocol, further={_PIV: record}, atr=atr)
        seals = seals_for(sections, signer, _key_9e(record), persona.chip_serial, _unsealed(persona))
    finally:
        if signer is not hierarchy:
            signer.close()
    for name, memory in seals.items():
        sections[name] |= memory
    change = _CHANGES.get(persona.condition)
    if change is not None:
        change(persona, sections, hierarchy, protocol)
    return sections


def seals_for(
    sections: Mapping[str, Mapping[str, Value]],
    hierarchy: Hierarchy,
    public_key: bytes,
    chip_serial: bytes,
    without: frozenset[str] = frozenset(),
) -> Sections:
    """What a card with these sections needs in addition to be sealed, by application, but for those in `without`.

    The data are read from the card as any reader reads them. `public_key` is that of 9E (SubjectPublicKeyInfo, DER).
    """
    reader = VirtualReader(card_from_image(CardImage.in_memory(sections)))
    seals: Sections = {}
    serial = chip_serial.hex().upper()
    with CardSession(reader.connect()) as session:
        for driver in installed_drivers():
            if driver.name not in hierarchy.applications & sections.keys() - without:
                continue
            groups = {**_groups(driver, session), **binding_groups(public_key, chip_serial)}
            seals[driver.name] = {
                seal_files.SECURITY_OBJECT: hierarchy.seal(driver.name, groups),
                seal_files.APPLICATION_CERTIFICATE: hierarchy.application_certificate(driver.name, public_key, serial),
            }
    return seals


def _groups(driver: Driver, session: CardSession) -> dict[int, bytes]:
    if not isinstance(driver, SealedDriver):
        raise UsageError(f"the application {driver.name} does not say what of its data is to be sealed")
    *_, last = (result for result in driver.read(session, frozenset(driver.fields), {}) if result is not None)
    return data_groups(driver, last.record)


def _signer(persona: Persona, hierarchy: Hierarchy) -> Hierarchy:
    """Who seals this card: for one that is not to be trusted, a hierarchy of the same names with other keys."""
    if persona.condition is not Condition.UNTRUSTED:
        return hierarchy
    return Hierarchy.open(hierarchy.folder.with_name(f"{hierarchy.folder.name}-{STRANGER}"))


def _unsealed(persona: Persona) -> frozenset[str]:
    """Of a card that was never finished, all but the first application."""
    if persona.condition is not Condition.INCOMPLETE:
        return frozenset()
    return frozenset(persona.applications) - {next(iter(persona.applications))}


def _serial(persona: Persona) -> str:
    return persona.chip_serial.hex().upper()


def _key_9e(record: PivRecord) -> bytes:
    return public_key_info(load_private_key(record.keys[Slot.CARD_AUTHENTICATION].private))


# What is wrong with cards that are not genuine


def _altered(persona: Persona, sections: Sections, _hierarchy: Hierarchy, protocol: CardProtocol) -> None:
    """Somebody made the card last longer, and left the seal as it was."""
    citizen = persona.applications["citizen_id"]
    assert isinstance(citizen, CitizenId)
    assert citizen.expiry_date is not None
    later = CardDate.parse(f"{int(citizen.expiry_date.raw) + _LONGER_YEARS * 10_000:08d}")
    changed = replace(persona, applications={"citizen_id": replace(citizen, expiry_date=later)})
    sections["citizen_id"] |= sections_for(changed, protocol)["citizen_id"]


def _cloned(_persona: Persona, sections: Sections, _hierarchy: Hierarchy, _protocol: CardProtocol) -> None:
    """All that can be read was copied, chip serial and certificates too; a private key can't be."""
    original = StoredKey.from_value(sections[_PIV][_KEY_9E])
    key = generate_key(KeyAlgorithm.P_256)
    private = private_key_info(key).reveal()
    copied = replace(original, algorithm=KEY_ALGORITHM_IDS[KeyAlgorithm.P_256], private=private)
    sections[_PIV][_KEY_9E] = copied.to_value()


def _revoked(persona: Persona, _sections: Sections, hierarchy: Hierarchy, _protocol: CardProtocol) -> None:
    """The holder has lost the card."""
    hierarchy.revoke_card(_serial(persona), RevocationReason.CESSATION_OF_OPERATION)


def _suspended(persona: Persona, _sections: Sections, hierarchy: Hierarchy, _protocol: CardProtocol) -> None:
    """The official may not act for the time being; as a citizen the holder loses nothing."""
    hierarchy.suspend("civil_servant", _serial(persona))


_CHANGES: Final[Mapping[Condition, Callable[[Persona, Sections, Hierarchy, CardProtocol], Any]]] = MappingProxyType(
    {
        Condition.ALTERED: _altered,
        Condition.CLONED: _cloned,
        Condition.REVOKED: _revoked,
        Condition.SUSPENDED: _suspended,
    }
)
