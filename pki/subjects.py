"""Names in certificates: of persons in English and Thai, of cards, and of authorities.

The subject is written for every program that shows certificates: one attribute of each kind, in English. The Thai
name is a directory name beside it, in the subject alternative name (RFC 5280, 4.2.1.6), where Thai letters do no harm
and no attribute stands twice; it has no common name, for which long Thai names have no room.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from ecitizen.model import PersonName
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes

from .errors import RequestRejected
from .profiles import CitizenNumberForm, Profile

COUNTRY: Final = "TH"
PSEUDONYM_LEN: Final = 16
"""Bytes of a number's pseudonym, before they are written in hexadecimal."""
COMMON_NAME_MAX_LEN: Final = 64
"""In bytes of UTF-8. RFC 5280, appendix A.1, means characters, but some software counts bytes and complains."""
ORGANISATION_MAX_LEN: Final = 64
TITLE_MAX_LEN: Final = 64
"""In characters (RFC 5280, appendix A.1: ub-organization-name, ub-title)."""
NAME_PART_MAX_LEN: Final = 100
"""In characters: as many as the citizen card has room for; X.520 would take more."""

_CITIZEN_NUMBER = re.compile(r"[0-9]{13}")
_DNS_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_CARD_SERIAL = re.compile(r"[0-9A-Za-z-]{1,40}")


def person_subject(profile: Profile, request: CertificateRequest, pseudonym_key: KeyBytes) -> x509.Name:
    """The name of the person whom the request is about; of a person without an English name the Thai one.

    Raise RequestRejected for a person without a name or, unless the profile leaves it out, without a number.
    """
    name = _present(request.name_en) or _present(request.name_th)
    if name is None:
        raise RequestRejected("a certificate of a person needs the person's name; give it in English or Thai")
    number = [] if profile.citizen_number is CitizenNumberForm.ABSENT else [_number(profile, request, pseudonym_key)]
    attributes = _name_attributes(name)  # which finds what can't be written
    # The common name is cut if it must be: the whole name is in its parts.
    common_name = _cut(" ".join(part for part in (_given(name), name.last) if part))
    return x509.Name([*attributes, *number, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def person_alternative_name(request: CertificateRequest) -> x509.Name | None:
    """The person's Thai name, if the subject has the English one."""
    thai = _present(request.name_th)
    if thai is None or _present(request.name_en) is None:
        return None
    return x509.Name(_name_attributes(thai))


def service_alternative_names(dns_names: Sequence[str]) -> tuple[x509.DNSName, ...]:
    """The names by which a web server is called; raise RequestRejected for what is no DNS name."""
    if not all(_DNS_NAME.fullmatch(name) for name in dns_names):
        raise RequestRejected("a DNS name is like desk.example.go.th: small letters, digits, hyphens and dots")
    return tuple(x509.DNSName(name) for name in dns_names)


def card_subject(profile: Profile, request: CertificateRequest) -> x509.Name:
    """The name of a card: its serial number, and nothing about its holder."""
    serial = request.card_serial or ""
    if not _CARD_SERIAL.fullmatch(serial):
        raise RequestRejected("a certificate of a card needs the card's serial number: letters, digits and hyphens")
    return _name(
        (NameOID.COUNTRY_NAME, COUNTRY),
        (NameOID.SERIAL_NUMBER, serial),
        (NameOID.COMMON_NAME, _cut(f"{profile.common_name} {serial}")),
    )


def authority_subject(common_name: str, organisation: str = "") -> x509.Name:
    """The name of an authority."""
    of = [(NameOID.ORGANIZATION_NAME, _clean(organisation, ORGANISATION_MAX_LEN))] if organisation else []
    called = _clean(common_name, COMMON_NAME_MAX_LEN)
    if called != _cut(called):
        raise RequestRejected(f"an authority's name takes more than {COMMON_NAME_MAX_LEN} bytes; give a shorter one")
    return _name((NameOID.COUNTRY_NAME, COUNTRY), *of, (NameOID.COMMON_NAME, called))


def _number(profile: Profile, request: CertificateRequest, pseudonym_key: KeyBytes) -> x509.NameAttribute[str]:
    number = request.citizen_number or ""
    if not _CITIZEN_NUMBER.fullmatch(number):
        raise RequestRejected("a certificate of a person needs the person's number of 13 digits")
    if profile.citizen_number is CitizenNumberForm.PSEUDONYM:
        mac = hmac.digest(pseudonym_key.reveal(), number.encode("ascii"), hashlib.sha256)
        number = mac[:PSEUDONYM_LEN].hex()
    return x509.NameAttribute(NameOID.SERIAL_NUMBER, number)


def _name_attributes(name: PersonName) -> list[x509.NameAttribute[str]]:
    """Country, title, surname and given name; raise RequestRejected if there is neither of the last two."""
    given = _given(name)
    if not given and not name.last:
        raise RequestRejected("a name in a certificate can't be empty; give it")
    parts = [
        (NameOID.TITLE, name.prefix, TITLE_MAX_LEN),
        (NameOID.SURNAME, name.last, NAME_PART_MAX_LEN),
        (NameOID.GIVEN_NAME, given, NAME_PART_MAX_LEN),
    ]
    return [
        x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
        *(x509.NameAttribute(oid, _clean(text, max_len)) for oid, text, max_len in parts if text),
    ]


def _present(name: PersonName | None) -> PersonName | None:
    """The name, unless it has no parts at all: cards without an English name have an empty one."""
    return name if name is not None and str(name) else None


def _given(name: PersonName) -> str:
    return " ".join(part for part in (name.first, name.middle) if part)


def _cut(text: str) -> str:
    """As much of the text as a common name has room for."""
    return text.encode()[:COMMON_NAME_MAX_LEN].decode("utf-8", "ignore").rstrip()


def _clean(text: str, max_len: int) -> str:
    """The text if it can stand in a name; raise RequestRejected, without quoting it, if it can't."""
    if not text.strip():
        raise RequestRejected("a name in a certificate can't be empty; give it")
    if not text.isprintable():
        raise RequestRejected("a name has characters that can't be printed; correct it")
    if len(text) > max_len:
        raise RequestRejected(f"a part of a name has more than {max_len} characters, too many for a certificate")
    return text


def _name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])
