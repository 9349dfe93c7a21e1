"""Certificate profiles: what an authority puts into a certificate of each kind, as data.

A profile is a TOML file in `profile_data/`, or anybody's own, read by `Profile.parse`. Its keys are the fields of
Profile; `validity_days` is a whole number, `extended_key_usage` has names of `pki.oids.PURPOSES` or dotted identifiers,
`certificate_policies` the same of `POLICIES`.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from importlib import resources
from typing import Any, TypeVar

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import ConfigError

from .oids import POLICIES, PURPOSES, is_object_identifier


@unique
class SubjectKind(StrEnum):
    """Whom a certificate is about."""

    PERSON = "person"
    CARD = "card"
    AUTHORITY = "authority"
    SERVICE = "service"
    """Of an authority or an agency: an OCSP responder, a document signer, a web server."""


@unique
class CitizenNumberForm(StrEnum):
    """How a person's number appears as serialNumber in the subject."""

    PSEUDONYM = "pseudonym"
    """HMAC-SHA-256 of it under the authority's secret key, the first 128 bits in hexadecimal."""
    PLAIN = "plain"
    """As it is: for everybody to read who sees the certificate."""
    ABSENT = "absent"


@unique
class KeyUsage(StrEnum):
    """Bits of the key usage extension (RFC 5280, 4.2.1.3)."""

    DIGITAL_SIGNATURE = "digital_signature"
    CONTENT_COMMITMENT = "content_commitment"
    KEY_ENCIPHERMENT = "key_encipherment"
    DATA_ENCIPHERMENT = "data_encipherment"
    KEY_AGREEMENT = "key_agreement"
    KEY_CERT_SIGN = "key_cert_sign"
    CRL_SIGN = "crl_sign"


_SIGNING = frozenset(
    {KeyUsage.DIGITAL_SIGNATURE, KeyUsage.CONTENT_COMMITMENT, KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN}
)


def possible_usages(algorithm: KeyAlgorithm) -> frozenset[KeyUsage]:
    """The usages that a key of this kind can have (RFC 3279, 2.3.1; RFC 5480, 3; RFC 8410, 5)."""
    if algorithm.is_rsa:
        return _SIGNING | {KeyUsage.KEY_ENCIPHERMENT, KeyUsage.DATA_ENCIPHERMENT}
    if algorithm.is_nist_curve:
        return _SIGNING | {KeyUsage.KEY_AGREEMENT}
    if algorithm is KeyAlgorithm.X25519:
        return frozenset({KeyUsage.KEY_AGREEMENT})
    return _SIGNING


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules for one kind of certificate."""

    name: str
    subject: SubjectKind
    keys: frozenset[KeyAlgorithm]
    """Kinds of keys that are certified."""
    key_usage: frozenset[KeyUsage]
    """A certificate has those of them that its kind of key can have; with KEY_CERT_SIGN it is an authority's."""
    validity: timedelta
    """Whole days, from the moment of issue; never past the end of the authority's own certificate."""
    extended_key_usage: tuple[str, ...] = ()
    """Dotted object identifiers."""
    extended_key_usage_critical: bool = False
    path_length: int | None = None
    """For an authority: how many authorities may follow below it; None is any number."""
    citizen_number: CitizenNumberForm = CitizenNumberForm.PSEUDONYM
    common_name: str = ""
    """For a card: what its common name begins with, before its serial number."""
    certificate_policies: tuple[str, ...] = ()
    """Dotted object identifiers."""
    ocsp_no_check: bool = False
    """For an OCSP responder: nobody asks for its own status, so it is valid for weeks only (RFC 6960, 4.2.2.2.1)."""
    application: str | None = None
    """The application on the card that such certificates belong to."""

    @property
    def is_authority(self) -> bool:
        """Such a certificate is good for signing others."""
        return KeyUsage.KEY_CERT_SIGN in self.key_usage

    @classmethod
    def parse(cls, name: str, text: str) -> "Profile":
        """Read a profile from TOML. Raise ConfigError that names the profile and the setting that is wrong."""
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the certificate profile {name} is not TOML: {error}") from None
        settings = _Settings(name, table)
        profile = cls(
            name=name,
            subject=settings.member("subject", SubjectKind),
            keys=frozenset(settings.members("keys", KeyAlgorithm)),
            key_usage=frozenset(settings.members("key_usage", KeyUsage)),
            validity=timedelta(days=settings.number("validity_days", range(1, 36_525))),
            extended_key_usage=tuple(settings.identifiers("extended_key_usage", PURPOSES)),
            extended_key_usage_critical=settings.flag("extended_key_usage_critical"),
            path_length=settings.number("path_length", range(10)) if "path_length" in table else None,
            citizen_number=settings.member("citizen_number", CitizenNumberForm, CitizenNumberForm.PSEUDONYM),
            common_name=settings.text("common_name"),
            certificate_policies=tuple(settings.identifiers("certificate_policies", POLICIES)),
            ocsp_no_check=settings.flag("ocsp_no_check"),
            application=settings.text("application") or None,
        )
        settings.check_all_read()
        profile._check(settings)
        return profile

    def _check(self, settings: "_Settings") -> None:
        if self.subject is SubjectKind.AUTHORITY and not self.is_authority:
            raise settings.wrong("key_usage", "an authority's has key_cert_sign")
        if self.path_length is not None and not self.is_authority:
            raise settings.wrong("path_length", "only certificates with key_cert_sign have one")
        if self.subject is SubjectKind.CARD and not self.common_name:
            raise settings.wrong("common_name", "a card's needs one")
        if self.extended_key_usage_critical and not self.extended_key_usage:
            raise settings.wrong("extended_key_usage_critical", "there is no extended_key_usage")
        if self.ocsp_no_check and PURPOSES["ocsp_signing"] not in self.extended_key_usage:
            raise settings.wrong("ocsp_no_check", "only OCSP responders have it")
        useless = sorted(key for key in self.keys if not self.key_usage & possible_usages(key))
        if useless:
            raise settings.wrong("keys", f"{', '.join(useless)} can do nothing of key_usage")


def standard_profiles() -> Mapping[str, Profile]:
    """The profiles that come with the toolkit, by name."""
    files = resources.files(__package__).joinpath("profile_data").iterdir()
    texts = {
        file.name.removesuffix(".toml"): file.read_text(encoding="utf-8")
        for file in files
        if file.name.endswith(".toml")
    }
    return {name: Profile.parse(name, text) for name, text in sorted(texts.items())}


_Choice = TypeVar("_Choice", bound=StrEnum)


class _Settings:
    """The table of a profile's file, read setting by setting."""

    def __init__(self, profile: str, table: dict[str, Any]) -> None:
        self._profile = profile
        self._table = table
        self._unread = set(table)

    def wrong(self, setting: str, reason: str) -> ConfigError:
        return ConfigError(f"the certificate profile {self._profile} has a wrong {setting}: {reason}")

    def check_all_read(self) -> None:
        if self._unread:
            raise self.wrong("setting", f"nobody knows {', '.join(sorted(self._unread))}")

    def member(self, setting: str, kind: type[_Choice], default: _Choice | None = None) -> _Choice:
        return self._choice(setting, self._value(setting, default), kind)

    def members(self, setting: str, kind: type[_Choice]) -> list[_Choice]:
        found = [self._choice(setting, value, kind) for value in self._list(setting, None)]
        if not found:
            raise self.wrong(setting, "it needs one entry at least")
        return found

    def identifiers(self, setting: str, known: Mapping[str, str]) -> list[str]:
        found = [str(value) for value in self._list(setting, [])]
        dotted = [known.get(value, value) for value in found]
        unknown = [value for value in dotted if not is_object_identifier(value)]
        if unknown:
            raise self.wrong(setting, f"{', '.join(unknown)} is neither a known name nor a dotted identifier")
        return dotted

    def number(self, setting: str, allowed: range) -> int:
        value = self._value(setting, None)
        if type(value) is not int or value not in allowed:
            raise self.wrong(setting, f"it is a whole number from {allowed.start} to {allowed.stop - 1}")
        return value

    def flag(self, setting: str) -> bool:
        value = self._value(setting, False)
        if not isinstance(value, bool):
            raise self.wrong(setting, "it is true or false")
        return value

    def text(self, setting: str) -> str:
        value = self._value(setting, "")
        if not isinstance(value, str):
            raise self.wrong(setting, "it is a text")
        return value

    def _list(self, setting: str, default: list[str] | None) -> list[Any]:
        value = self._value(setting, default)
        if not isinstance(value, list):
            raise self.wrong(setting, "it is a list")
        return value

    def _choice(self, setting: str, value: object, kind: type[_Choice]) -> _Choice:
        choices: Iterable[_Choice] = kind
        for choice in choices:
            if choice.value == value:
                return choice
        raise self.wrong(setting, f"it is one of {', '.join(kind)}")

    def _value(self, setting: str, default: object) -> Any:
        self._unread.discard(setting)
        value = self._table.get(setting, default)
        if value is None:
            raise self.wrong("content", f"{setting} is missing")
        return value
