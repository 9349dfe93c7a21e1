"""An authority: issues certificates by profiles, with a key that may be anywhere (`ecitizen.ports.Signer`).

Certificates follow RFC 5280. Serial numbers are 128 random bits; a certificate is valid from a little before its
issue, for clocks that are behind, and never longer than its issuer's; its signature is checked before it leaves.
"""

import copy
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from cryptography import x509

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from ecitizen.model import PersonName
from ecitizen.ports import CertificateRequest, Signer
from ecitizen.secret import KeyBytes

from .certificates import certified_key, load_certificate
from .errors import RequestRejected
from .keys import FileSigner, generate_key, load_public_key, public_key_info
from .oids import PURPOSES
from .profiles import Profile, SubjectKind, standard_profiles
from .requests import request_public_key
from .subjects import (
    authority_subject,
    card_subject,
    person_alternative_name,
    person_subject,
    service_alternative_names,
)
from .template import (
    BACKDATING,
    Clock,
    certificate_template,
    checked_moment,
    random_serial_number,
    signed_certificate,
    utc_now,
)

PSEUDONYM_KEY_MIN_LEN: Final = 16
_SERIAL_NUMBER_BITS_MAX = 159
"""Twenty bytes, and positive (RFC 5280, 4.1.2.2)."""

Pointers = Callable[[int], Iterable[x509.ExtensionType]]
"""By a certificate's serial number, the extensions that say where its status is told."""


class Authority:
    """An authority with its key and certificate; satisfies `ecitizen.ports.CertificateIssuer`.

    `pseudonym_key` is the secret under which citizens' numbers become pseudonyms, 16 bytes or more: kept like the
    signing key, and never changed, or one person's certificates no longer belong together.
    Raise Malformed for what is no certificate, UsageError for one that is not this key's or not an authority's.
    """

    def __init__(
        self,
        signer: Signer,
        certificate: bytes,
        *,
        pseudonym_key: KeyBytes,
        profiles: Mapping[str, Profile] | None = None,
        clock: Clock = utc_now,
        serial_numbers: Callable[[], int] = random_serial_number,
    ) -> None:
        if len(pseudonym_key) < PSEUDONYM_KEY_MIN_LEN:
            raise UsageError(f"the key for pseudonyms has {PSEUDONYM_KEY_MIN_LEN} bytes or more")
        self._own = _AuthorityCertificate(certificate)
        if self._own.public_key != public_key_info(load_public_key(signer.public_key)):
            raise UsageError("the authority's certificate is not for this key; give the two that belong together")
        self._signer = signer
        self._pseudonym_key = pseudonym_key
        self._profiles = standard_profiles() if profiles is None else profiles
        self._clock = clock
        self._serial_numbers = serial_numbers
        self._pointers: Pointers | None = None

    @classmethod
    def establish(
        cls,
        signer: Signer,
        common_name: str,
        *,
        pseudonym_key: KeyBytes,
        organisation: str = "",
        moment: datetime | None = None,
        serial_numbers: Callable[[], int] = random_serial_number,
    ) -> "Authority":
        """A new root over this key, with a certificate that it signs for itself by the profile `root`."""
        profiles = standard_profiles()
        name = authority_subject(common_name, organisation)
        start = checked_moment(moment or utc_now())
        template = certificate_template(profiles["root"], signer.public_key, None)
        template = template.subject_name(name).issuer_name(name).serial_number(serial_numbers())
        template = template.not_valid_before(start - BACKDATING).not_valid_after(start + profiles["root"].validity)
        template = template.add_extension(_authority_key_identifier(signer.public_key), critical=False)
        certificate = signed_certificate(template, signer)
        return cls(signer, certificate, pseudonym_key=pseudonym_key, profiles=profiles, serial_numbers=serial_numbers)

    @classmethod
    def self_signed(
        cls, common_name: str, algorithm: KeyAlgorithm = KeyAlgorithm.P_256, *, moment: datetime | None = None
    ) -> "Authority":
        """A root with a new key that lives in memory only, and a random key for pseudonyms: for tests and trials."""
        signer = FileSigner(generate_key(algorithm))
        return cls.establish(signer, common_name, pseudonym_key=KeyBytes(secrets.token_bytes(32)), moment=moment)

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, DER."""
        return self._own.der

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """What it issues by, by name."""
        return self._profiles

    def pointing(self, pointers: Pointers) -> "Authority":
        """The same authority, whose certificates say where their status is told."""
        other = copy.copy(self)
        other._pointers = pointers
        return other

    def wipe(self) -> None:
        """Overwrite the key for pseudonyms, for whoever opened it for this authority alone; it names no person then."""
        self._pseudonym_key.wipe()

    def issue(self, request: CertificateRequest, *, moment: datetime | None = None) -> bytes:
        """A certificate for a person's or a card's key, DER; valid from `moment`, by default from now.

        Raise RequestRejected (a UsageError) for what the profile does not allow, KeyUnsupported or Malformed for an
        unusable public key, and whatever the signer raises.
        """
        profile = self._profile(request.profile)
        match profile.subject:
            case SubjectKind.PERSON:
                subject = person_subject(profile, request, self._pseudonym_key)
                thai = person_alternative_name(request)
                alternatives: tuple[x509.GeneralName, ...] = (x509.DirectoryName(thai),) if thai else ()
            case SubjectKind.CARD:
                subject, alternatives = card_subject(profile, request), ()
            case _:
                asked = "issue_authority" if profile.subject is SubjectKind.AUTHORITY else "issue_service"
                raise RequestRejected(f"the profile {profile.name} is for neither person nor card; ask for {asked}")
        return self._issue(profile, request.public_key, subject, alternatives, moment)

    def issue_from_csr(
        self,
        csr: bytes,
        profile: str,
        *,
        name_th: PersonName | None = None,
        name_en: PersonName | None = None,
        citizen_number: str | None = None,
        card_serial: str | None = None,
        moment: datetime | None = None,
    ) -> bytes:
        """A certificate for the key in a certification request (PKCS#10, DER), which proves that its sender has it.

        Only the key is taken from the request: what it says of its subject is the word of whoever wrote it.
        """
        key = request_public_key(csr)
        request = CertificateRequest(profile, key, name_th, name_en, citizen_number, card_serial)
        return self.issue(request, moment=moment)

    def issue_authority(
        self,
        public_key: bytes,
        common_name: str,
        *,
        organisation: str = "",
        profile: str = "issuing_authority",
        path_length: int | None = None,
        moment: datetime | None = None,
    ) -> bytes:
        """The certificate of an authority below this one, DER. Raise as `issue` does.

        `path_length` is how many authorities may follow it; None leaves that to the profile.
        """
        rules = self._profile(profile)
        if rules.subject is not SubjectKind.AUTHORITY:
            raise RequestRejected(f"the profile {profile} is not for authorities; take issuing_authority")
        if path_length is not None:
            rules = replace(rules, path_length=path_length)
        return self._issue(rules, public_key, authority_subject(common_name, organisation), (), moment)

    def issue_service(
        self,
        public_key: bytes,
        common_name: str,
        *,
        profile: str,
        organisation: str = "",
        dns_names: Sequence[str] = (),
        moment: datetime | None = None,
    ) -> bytes:
        """The certificate of a service, as an OCSP responder or a web server, DER. Raise as `issue` does."""
        rules = self._profile(profile)
        if rules.subject is not SubjectKind.SERVICE:
            raise RequestRejected(f"the profile {profile} is not for services; take ocsp, timestamp or the like")
        if (PURPOSES["server_authentication"] in rules.extended_key_usage) != bool(dns_names):
            raise RequestRejected("a web server's certificate, and no other one, needs the server's DNS names")
        alternatives = service_alternative_names(dns_names)
        return self._issue(rules, public_key, authority_subject(common_name, organisation), alternatives, moment)

    def _profile(self, name: str) -> Profile:
        profile = self._profiles.get(name)
        if profile is None:
            raise RequestRejected(f"there is no certificate profile {name}; there are {', '.join(self._profiles)}")
        return profile

    def _issue(
        self,
        profile: Profile,
        public_key: bytes,
        subject: x509.Name,
        alternatives: Sequence[x509.GeneralName],
        moment: datetime | None,
    ) -> bytes:
        start = checked_moment(moment or self._clock())
        if not self._own.not_before <= start < self._own.not_after:
            raise RequestRejected("the authority's own certificate is not valid at that moment; renew it first")
        template = certificate_template(profile, public_key, self._path_length(profile))
        number = self._serial_number()
        template = template.subject_name(subject).issuer_name(self._own.subject).serial_number(number)
        template = template.not_valid_before(max(start - BACKDATING, self._own.not_before))
        template = template.not_valid_after(min(start + profile.validity, self._own.not_after))
        template = template.add_extension(self._own.key_identifier, critical=False)
        if alternatives:
            template = template.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if self._pointers is not None and not profile.ocsp_no_check:
            for pointer in self._pointers(number):
                template = template.add_extension(pointer, critical=False)
        return signed_certificate(template, self._signer)

    def _path_length(self, profile: Profile) -> int | None:
        """How many authorities may follow a new one: what its profile says, and fewer than may follow this one."""
        own = self._own.path_length
        if not profile.is_authority or own is None:
            return profile.path_length
        if own == 0:
            raise RequestRejected("no authority may follow this one; ask the one above it")
        return own - 1 if profile.path_length is None else min(profile.path_length, own - 1)

    def _serial_number(self) -> int:
        number = self._serial_numbers()
        if number <= 0 or number.bit_length() > _SERIAL_NUMBER_BITS_MAX:
            raise UsageError("a certificate's serial number is positive and has at most 159 bits")
        return number


class _AuthorityCertificate:
    """What an authority's own certificate says of it."""

    def __init__(self, der: bytes) -> None:
        certificate = load_certificate(der)
        extensions = certificate.extensions
        try:
            constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
            usage = extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            raise UsageError("the certificate is not an authority's: it does not say so") from None
        if not constraints.ca or not usage.key_cert_sign:
            raise UsageError("the certificate is not an authority's: its key may not sign certificates")
        self.der = der
        self.subject = certificate.subject
        self.public_key = certified_key(der)
        self.path_length = constraints.path_length
        self.not_before = certificate.not_valid_before_utc
        self.not_after = certificate.not_valid_after_utc
        self.key_identifier = self._key_identifier(extensions)

    def _key_identifier(self, extensions: x509.Extensions) -> x509.AuthorityKeyIdentifier:
        """By what the authority's certificate calls its key, so that a path is found (RFC 5280, 4.2.1.1)."""
        try:
            own = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            return _authority_key_identifier(self.public_key)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _authority_key_identifier(public_key: bytes) -> x509.AuthorityKeyIdentifier:
    own = x509.SubjectKeyIdentifier.from_public_key(load_public_key(public_key))
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
