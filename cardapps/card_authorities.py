"""Who certifies and seals for the cards that are issued; satisfies `ecitizen.issuing_ports.CardAuthorities`.

`FolderAuthorities` are those of a folder that `ecitizen ca init` made, `HierarchyAuthorities` the test hierarchy. They
keep a register, and look there first: asked again for the same card, profile and key they give the same certificate.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, Self

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.apps import installed_drivers
from ecitizen.errors import ConfigError, UsageError
from ecitizen.model import ApplicationRecord
from ecitizen.ports import CertificateRequest, SealedDriver, Signer
from ecitizen.secret import KeyBytes
from pki.certificates import certified_key
from pki.data_security import seal
from pki.errors import NotIssued, RequestRejected
from pki.hierarchy import Hierarchy as Folder
from pki.issuing import IssuingAuthority
from pki.key_source import FILE, KeySource
from pki.keys import load_public_key, public_key_info
from pki.profiles import Profile, SubjectKind, standard_profiles
from pki.status import CertificateState, RevocationReason
from pki.store import ServiceRecord, Store
from pki.subjects import card_subject, person_alternative_name, person_subject

from .hierarchy import Hierarchy
from .hierarchy_plan import PERSONS
from .sealing import binding_groups, data_groups

_NO_SECRET: Final = b"\x00" * 16
"""In place of the key for pseudonyms, where a name is only tried."""


class RegisteredAuthorities(ABC):
    """What both do alike: the register, and sealing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    @abstractmethod
    def applications(self) -> frozenset[str]:
        """Names of the applications that somebody here seals."""

    @abstractmethod
    def _profile(self, name: str) -> Profile:
        """A profile by which somebody here issues; raise RequestRejected for another."""

    @abstractmethod
    def _application_profile(self, application: str) -> str:
        """The profile of an application's certificates on cards."""

    @abstractmethod
    def _issue(self, application: str, request: CertificateRequest, moment: datetime) -> bytes:
        """A new certificate, entered in the register."""

    @abstractmethod
    def _document_signer(self, application: str) -> tuple[Signer, bytes]:
        """Who seals an application's data: the key, and its certificate (DER)."""

    @abstractmethod
    def _publish(self) -> None:
        """Something was revoked."""

    def check(self, request: CertificateRequest, algorithm: KeyAlgorithm) -> str | None:
        """Why no authority would give such a certificate for a key of this kind."""
        try:
            profile = self._profile(request.profile)
            if algorithm not in profile.keys:
                return f"the profile {profile.name} is not for keys of the kind {algorithm}"
            if profile.subject is SubjectKind.CARD:
                card_subject(profile, request)
            else:
                person_subject(profile, request, KeyBytes(_NO_SECRET))
                person_alternative_name(request)
        except RequestRejected as error:
            return str(error)
        return None

    def certify(self, application: str, request: CertificateRequest, moment: datetime) -> bytes:
        """A certificate for a key on a card, DER: the one that it has, or a new one."""
        key = public_key_info(load_public_key(request.public_key))
        for record in self._store.certificates_of_card(request.card_serial or ""):
            good = self._store.status(record.authority, record.serial).state is CertificateState.GOOD
            if good and record.profile == request.profile and certified_key(record.certificate) == key:
                return record.certificate
        return self._issue(application, request, moment)

    def application_certificate(self, application: str, public_key: bytes, card_serial: str, moment: datetime) -> bytes:
        """The agency's certificate for the key that binds its application to the card, DER."""
        profile = self._application_profile(application)
        return self.certify(application, CertificateRequest(profile, public_key, card_serial=card_serial), moment)

    def seal(
        self, application: str, record: ApplicationRecord, public_key: bytes, chip_serial: bytes, moment: datetime
    ) -> bytes:
        """The security object over what a reader reads, for this card, DER."""
        (driver,) = installed_drivers([application])
        if not isinstance(driver, SealedDriver):
            raise UsageError(f"the application {application} does not say what of its data is to be sealed")
        signer, certificate = self._document_signer(application)
        groups = {**data_groups(driver, record), **binding_groups(public_key, chip_serial)}
        return seal(groups, signer, certificate, moment=moment)

    def revoke_others(
        self,
        card_serial: str,
        keep: Sequence[bytes],
        moment: datetime,
        *,
        profiles: Collection[str] | None = None,
    ) -> int:
        """Revoke all certificates of a card, or of these profiles, but these: others were for keys that are gone."""
        kept, count = frozenset(keep), 0
        with self._store.transaction():
            for record in self._store.certificates_of_card(card_serial):
                if record.certificate in kept or (profiles is not None and record.profile not in profiles):
                    continue
                if self._store.status(record.authority, record.serial).state is CertificateState.GOOD:
                    self._store.revoke(record.authority, record.serial, RevocationReason.SUPERSEDED, moment)
                    count += 1
        if count:
            self._publish()
        return count

    def revoke_card(self, card_serial: str, moment: datetime) -> int:
        """Revoke all certificates of a card that goes out of use."""
        try:
            count = len(self._store.revoke_card(card_serial, RevocationReason.CESSATION_OF_OPERATION, moment))
        except NotIssued:
            return 0
        self._publish()
        return count


class HierarchyAuthorities(RegisteredAuthorities):
    """The test hierarchy. Its own clock says when it issues."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__(hierarchy.register)
        self._hierarchy = hierarchy

    @property
    def applications(self) -> frozenset[str]:
        """Names of the applications that somebody here seals."""
        return self._hierarchy.applications

    def _profile(self, name: str) -> Profile:
        return _found(self._hierarchy.profiles, name)

    def _application_profile(self, application: str) -> str:
        return self._hierarchy.plan.applications[application].certificate_profile.name

    def _issue(self, application: str, request: CertificateRequest, moment: datetime) -> bytes:  # noqa: ARG002 - it has a clock
        planned = self._hierarchy.plan.applications.get(application)
        authority = PERSONS if planned is None else planned.authority
        return self._hierarchy.issue(authority, request, request.card_serial or "", application)

    def _document_signer(self, application: str) -> tuple[Signer, bytes]:
        return self._hierarchy.document_signer(application)

    def _publish(self) -> None:
        self._hierarchy.renew_lists(at_once=True)


class FolderAuthorities(RegisteredAuthorities):
    """The authorities of a folder. Lists of what is revoked are published by `ecitizen ca crl`, as usual.

    `make_document_signers` makes what the folder does not have yet; their keys lie in files of it. It is a context
    manager: each key is opened once, which takes a while under a passphrase, and kept until it is left.
    """

    def __init__(self, folder: Folder, keys: KeySource) -> None:
        super().__init__(folder.store)
        self._folder = folder
        self._keys = keys
        self._issuing: dict[str, IssuingAuthority] = {}
        self._signers: dict[str, Signer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all keys, and overwrite the secrets for pseudonyms. What is asked for later is opened anew."""
        for authority in self._issuing.values():
            authority.wipe()
        self._issuing.clear()
        self._signers.clear()

    @property
    def applications(self) -> frozenset[str]:
        """Names of the applications that have a document signer here."""
        return frozenset(
            record.profile.removeprefix(_DOCUMENT_SIGNER)
            for record in self._store.services()
            if record.profile.startswith(_DOCUMENT_SIGNER)
        )

    def make_document_signers(
        self, moment: datetime, algorithm: KeyAlgorithm = KeyAlgorithm.P_256
    ) -> tuple[ServiceRecord, ...]:
        """Make the document signers that are missing, by the authorities whose profiles say so; give these."""
        made = []
        for authority in self._store.authorities():
            for profile in authority.profiles:
                application = profile.removeprefix(_DOCUMENT_SIGNER)
                if application == profile or application in self.applications:
                    continue
                reference = f"{FILE}{application}-document-signer-{moment:%Y%m%dT%H%M%S}.pem"
                signer = self._keys.generate(reference, algorithm)
                certificate = self._opened(authority.name).issue_service(
                    signer.public_key, f"Document Signer {application}", profile=profile, moment=moment
                )
                name = f"{application}-document-signer".replace("_", "-")
                record = ServiceRecord(name, authority.name, profile, reference, certificate)
                self._store.put_service(record)
                made.append(record)
        return tuple(made)

    def _profile(self, name: str) -> Profile:
        self._authority_for(name)  # which refuses what nobody issues by
        return _found(standard_profiles(), name)

    def _application_profile(self, application: str) -> str:
        return f"application_{application}"

    def _issue(self, application: str, request: CertificateRequest, moment: datetime) -> bytes:  # noqa: ARG002 - the profile says it
        return self._opened(self._authority_for(request.profile)).issue(request, moment=moment)

    def _document_signer(self, application: str) -> tuple[Signer, bytes]:
        for record in self._store.services():
            if record.profile == f"{_DOCUMENT_SIGNER}{application}":
                reference = record.key_reference
                if reference not in self._signers:
                    self._signers[reference] = self._keys.open(reference)
                return self._signers[reference], record.certificate
        raise ConfigError(f"nobody here seals the application {application}; make its document signer first")

    def _opened(self, authority: str) -> IssuingAuthority:
        if authority not in self._issuing:
            self._issuing[authority] = self._folder.issuing(authority)
        return self._issuing[authority]

    def _publish(self) -> None:
        """Publishing takes the keys of all authorities, and is done every few hours anyway."""

    def _authority_for(self, profile: str) -> str:
        for record in self._store.authorities():
            if profile in record.profiles:
                return record.name
        raise RequestRejected(f"no authority of this folder issues by the profile {profile}; add it to the plan")


_DOCUMENT_SIGNER: Final = "document_signer_"


def _found(profiles: Mapping[str, Profile], name: str) -> Profile:
    if name not in profiles:
        raise RequestRejected(f"there is no profile {name}; ask the authority which ones it has")
    return profiles[name]
