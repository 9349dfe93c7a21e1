"""The test hierarchy: authorities and document signers for the cards of fictional holders, made on first use.

Keys, the register of what was issued, and a trust directory lie in one folder that only its owner can enter. Two
programs may use it at once: `hierarchy_place` makes it, and the register takes care of the rest.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import FileFailed
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes
from pki.authority import Authority
from pki.certificates import load_certificate
from pki.data_security import seal
from pki.keys import FileSigner, generate_key, load_private_key, private_key_info
from pki.pem import der_from, pem
from pki.profiles import Profile, standard_profiles
from pki.signing_key import signing_key, usual_hash
from pki.status import RevocationReason
from pki.store import AuthorityRecord, Store
from pki.template import BACKDATING, Clock, checked_moment, utc_now
from pki.trust import ANCHORS, CRLS, ISSUERS, POLICY, key_fingerprint

from .hierarchy_place import prepare
from .hierarchy_plan import PERSONS, ROOT, ApplicationPlan, AuthorityPlan, HierarchyPlan, hierarchy_plan

CRL_VALIDITY: Final = timedelta(days=7)
CRL_RENEWAL: Final = timedelta(days=1)
"""A list that is older is made anew when the hierarchy is used."""

_KEYS = "keys"
_TRUST = "trust"
_SIGNERS = "signers"
_REGISTER = "register.sqlite"
_BASE_URI = "http://ecitizen.invalid"
"""Nothing of this hierarchy is on a network (RFC 2606)."""
_PSEUDONYM_KEY_LEN = 32
_ISSUING = "issuing_authority"


class Hierarchy:
    """An open test hierarchy. It is a context manager; `close` it, or leave it, when done."""

    def __init__(self, folder: Path, store: Store, clock: Clock) -> None:
        self.folder = folder
        self._plan = hierarchy_plan()
        self._store = store
        self._clock = clock
        self._profiles = standard_profiles()

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, clock: Clock = utc_now) -> "Hierarchy":
        """Open the hierarchy in this folder, or make it there; its revocation lists are current afterwards.

        One that was made by another plan, as by an older version of the toolkit, is moved aside and made anew.

        Raise FileFailed if the folder can't be made or read, StoreFailed for a damaged register.
        """
        place = Path(folder)
        with _file_errors(place):
            plan = hierarchy_plan()
            moment = checked_moment(clock())
            prepare(place, plan.fingerprint, lambda draft: _Builder(draft, plan, moment).build())
            hierarchy = cls(place, Store.open(place / _REGISTER, create=False), clock)
        try:
            hierarchy.renew_lists()
        except BaseException:
            hierarchy.close()
            raise
        return hierarchy

    def close(self) -> None:
        """Close the register."""
        self._store.close()

    def __enter__(self) -> "Hierarchy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def trust_folder(self) -> Path:
        """The trust directory by which cards of this hierarchy are genuine (`pki.trust`)."""
        return self.folder / _TRUST

    @property
    def applications(self) -> frozenset[str]:
        """Names of the applications that somebody here speaks for."""
        return frozenset(self._plan.applications)

    @property
    def register(self) -> Store:
        """What was issued and revoked; open as long as the hierarchy is."""
        return self._store

    @property
    def plan(self) -> HierarchyPlan:
        """Who speaks for which application, and by which rules."""
        return self._plan

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """What is issued by, by name."""
        return self._profiles

    # Issuing

    def persons_issuer(self, card_serial: str) -> "CardIssuer":
        """Who certifies the holder's keys on a card."""
        return CardIssuer(self, card_serial)

    def issue(self, authority: str, request: CertificateRequest, card_serial: str, application: str | None) -> bytes:
        """A certificate for a key on a card, DER; it is in the register before this returns."""
        certificate = self._authority(authority).issue(request)
        self._store.record_certificate(
            authority, certificate, profile=request.profile, card_serial=card_serial, application=application
        )
        return certificate

    def application_certificate(self, application: str, public_key: bytes, card_serial: str) -> bytes:
        """The certificate by an application's agency for a card's key 9E, DER."""
        plan = self._plan.applications[application]
        request = CertificateRequest(plan.certificate_profile.name, public_key, card_serial=card_serial)
        return self.issue(plan.authority, request, card_serial, application)

    def seal(self, application: str, data_groups: Mapping[int, bytes]) -> bytes:
        """The security object by an application's document signer, DER."""
        signer, certificate = self.document_signer(application)
        return seal(data_groups, signer, certificate, moment=self._clock())

    def document_signer(self, application: str) -> tuple[FileSigner, bytes]:
        """Who seals an application's data: the key, and its certificate (DER)."""
        with _file_errors(self.folder):
            (certificate,) = der_from((self.folder / _SIGNERS / f"{application}.pem").read_bytes(), "CERTIFICATE")
        return self._signer(application), certificate

    # Revoking

    def revoke_card(self, card_serial: str, reason: RevocationReason = RevocationReason.UNSPECIFIED) -> None:
        """Revoke every certificate of a card, as when it is lost."""
        self._store.revoke_card(card_serial, reason, checked_moment(self._clock()))
        self.renew_lists(at_once=True)

    def suspend(self, application: str, card_serial: str) -> None:
        """Put an application's certificates on a card on hold, and leave the other applications alone."""
        moment = checked_moment(self._clock())
        with self._store.transaction():
            for record in self._store.certificates_of_card(card_serial):
                status = self._store.status(record.authority, record.serial)
                if record.application == application and status.reason is None:
                    self._store.suspend(record.authority, record.serial, moment)
        self.renew_lists(at_once=True)

    def renew_lists(self, *, at_once: bool = False) -> None:
        """Make the revocation lists that are missing or old, or all of them."""
        moment = checked_moment(self._clock())
        for name in (ROOT, *self._plan.authorities):
            path = self.trust_folder / CRLS / f"{name}.crl"
            if at_once or _is_old(path, moment):
                _replace(path, self._revocation_list(name, moment))

    def _revocation_list(self, name: str, moment: datetime) -> bytes:
        authority = load_certificate(self._certificate(name))
        # The new list's number is from before what it says is looked up: a later list never says less.
        number = self._store.next_crl_number(name, 0)
        entries = []
        for serial, at, reason in self._store.revoked(name):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
            if reason is not RevocationReason.UNSPECIFIED:
                entry = entry.add_extension(x509.CRLReason(_REASONS[reason]), critical=False)
            entries.append(entry.build())
        template = x509.CertificateRevocationListBuilder(authority.subject, None, None, [], entries)
        template = template.last_update(moment - BACKDATING).next_update(moment + CRL_VALIDITY)
        template = template.add_extension(x509.CRLNumber(number), critical=False)
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        template = template.add_extension(identifier, critical=False)
        signer = self._signer(name)
        return template.sign(signing_key(signer), usual_hash(signer)).public_bytes(Encoding.DER)

    # What lies in the folder

    def _authority(self, name: str) -> Authority:
        with _file_errors(self.folder):
            pseudonym_key = KeyBytes((self.folder / _KEYS / f"{name}.pseudonym").read_bytes())
        return Authority(
            self._signer(name),
            self._certificate(name),
            pseudonym_key=pseudonym_key,
            profiles=self._profiles,
            clock=self._clock,
        )

    def _signer(self, name: str) -> FileSigner:
        with _file_errors(self.folder):
            return FileSigner(load_private_key((self.folder / _KEYS / f"{name}.der").read_bytes()))

    def _certificate(self, name: str) -> bytes:
        return self._store.authority(name).certificate

    @property
    def persons_certificate(self) -> bytes:
        """Of the authority that certifies holders' keys, DER."""
        return self._certificate(PERSONS)


class CardIssuer:
    """The persons' authority for one card; satisfies `ecitizen.ports.CertificateIssuer`."""

    def __init__(self, hierarchy: Hierarchy, card_serial: str) -> None:
        self._hierarchy = hierarchy
        self._card_serial = card_serial

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, DER."""
        return self._hierarchy.persons_certificate

    def issue(self, request: CertificateRequest) -> bytes:
        """A certificate, DER; raises as `pki.authority.Authority.issue` does."""
        return self._hierarchy.issue(PERSONS, request, self._card_serial, "piv")


_REASONS: Final = {
    RevocationReason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.CA_COMPROMISE: x509.ReasonFlags.ca_compromise,
    RevocationReason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    RevocationReason.CERTIFICATE_HOLD: x509.ReasonFlags.certificate_hold,
    RevocationReason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
    RevocationReason.AA_COMPROMISE: x509.ReasonFlags.aa_compromise,
}


# Making it


class _Builder:
    """Makes the keys and certificates of a new hierarchy."""

    def __init__(self, folder: Path, plan: HierarchyPlan, moment: datetime) -> None:
        self._folder = folder
        self._plan = plan
        self._moment = moment
        self._issued: dict[str, bytes] = {}

    def build(self) -> None:
        for name in (_KEYS, _SIGNERS, _TRUST, f"{_TRUST}/{ANCHORS}", f"{_TRUST}/{ISSUERS}", f"{_TRUST}/{CRLS}"):
            (self._folder / name).mkdir(mode=0o700)
        with Store.open(self._folder / _REGISTER) as store:
            root = self._root(store)
            for plan in self._plan.authorities.values():
                authority = self._authority(store, root, plan)
                for application in self._plan.applications.values():
                    if application.authority == plan.name:
                        self._document_signer(store, authority, application)
        (self._folder / _TRUST / POLICY).write_text(self._policy(), encoding="utf-8")

    def _root(self, store: Store) -> Authority:
        plan = self._plan.root
        signer, pseudonym_key = self._new_key(plan)
        root = Authority.establish(
            signer,
            plan.common_name,
            pseudonym_key=pseudonym_key,
            organisation=self._plan.organisation,
            moment=self._moment,
        )
        self._enter(store, plan, root.certificate, ANCHORS)
        return root

    def _authority(self, store: Store, root: Authority, plan: AuthorityPlan) -> Authority:
        signer, pseudonym_key = self._new_key(plan)
        certificate = root.issue_authority(
            signer.public_key,
            plan.common_name,
            organisation=self._plan.organisation,
            path_length=plan.path_length,
            moment=self._moment,
        )
        store.record_certificate(ROOT, certificate, profile=_ISSUING)
        self._enter(store, plan, certificate, ISSUERS)
        return Authority(signer, certificate, pseudonym_key=pseudonym_key)

    def _document_signer(self, store: Store, authority: Authority, plan: ApplicationPlan) -> None:
        signer = self._new_signer(plan.name, self._plan.authorities[plan.authority].key)
        profile = plan.document_signer_profile
        certificate = authority.issue_service(
            signer.public_key,
            f"Document Signer {plan.name}",
            organisation=self._plan.organisation,
            profile=profile.name,
            moment=self._moment,
        )
        store.record_certificate(plan.authority, certificate, profile=profile.name)
        _write(self._folder / _SIGNERS / f"{plan.name}.pem", pem(certificate, "CERTIFICATE"))

    def _new_key(self, plan: AuthorityPlan) -> tuple[FileSigner, KeyBytes]:
        """An authority's signing key, and the one for pseudonyms."""
        pseudonym_key = secrets.token_bytes(_PSEUDONYM_KEY_LEN)
        _write(self._folder / _KEYS / f"{plan.name}.pseudonym", pseudonym_key)
        return self._new_signer(plan.name, plan.key), KeyBytes(pseudonym_key)

    def _new_signer(self, name: str, algorithm: KeyAlgorithm) -> FileSigner:
        key = generate_key(algorithm)
        _write(self._folder / _KEYS / f"{name}.der", private_key_info(key).reveal())
        return FileSigner(key)

    def _enter(self, store: Store, plan: AuthorityPlan, certificate: bytes, place: str) -> None:
        store.add_authority(AuthorityRecord(plan.name, certificate, f"{_KEYS}/{plan.name}.der", _BASE_URI))
        _write(self._folder / _TRUST / place / f"{plan.name}.pem", pem(certificate, "CERTIFICATE"))
        self._issued[plan.name] = certificate

    def _policy(self) -> str:
        """The trust policy: who speaks for which application."""
        parts = ["# Written by the toolkit for its test hierarchy. Form: docs/trust.md", "test = true", ""]
        for application in self._plan.applications.values():
            parts += [
                f"[application.{application.name}]",
                f'authorities = ["{key_fingerprint(self._issued[application.authority])}"]',
                f'document_signer_usage = "{application.document_signer_usage}"',
                f'certificate_usage = "{application.certificate_usage}"',
                "",
            ]
        return "\n".join(parts)


def _is_old(path: Path, moment: datetime) -> bool:
    try:
        made = x509.load_der_x509_crl(path.read_bytes()).last_update_utc + BACKDATING
    except (OSError, ValueError):
        return True
    return not made <= moment < made + CRL_RENEWAL


def _write(path: Path, content: bytes) -> None:
    """A new file that only its owner can read."""
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb"
    ) as file:
        file.write(content)


def _replace(path: Path, content: bytes) -> None:
    """Put a file in place of the old one, at once for whoever reads it."""
    with _file_errors(path):
        draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        _write(draft, content)
        draft.replace(path)


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileFailed(
            f"the test hierarchy in {path} can't be used: {reason}; remove it, and it is made anew"
        ) from None
