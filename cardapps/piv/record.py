"""What a sample PIV card holds: fresh keys, certificates of a test authority, and the objects that clients want.

Left out, since a sample would be a fake: the security object and signatures (they come with an issuer that signs),
fingerprints, and the facial image, which the standard wants in a biometric record that nobody here can make of a JPEG.
Needs `cryptography`; import it late.
"""

import os
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Final

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import Value
from ecitizen.emulator.persona import Persona
from ecitizen.model import CardDate, CitizenId, PersonName
from ecitizen.ports import CertificateIssuer, CertificateRequest
from pki.authority import Authority
from pki.keys import generate_key, private_key_info, public_key_info

from . import layout, objects
from .applet_state import StoredKey, factory_state, key_name, object_name
from .layout import ObjectId, Origin, Slot

AUTHORITY_NAME: Final = "ecitizen test authority"

DEFAULT_KEYS: Final[Mapping[Slot, KeyAlgorithm]] = MappingProxyType(
    {
        Slot.AUTHENTICATION: KeyAlgorithm.P_256,
        Slot.SIGNATURE: KeyAlgorithm.RSA_2048,
        Slot.KEY_MANAGEMENT: KeyAlgorithm.RSA_2048,
        Slot.CARD_AUTHENTICATION: KeyAlgorithm.P_256,
        Slot.ATTESTATION: KeyAlgorithm.P_256,
    }
)
"""RSA where Thai certificates have it today."""

_PROFILES: Final[Mapping[Slot, str]] = MappingProxyType(
    {
        Slot.AUTHENTICATION: "authentication",
        Slot.SIGNATURE: "signature",
        Slot.CARD_AUTHENTICATION: "card_authentication",
        Slot.ATTESTATION: "attestation",
    }
)
_PROFILE_OF_OTHERS: Final = "key_management"
_PROFILES_OF_CARDS: Final = frozenset({"card_authentication", "attestation"})

_CHIP_SERIAL: Final = slice(2, 6)
"""Of a chip serial, which is fabrication date, serial number and batch: the serial number."""
_YEARS_VALID: Final = 10
"""Of a card whose holder's citizen card has no expiry date."""
_LIFELONG_YEAR: Final = 9999
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class PivRecord:
    """What is on one PIV card. PIN, PUK and management key are the defaults of `layout`."""

    keys: Mapping[Slot, StoredKey]
    objects: Mapping[int, bytes]
    """By tag: what stands inside tag 53."""
    serial: int
    extensions: bool
    authority: bytes
    """The certificate that all others lead to, DER. The card itself does not show it."""

    def memory(self) -> dict[str, Value]:
        """The applet's section of a card image; the authority's certificate is there as `authority`."""
        return {
            **factory_state(),
            "serial": self.serial,
            "extensions": self.extensions,
            "authority": self.authority,
            **{key_name(slot): key.to_value() for slot, key in self.keys.items()},
            **{object_name(tag): content for tag, content in self.objects.items()},
        }


def record_for(
    persona: Persona,
    *,
    keys: Mapping[Slot, KeyAlgorithm] = MappingProxyType({}),
    extensions: bool = True,
    issuer: CertificateIssuer | None = None,
    moment: datetime | None = None,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> PivRecord:
    """A PIV card for this holder, with fresh keys: the default ones, and `keys` beside or in place of them.

    Certificates are by `issuer`, or by a test authority that is made for this card and then forgotten; a persona
    without a name or a number gets keys without personal certificates. RSA keys take a tenth of a second to seconds.
    Raise UsageError for an algorithm that can't be used in its slot.
    """
    now = moment or datetime.now(UTC)
    authority, issue = _authority(issuer, now)
    holder = persona.applications.get("citizen_id")
    citizen = holder if isinstance(holder, CitizenId) else CitizenId()
    wanted = {**DEFAULT_KEYS, **keys}
    if not extensions:
        wanted.pop(Slot.ATTESTATION)
    found = card_objects(persona.chip_serial, citizen, now, random_bytes)
    stored: dict[Slot, StoredKey] = {}
    for slot, algorithm in wanted.items():
        key = generate_key(algorithm)
        private = private_key_info(key).reveal()
        stored[slot] = StoredKey(
            layout.KEY_ALGORITHM_IDS[algorithm], private, Origin.GENERATED, layout.default_pin_policy(slot)
        )
        card_serial = persona.chip_serial.hex().upper()
        request = certificate_request(slot, public_key_info(key), citizen, card_serial)
        if request is not None:
            certificate = objects.CertificateObject(issue(request))
            found[slot.certificate_object] = certificate.encode()
    retired = (slot - Slot.RETIRED_1 + 1 for slot in wanted if slot.is_retired and slot.certificate_object in found)
    # Readers look at the places from the first to the one that the history counts to, empty or not.
    found[ObjectId.KEY_HISTORY] = objects.KeyHistory(on_card=max(retired, default=0)).encode()
    serial = int.from_bytes(persona.chip_serial[_CHIP_SERIAL])
    return PivRecord(MappingProxyType(stored), MappingProxyType(found), serial, extensions, authority)


def _authority(issuer: CertificateIssuer | None, now: datetime) -> tuple[bytes, Callable[[CertificateRequest], bytes]]:
    """An authority's certificate, and how to ask it for others."""
    if issuer is not None:
        return issuer.certificate, issuer.issue
    authority = Authority.self_signed(AUTHORITY_NAME, moment=now)
    return authority.certificate, partial(authority.issue, moment=now)


def certificate_request(
    slot: Slot, public_key: bytes, citizen: CitizenId, card_serial: str
) -> CertificateRequest | None:
    """What to ask the authority for; None for a person whom it can't name. Only a card's own have its serial."""
    profile = _PROFILES.get(slot, _PROFILE_OF_OTHERS)
    if profile in _PROFILES_OF_CARDS:
        return CertificateRequest(profile, public_key, card_serial=card_serial)
    if citizen.cid is None or (citizen.name_en is None and citizen.name_th is None):
        return None
    return CertificateRequest(profile, public_key, citizen.name_th, citizen.name_en, citizen.cid)


def card_objects(
    chip_serial: bytes,
    citizen: CitizenId,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    issuer: str = AUTHORITY_NAME,
) -> dict[int, bytes]:
    """The data objects of a new card besides certificates and key history, by tag; the first two are random."""
    year, month, day = _expiry(citizen.expiry_date, now)
    printed = objects.PrintedInformation(
        name=_printed_name(citizen.name_en),
        expiration_date=f"{year:04d}{_MONTHS[month - 1]}{day:02d}",
        serial_number=chip_serial.hex().upper(),
        issuer=issuer,
    )
    chuid = objects.Chuid(guid=random_bytes(objects.UUID_LEN), expiration_date=f"{year:04d}{month:02d}{day:02d}")
    return {
        ObjectId.CHUID: chuid.encode(),
        ObjectId.CAPABILITY_CONTAINER: objects.capability_container(random_bytes(objects.CARD_IDENTIFIER_NUMBER_LEN)),
        ObjectId.PRINTED_INFORMATION: printed.encode(),
    }


def _expiry(date: CardDate | None, now: datetime) -> tuple[int, int, int]:
    """Year, month and day in the common era; of a date known in part its last day, of a lifelong card 9999-12-31."""
    if date is not None and date.lifelong:
        return _LIFELONG_YEAR, 12, 31
    if date is None or date.year is None:
        return now.year + _YEARS_VALID, now.month, min(now.day, 28)
    month = date.month or 12
    return date.year, month, date.day or monthrange(date.year, month)[1]


def _printed_name(name: PersonName | None) -> str:
    """As the standard prints it: surname first; empty if there is no name in Latin letters."""
    if name is None:
        return ""
    given = " ".join(part for part in (name.first, name.middle) if part)
    text = ", ".join(part for part in (name.last, given) if part)
    return text if text.isascii() else ""
