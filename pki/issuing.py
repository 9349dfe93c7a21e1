"""An authority that keeps a register: what it issues can be revoked, and says where its status is told."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from ecitizen.model import PersonName
from ecitizen.ports import CertificateRequest

from .addresses import crl_path, delta_path, issuer_path, ocsp_path
from .authority import Authority
from .errors import RequestRejected
from .register_records import is_root
from .store import Store, shard_of


class IssuingAuthority:
    """Issues certificates that its register knows before they leave; satisfies `ecitizen.ports.CertificateIssuer`.

    Each names the list (full and delta) of its shard, the OCSP responder and the issuer's certificate. Raise NotIssued
    for a name that the register does not have, UsageError if it has another certificate for it.
    """

    def __init__(self, store: Store, name: str, authority: Authority) -> None:
        record = store.authority(name)
        if record.certificate != authority.certificate:
            raise RequestRejected(f"the register has another certificate for {name}; give the key that belongs to it")
        self._store = store
        self._name = name
        self._base_uri = record.base_uri
        self._crl_shards = record.crl_shards
        self._is_root = is_root(record.certificate)
        self._allowed = frozenset(record.profiles)
        self._authority = authority.pointing(self._pointers)

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, DER."""
        return self._authority.certificate

    def wipe(self) -> None:
        """Overwrite the authority's key for pseudonyms; see `Authority.wipe`."""
        self._authority.wipe()

    def issue(self, request: CertificateRequest, *, moment: datetime | None = None) -> bytes:
        """A certificate for a person's or a card's key, DER; raise as `Authority.issue` and the register do."""
        [certificate] = self.issue_many([request], moment=moment)
        return certificate

    def issue_many(self, requests: Iterable[CertificateRequest], *, moment: datetime | None = None) -> list[bytes]:
        """A certificate for each request, or none at all: they are recorded together, which is much quicker."""
        issued = []
        for request in requests:
            self._check(request.profile)
            issued.append((request, self._authority.issue(request, moment=moment)))
        with self._store.transaction():
            for request, certificate in issued:
                self._record(certificate, request.profile, request.card_serial)
        return [certificate for _, certificate in issued]

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
        """A certificate for the key in a certification request, as `Authority.issue_from_csr`."""
        self._check(profile)
        certificate = self._authority.issue_from_csr(
            csr,
            profile,
            name_th=name_th,
            name_en=name_en,
            citizen_number=citizen_number,
            card_serial=card_serial,
            moment=moment,
        )
        return self._record(certificate, profile, card_serial)

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
        """The certificate of an authority below this one, as `Authority.issue_authority`."""
        self._check(profile)
        certificate = self._authority.issue_authority(
            public_key,
            common_name,
            organisation=organisation,
            profile=profile,
            path_length=path_length,
            moment=moment,
        )
        return self._record(certificate, profile, None)

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
        """The certificate of a service, as `Authority.issue_service`."""
        self._check(profile)
        certificate = self._authority.issue_service(
            public_key, common_name, profile=profile, organisation=organisation, dns_names=dns_names, moment=moment
        )
        return self._record(certificate, profile, None)

    def _check(self, profile: str) -> None:
        if self._allowed and profile not in self._allowed:
            raise RequestRejected(f"{self._name} does not issue by the profile {profile}; ask another authority")

    def _record(self, certificate: bytes, profile: str, card_serial: str | None) -> bytes:
        """Enter a certificate; only then may it leave."""
        self._store.record_certificate(
            self._name,
            certificate,
            profile=profile,
            card_serial=card_serial,
            application=self._authority.profiles[profile].application,
            shard=shard_of(x509.load_der_x509_certificate(certificate).serial_number, self._crl_shards),
        )
        return certificate

    def _pointers(self, serial_number: int) -> Iterable[x509.ExtensionType]:
        shard = shard_of(serial_number, self._crl_shards)
        yield x509.CRLDistributionPoints([self._point(crl_path(self._name, shard))])
        yield x509.FreshestCRL([self._point(delta_path(self._name, shard))])
        access = [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, self._uri(issuer_path(self._name)))]
        if not self._is_root:  # whose key lies in a safe: nobody answers in its name
            ocsp = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, self._uri(ocsp_path(self._name)))
            access.insert(0, ocsp)
        yield x509.AuthorityInformationAccess(access)

    def _point(self, path: str) -> x509.DistributionPoint:
        return x509.DistributionPoint([self._uri(path)], None, None, None)

    def _uri(self, path: str) -> x509.UniformResourceIdentifier:
        return x509.UniformResourceIdentifier(self._base_uri + path)
