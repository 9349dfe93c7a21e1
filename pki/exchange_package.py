"""A government data package as a value: what one agency hands to another about a card's holder.

Its JSON is what is signed; the published schema (`exchange_schema`) says what it looks like, and `read_package` holds
it against that and against the rules that no schema can say.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from ecitizen.errors import UsageError
from ecitizen.jsonio import plain
from ecitizen.model import BilingualText, CardReading, Photo

from .data_security import compare_hashes, open_security_object
from .errors import Malformed
from .exchange_schema import PACKAGE, check_schema
from .sd_jwt import RandomBytes
from .strict_json import from_base64url, read_object, to_base64url, write_json

VALID_FOR_MAX: Final = timedelta(days=31)
"""From issue to expiry; recipients remember packages as long."""
VALID_FOR: Final = timedelta(days=1)
PAYLOAD_MAX_LEN: Final = 2 * 1024 * 1024
ID_LEN: Final = 16
_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"
_RAW: Final = "raw"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What the data are for; `code` is what programs compare."""

    code: str
    text: BilingualText


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person was shown and agreed to, and when; the card's signature is theirs."""

    text: BilingualText
    given_at: datetime
    given_by: str = "holder"
    """`holder`, `parent`, `guardian` or `representative`: who the person with the card is."""


@dataclass(frozen=True, slots=True)
class SealedApplication:
    """An application as its agency sealed it: the security object, and all the data groups that it is over."""

    security_object: bytes = field(repr=False)
    data_groups: Mapping[int, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExchangePackage:
    """What is handed over, from whom to whom, what for, by whose consent, and until when."""

    sender: str
    recipient: str
    purpose: Purpose
    issued_at: datetime
    expires_at: datetime
    id: str
    applications: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """Fields by application, in the JSON of a reading."""
    claims: Mapping[str, Mapping[str, bool]] = field(default_factory=dict, repr=False)
    consent: Consent | None = None
    seals: Mapping[str, SealedApplication] = field(default_factory=dict, repr=False)


# Making


def chosen_fields(reading: CardReading, chosen: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Any]]:
    """Fields of a reading in its JSON, a photo with its picture; raise UsageError for one that the card does not have.

    Names are those of `Driver.fields`.
    """
    return {name: _fields_of(name, reading.applications.get(name), wanted) for name, wanted in chosen.items()}


def _fields_of(name: str, record: Any, wanted: Iterable[str]) -> dict[str, Any]:
    if record is None or not is_dataclass(record):
        raise UsageError(f"the card was not read for {name}, or does not have it; read it first")
    known = [each.name for each in fields(record) if each.name != _RAW]
    found: dict[str, Any] = {}
    for each in wanted:
        if each not in known:
            raise UsageError(f"{name} has no field {each}; its fields are {', '.join(known)}")
        value = getattr(record, each)
        found[each] = plain(value) | {"jpeg": to_base64url(value.jpeg)} if isinstance(value, Photo) else plain(value)
    return found


def new_package(  # noqa: PLR0913 - each is one thing that a package says
    *,
    sender: str,
    recipient: str,
    purpose: Purpose,
    applications: Mapping[str, Mapping[str, Any]],
    moment: datetime,
    claims: Mapping[str, Mapping[str, bool]] = MappingProxyType({}),
    consent: Consent | None = None,
    seals: Mapping[str, SealedApplication] = MappingProxyType({}),
    valid_for: timedelta = VALID_FOR,
    random_bytes: RandomBytes = os.urandom,
) -> ExchangePackage:
    """A package that is valid from `moment`; raise UsageError for one that breaks a rule of packages."""
    if moment.tzinfo is None or (consent is not None and consent.given_at.tzinfo is None):
        raise UsageError("times in a package need a time zone")
    issued_at = moment.astimezone(UTC).replace(microsecond=0)
    package = ExchangePackage(
        sender,
        recipient,
        purpose,
        issued_at,
        issued_at + valid_for,
        to_base64url(random_bytes(ID_LEN)),
        applications,
        claims,
        consent,
        seals,
    )
    try:
        read_package(payload_of(package))
    except Malformed as error:
        raise UsageError(f"such a package can't be made: {error}") from None
    return package


def payload_of(package: ExchangePackage) -> bytes:
    """The package as JSON: what is signed."""
    value: dict[str, Any] = {
        "schema": PACKAGE,
        "id": package.id,
        "issued_at": _written(package.issued_at),
        "expires_at": _written(package.expires_at),
        "sender": package.sender,
        "recipient": package.recipient,
        "purpose": {"code": package.purpose.code, "text": plain(package.purpose.text)},
        "applications": {name: dict(group) for name, group in package.applications.items()},
    }
    if package.consent is not None:
        consent = package.consent
        value["consent"] = {
            "text": plain(consent.text),
            "given_at": _written(consent.given_at),
            "given_by": consent.given_by,
        }
    if package.claims:
        value["claims"] = {name: dict(group) for name, group in package.claims.items()}
    if package.seals:
        value["seals"] = {name: _sealed(each) for name, each in package.seals.items()}
    return write_json(value)


def _sealed(seal: SealedApplication) -> dict[str, Any]:
    groups = {str(number): to_base64url(data) for number, data in sorted(seal.data_groups.items())}
    return {"security_object": to_base64url(seal.security_object), "data_groups": groups}


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


# Reading


def read_package(payload: bytes) -> ExchangePackage:
    """Read a package's JSON; raise Malformed if it is not as the schema and the rules of packages have it.

    Nothing in it is proven by that.
    """
    value = read_object(payload, max_len=PAYLOAD_MAX_LEN)
    check_schema(value, PACKAGE)
    purpose = Purpose(value["purpose"]["code"], BilingualText(**value["purpose"]["text"]))
    seals = {name: _read_seal(each) for name, each in value.get("seals", {}).items()}
    consent = value.get("consent")
    package = ExchangePackage(
        value["sender"],
        value["recipient"],
        purpose,
        _moment(value["issued_at"]),
        _moment(value["expires_at"]),
        value["id"],
        value["applications"],
        value.get("claims", {}),
        None
        if consent is None
        else Consent(BilingualText(**consent["text"]), _moment(consent["given_at"]), consent["given_by"]),
        seals,
    )
    _check_rules(package)
    return package


def _check_rules(package: ExchangePackage) -> None:
    """What the schema can't say."""
    if not timedelta(0) < package.expires_at - package.issued_at <= VALID_FOR_MAX:
        raise Malformed(f"a package is valid for at most {VALID_FOR_MAX.days} days from its issue")
    if package.consent is not None and package.consent.given_at > package.issued_at:
        raise Malformed("consent comes before the package")
    if not any(package.applications.values()) and not package.claims:
        raise Malformed("a package without any data is none")
    for name, seal in package.seals.items():
        if name not in package.applications:
            raise Malformed(f"the package seals {name}, and does not hand it over")
        _check_seal(name, seal)


def _check_seal(name: str, seal: SealedApplication) -> None:
    """A security object goes only with all its data groups: its hashes would tell the short fields that are left out.

    Hashes have no salt, and a few million tries find a date of birth or a citizen number.
    """
    differing = compare_hashes(open_security_object(seal.security_object), seal.data_groups).differing
    if differing:
        numbers = ", ".join(map(str, differing))
        raise Malformed(
            f"the package has the security object of {name} without the data groups that it is over: {numbers}; "
            "give all of them, or no security object"
        )


def _read_seal(value: Mapping[str, Any]) -> SealedApplication:
    groups = {int(number): from_base64url(data) for number, data in value["data_groups"].items()}
    return SealedApplication(from_base64url(value["security_object"]), groups)


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed("a time in the package is not in the calendar") from None
