"""A small authority, made with `cryptography` alone, and a way to run the HTTP service beside a test."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property

from asn1crypto import algos, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ecitizen.algorithms import KeyAlgorithm
from pki.keys import FileSigner, PrivateKey, generate_key
from pki.service import Service
from pki.service_connection import Limits
from pki.service_routes import Routes
from pki.signing_key import signing_key

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2036, 1, 1, tzinfo=UTC)
POLICY = "2.25.90166640209361737573623263581298659732.2.1"


@cache
def key(kind: KeyAlgorithm, use: str) -> PrivateKey:
    """A key for each use, made once."""
    assert use
    return generate_key(kind)


@dataclass(frozen=True)
class SmallAuthority:
    """An authority, a certificate of it, and its services."""

    name: str = "Issuer"
    kind: KeyAlgorithm = KeyAlgorithm.P_256

    @cached_property
    def signer(self) -> FileSigner:
        return FileSigner(key(KeyAlgorithm.P_256, self.name))

    @cached_property
    def issuer(self) -> x509.Certificate:
        return self.certificate(self.name, key(KeyAlgorithm.P_256, self.name), authority=True)

    @cached_property
    def leaf(self) -> x509.Certificate:
        return self.certificate("Leaf", key(KeyAlgorithm.P_256, "leaf"))

    @cached_property
    def responder(self) -> x509.Certificate:
        return self.certificate("Responder", key(self.kind, "ocsp"), purpose=ExtendedKeyUsageOID.OCSP_SIGNING)

    @cached_property
    def stamper(self) -> x509.Certificate:
        return self.certificate(
            "Stamper", key(self.kind, "timestamp"), purpose=ExtendedKeyUsageOID.TIME_STAMPING, critical=True
        )

    def certificate(
        self,
        name: str,
        certified: PrivateKey,
        *,
        authority: bool = False,
        purpose: x509.ObjectIdentifier | None = None,
        critical: bool = False,
        serial_number: int = 0,
    ) -> x509.Certificate:
        """A certificate by this authority."""
        builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(self.name))
        builder = builder.public_key(certified.public_key()).not_valid_before(BEGIN).not_valid_after(END)
        builder = builder.serial_number(serial_number or x509.random_serial_number())
        builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=critical)
        if purpose == ExtendedKeyUsageOID.OCSP_SIGNING:
            builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
        return builder.sign(signing_key(self.signer), hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "TH"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def ocsp_request(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    algorithm: hashes.HashAlgorithm | None = None,
    nonce: bytes | None = None,
) -> bytes:
    """OCSPRequest about one certificate, DER; by SHA-1 unless told otherwise."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm or hashes.SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def timestamp_request(message: bytes, hashed: str = "sha256", **fields: object) -> bytes:
    """TimeStampReq for a message, DER."""
    algorithm = algos.DigestAlgorithm({"algorithm": hashed})
    imprint = {"hash_algorithm": algorithm, "hashed_message": hashlib.new(hashed, message).digest()}
    made: bytes = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, **fields}).dump()
    return made


@dataclass
class SettableClock:
    """A clock that goes when it is told to."""

    moment: datetime = BEGIN + timedelta(days=300)

    def __call__(self) -> datetime:
        return self.moment

    def go(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


@contextmanager
def running(routes: Routes, limits: Limits | None = None) -> Iterator[int]:
    """The service in a thread of its own for the time of a block, which is given its port."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

    async def run() -> None:
        service = Service(routes, limits=limits)
        over = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), over, await service.start("127.0.0.1", 0)))
        await over.wait()
        await service.stop()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    loop, over, port = started.result(10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        assert not thread.is_alive()
