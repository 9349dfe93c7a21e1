"""What so many cards need: this machine is measured for a few seconds, and the rest is arithmetic that is shown.

Measured are the real parts: certificates are issued into a register on the disk, a list is written, OCSP answers are
signed. The figures hold for this machine as busy as it is now, with keys in memory; an HSM may be slower.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes

from .authority import Authority
from .certificates import load_certificate
from .crl import CrlHead, CrlRow, CrlWriter
from .issuing import IssuingAuthority
from .keys import FileSigner, generate_key, public_key_info
from .ocsp import AnswerRules, OcspResponder
from .register_records import SHARDS_MAX
from .status import RevocationReason
from .store import AuthorityRecord, Store

PART_MAX: Final = 100_000
"""Bytes of a list that a reader gets quickly; none may have over 10 MB (Microsoft's root programme, draft)."""
CARDS_MAX: Final = 10_000_000_000

_CERTIFICATES = 256
_ENTRIES = 50_000
_ANSWERS = 2_000
_REVOCATIONS = 64
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of the authorities."""

    cards: int
    certificates_per_card: int = 7
    """Four of the persons' authority and one of each application's."""
    certificates_of_one_authority: int = 4
    """Of these, how many the largest authority issues for a card."""
    revoked_share: float = 0.05
    """Of the certificates that have not expired, how many are revoked."""
    checks_per_card_and_day: float = 1.0
    """How often somebody asks by OCSP for a card."""
    peak: float = 10.0
    """How much busier the busiest second is than the average."""
    algorithm: KeyAlgorithm = KeyAlgorithm.P_256
    """Of the authorities and responders."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What this machine does on one core."""

    signatures_per_second: float
    certificates_per_second: float
    """Issued and recorded, many in one transaction."""
    ocsp_answers_per_second: float
    """Signed afresh, without HTTP."""
    entries_per_second: float
    """Written into a list."""
    revocations_per_second: float
    """Each durable by itself."""
    bytes_per_entry: float
    bytes_per_list: int
    """Of an empty one."""
    stored_per_certificate: float
    """Bytes in the register, with its indexes."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """The answer, for the largest authority where lists are meant."""

    demand: Demand
    measured: Measured
    list_entries: int
    list_bytes: int
    """If it were one list."""
    shards: int
    part_bytes: int
    build_seconds: float
    """All parts, one core."""
    ocsp_per_second: float
    """At the peak."""
    ocsp_cores: float
    register_bytes: int
    issue_hours: float
    """All certificates of all cards, one core."""


def sizing(demand: Demand, *, clock: Callable[[], float] = time.perf_counter) -> Sizing:
    """Measure this machine, and say what the demand needs; takes a few seconds. Raise UsageError for no demand."""
    if not 1 <= demand.cards <= CARDS_MAX or not 0 <= demand.revoked_share <= 1:
        raise UsageError(f"sizing is for 1 to {CARDS_MAX:,} cards, and a revoked share from 0 to 1")
    if demand.certificates_per_card < demand.certificates_of_one_authority or demand.certificates_of_one_authority < 1:
        raise UsageError("a card has one certificate at least, and no authority issues more of them than there are")
    if demand.checks_per_card_and_day < 0 or demand.peak < 1:
        raise UsageError("checks are 0 or more, and the peak is at least the average")
    return size(demand, measure(demand.algorithm, clock))


def size(demand: Demand, measured: Measured) -> Sizing:
    """The arithmetic alone."""
    entries = round(demand.cards * demand.certificates_of_one_authority * demand.revoked_share)
    shards = 1
    while shards < SHARDS_MAX and _part(entries, shards, measured) > PART_MAX:
        shards *= 2
    part = _part(entries, shards, measured)
    asked = demand.cards * demand.checks_per_card_and_day / 86_400 * demand.peak
    certificates = demand.cards * demand.certificates_per_card
    return Sizing(
        demand=demand,
        measured=measured,
        list_entries=entries,
        list_bytes=round(_part(entries, 1, measured)),
        shards=shards,
        part_bytes=round(part),
        build_seconds=entries / measured.entries_per_second + 2 * shards / measured.signatures_per_second,
        ocsp_per_second=asked,
        ocsp_cores=asked / measured.ocsp_answers_per_second,
        register_bytes=round(
            certificates * (measured.stored_per_certificate + 2 * demand.revoked_share * measured.bytes_per_entry)
        ),
        issue_hours=certificates / measured.certificates_per_second / 3600,
    )


def _part(entries: int, shards: int, measured: Measured) -> float:
    return measured.bytes_per_list + entries / shards * measured.bytes_per_entry


def measure(algorithm: KeyAlgorithm, clock: Callable[[], float] = time.perf_counter) -> Measured:
    """What this machine does, with keys of that kind."""
    signer = FileSigner(generate_key(algorithm))
    authority = Authority.establish(signer, "Sizing", pseudonym_key=KeyBytes(bytes(32)), moment=_MOMENT)
    signing = _rate(clock, 200, lambda: [signer.sign(b"message", signer.algorithms[0]) for _ in range(200)])
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "register.sqlite") as store:
        store.add_authority(AuthorityRecord("sizing", authority.certificate, "file:sizing.pem", "http://pki.example"))
        issuing = IssuingAuthority(store, "sizing", authority)
        key = public_key_info(generate_key(KeyAlgorithm.P_256))
        requests = [
            CertificateRequest("card_authentication", key, card_serial=f"{number:016X}")
            for number in range(_CERTIFICATES)
        ]
        before = store.size()
        issued: list[bytes] = []
        issue_rate = _rate(clock, _CERTIFICATES, lambda: issued.extend(issuing.issue_many(requests, moment=_MOMENT)))
        stored = (store.size() - before) / _CERTIFICATES
        serials = [load_certificate(each).serial_number for each in issued]
        ocsp_rate = _rate(clock, _ANSWERS, _answering(store, authority, signer, issued))
        revoke_rate = _rate(clock, _REVOCATIONS, lambda: _revoke(store, serials[:_REVOCATIONS]))
    writer = CrlWriter(signer, authority.certificate)
    about = CrlHead(1, _MOMENT, _MOMENT + timedelta(days=7), point="http://pki.example/crl/persons-65535.crl")
    empty = len(writer.to_bytes(about, ()))
    rows = list(_rows(_ENTRIES))
    written: list[bytes] = []
    entry_rate = _rate(clock, _ENTRIES, lambda: written.append(writer.to_bytes(about, rows)))
    return Measured(
        signatures_per_second=signing,
        certificates_per_second=issue_rate,
        ocsp_answers_per_second=ocsp_rate,
        entries_per_second=entry_rate,
        revocations_per_second=revoke_rate,
        bytes_per_entry=(len(written[0]) - empty) / _ENTRIES,
        bytes_per_list=empty,
        stored_per_certificate=stored,
    )


def _rate(clock: Callable[[], float], count: int, work: Callable[[], object]) -> float:
    begun = clock()
    work()
    return count / max(clock() - begun, 1e-9)


def _rows(count: int) -> Iterator[CrlRow]:
    begin = int(_MOMENT.timestamp())
    for _ in range(count):
        yield b"\x01" + secrets.token_bytes(16), begin - secrets.randbelow(10**8), RevocationReason.SUPERSEDED


def _revoke(store: Store, serials: list[int]) -> None:
    for serial in serials:
        store.revoke("sizing", serial, RevocationReason.SUPERSEDED, _MOMENT)


def _answering(store: Store, authority: Authority, signer: FileSigner, issued: list[bytes]) -> Callable[[], object]:
    """Answers to requests about different certificates, none kept; requests are made before."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import ocsp

    certificate, sha1 = x509.load_der_x509_certificate, SHA1()  # noqa: S303 - clients name the issuer by it
    issuer = certificate(authority.certificate)
    asked = []
    for each in issued:
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate(each), issuer, sha1).build()
        asked.append(request.public_bytes(Encoding.DER))
    responder = OcspResponder(
        signer,
        authority.certificate,
        authority.certificate,
        lambda serial: store.status("sizing", serial),
        clock=lambda: _MOMENT,
        rules=AnswerRules(kept=0),
    )
    return lambda: [responder.respond(asked[number % len(asked)]) for number in range(_ANSWERS)]
