"""What an OCSP answer costs: over HTTP on a register of a million certificates beside `openssl ocsp`, and in process.

Both responders have the same P-256 key, certificate and million serial numbers, a tenth of them revoked; both hold
them in memory, and ours sees what other programs write into its register. Each request is a new connection, as OpenSSL
knows no other. The figure to compare is the server's own CPU time for a response, which other work on the machine
disturbs least; throughput is that of the whole, client included. In process, `answer` and the bare signature take turns
in short batches, and the ratio is the median of the ratios of neighbours.
"""

import argparse
import os
import random
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ecitizen.algorithms import KeyAlgorithm
from pki.keys import FileSigner, generate_key, load_private_key
from pki.ocsp import AnswerRules, OcspResponder
from pki.ocsp_index import StatusIndex
from pki.register_records import AuthorityRecord
from pki.service import serve
from pki.service_routes import ocsp_route
from pki.status import CertificateState, CertificateStatus
from pki.store import Store, serial_content

REGISTER = 1_000_000
REVOKED_EACH = 10
"""Every tenth."""
TURNS, REQUESTS = 15, 500
"""Each responder's turns, and requests in each."""
CLIENTS = 4
HOT = 50
"""Certificates that everybody asks about, for the answers that are kept."""
BATCH, ROUNDS = 50, 200
AIM_IN_PROCESS = 0.6
PATIENCE = 3.0
PATH = "/"
NAME = "bench"


# The authority


def make_authority(folder: Path) -> None:
    """Keys and certificates of an issuer and its responder, PEM."""
    now = datetime.now(UTC)
    keys = {"issuer": generate_key(KeyAlgorithm.P_256), "responder": generate_key(KeyAlgorithm.P_256)}
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    for name, key in keys.items():
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        builder = builder.not_valid_after(now + timedelta(days=30))
        builder = builder.add_extension(x509.BasicConstraints(name == "issuer", None), critical=True)
        if name == "responder":
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
            builder = builder.add_extension(purpose, critical=False)
        signing = keys["issuer"]
        assert isinstance(signing, ec.EllipticCurvePrivateKey)
        certificate = builder.sign(signing, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.key").write_bytes(private)


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def der(folder: Path, name: str) -> bytes:
    return certificate(folder, name).public_bytes(Encoding.DER)


def signer(folder: Path) -> FileSigner:
    return FileSigner(load_private_key((folder / "responder.key").read_bytes()))


def write_registers(folder: Path, serials: Sequence[int]) -> None:
    """The same certificates for us and for OpenSSL."""
    with Store.open(folder / "register.db") as store:
        store.add_authority(AuthorityRecord(NAME, der(folder, "issuer"), "bench", "http://localhost"))
    database = sqlite3.connect(folder / "register.db")  # a million records one by one is another bench
    with database:
        database.executemany(
            "INSERT INTO certificate (authority, serial, shard, profile, not_after, der) VALUES (1, ?, 0, '', 2e9, '')",
            ((serial_content(serial),) for serial in serials),
        )
        database.executemany(
            "INSERT INTO revocation VALUES (1, 0, ?, 1750000000, 1, 2000000000, 1)",
            ((serial_content(serial),) for serial in serials[::REVOKED_EACH]),
        )
    database.close()
    (folder / "index.txt.attr").write_text("unique_subject = no\n", encoding="ascii")
    with (folder / "index.txt").open("w", encoding="ascii") as index:
        for number, serial in enumerate(serials):
            state = (
                "R\t360101000000Z\t250615000000Z,keyCompromise" if number % REVOKED_EACH == 0 else "V\t360101000000Z\t"
            )
            index.write(f"{state}\t{serial:032X}\tunknown\t/CN=x\n")


# The two responders


def run_ours(folder: Path, kept: int) -> None:
    """What the server's process does."""
    rules = AnswerRules(kept=kept)
    with Store.open(folder / "register.db") as store:
        responder = OcspResponder(
            signer(folder),
            der(folder, "responder"),
            der(folder, "issuer"),
            StatusIndex(store, NAME),
            rules=rules,
        )
        serve({PATH: ocsp_route(responder)}, "127.0.0.1", 0, ready=lambda port: print(port, flush=True))


@contextmanager
def ours(folder: Path, kept: int) -> Iterator[tuple[int, int]]:
    """Port and process of our server."""
    command = [sys.executable, __file__, "--serve", str(folder), "--kept", str(kept)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        try:
            yield port, process.pid
        finally:
            process.terminate()


@contextmanager
def openssl(folder: Path) -> Iterator[tuple[int, int]]:
    """Port and process of OpenSSL's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = ["-index", "index.txt", "-CA", "issuer.pem", "-rsigner", "responder.pem", "-rkey", "responder.key"]
    command = [str(shutil.which("openssl")), "ocsp", "-port", str(port), *files, "-nmin", "60", "-ignore_err"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=folder, stdin=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout
        for line in process.stdout:  # a connection to see whether it is up would stop it
            if b"waiting for" in line:
                break
        drain = ThreadPoolExecutor(1)
        drain.submit(process.stdout.read)
        try:
            yield port, process.pid
        finally:
            process.kill()  # it may be past hearing SIGTERM
            drain.shutdown()


def cpu_seconds(process: int) -> float:
    """Time that a process, of one thread, has had a processor (Linux)."""
    return int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


# Asking


def request(folder: Path, serial: int, nonce: bool) -> bytes:
    """An HTTP request, as OpenSSL's client writes it."""
    issuer = certificate(folder, "issuer")
    name = hashes.Hash(hashes.SHA1())  # it names the issuer, as OpenSSL's client does
    name.update(issuer.subject.public_bytes())
    key = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name.finalize(), key, serial, hashes.SHA1())
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(os.urandom(16)), critical=False)
    body = builder.build().public_bytes(Encoding.DER)
    head = f"POST {PATH} HTTP/1.0\r\nContent-Type: application/ocsp-request\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask(port: int, message: bytes, patience: float = PATIENCE) -> bytes:
    """One request on a new connection; the OCSP answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as peer:
        peer.sendall(message)
        pieces = []
        while piece := peer.recv(8192):
            pieces.append(piece)
    return b"".join(pieces).partition(b"\r\n\r\n")[2]


def check(answer: bytes, serial: int, revoked: bool) -> None:
    """What is measured is right."""
    found = ocsp.load_der_ocsp_response(answer)
    expected = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    assert (found.serial_number, found.certificate_status) == (serial, expected)


def measure(server: tuple[int, int], messages: Sequence[bytes]) -> dict[str, float]:
    """CPU time of the server for each response, and responses per second, with so many clients at a time."""
    port, process = server
    used, begun = cpu_seconds(process), time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for answer in pool.map(lambda message: ask(port, message, 30.0), messages, chunksize=1):
            assert answer
    spent = time.perf_counter() - begun
    return {
        "server CPU us": (cpu_seconds(process) - used) / len(messages) * 1e6,
        "responses/s": len(messages) / spent,
    }


def alive_after_empty_connections(port: int, message: bytes) -> bool:
    """Whether a request is answered after five connections that were opened and closed."""
    for _ in range(5):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    try:
        return bool(ask(port, message))
    except OSError:
        return False


def over_http(folder: Path, serials: Sequence[int]) -> dict[str, Any]:
    """All of it, in turns; of the turns the medians."""
    chance = random.Random(1)
    asked = chance.sample(range(len(serials)), TURNS * REQUESTS)
    plain = [request(folder, serials[at], nonce=False) for at in asked]
    nonces = [request(folder, serials[at], nonce=True) for at in asked]
    hot = [plain[:HOT] * (REQUESTS // HOT)] * TURNS
    fresh, with_nonce = ([each[at::TURNS] for at in range(TURNS)] for each in (plain, nonces))
    turns: dict[str, list[dict[str, float]]] = {}
    found: dict[str, Any] = {}
    with ours(folder, 0) as signing, ours(folder, 20_000) as keeping, openssl(folder) as theirs:
        for at, message in zip(asked[:20], plain, strict=False):
            for server in (signing, keeping, theirs):
                check(ask(server[0], message), serials[at], at % REVOKED_EACH == 0)
        for turn in range(TURNS):
            for name, server, messages in (
                ("ours, signed on demand", signing, fresh),
                ("openssl ocsp", theirs, fresh),
                ("ours, nonce", signing, with_nonce),
                ("openssl ocsp, nonce", theirs, with_nonce),
                ("ours, kept answers", keeping, hot),
            ):
                turns.setdefault(name, []).append(measure(server, messages[turn]))
        for name, each in turns.items():
            found[name] = {figure: statistics.median(turn[figure] for turn in each) for figure in each[0]}
        for name, server in (("ours", signing), ("openssl ocsp", theirs)):
            found[f"{name}, alive after empty connections"] = alive_after_empty_connections(server[0], plain[0])
    return found


# In process


def rate(call: Callable[[], object]) -> float:
    begun = time.process_time()
    for _ in range(BATCH):
        call()
    return BATCH / (time.process_time() - begun)


def in_process(folder: Path) -> dict[str, float]:
    """Rates of answers in units of the bare signature's."""
    good = CertificateStatus(CertificateState.GOOD)
    key = load_private_key((folder / "responder.key").read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    message, algorithm = bytes(200), ec.ECDSA(hashes.SHA256())

    def responder(kept: int) -> OcspResponder:
        own, issuer = der(folder, "responder"), der(folder, "issuer")
        return OcspResponder(FileSigner(key), own, issuer, lambda _: good, rules=AnswerRules(kept=kept))

    plain, nonce = (request(folder, 77 << 100, each).partition(b"\r\n\r\n")[2] for each in (False, True))
    signing, keeping = responder(0), responder(10)
    calls: dict[str, Callable[[], object]] = {
        "signed on demand": lambda: signing.answer(plain),
        "nonce": lambda: signing.answer(nonce),
        "kept": lambda: keeping.answer(plain),
    }
    ratios: dict[str, list[float]] = {name: [] for name in calls}
    bare = []
    for _ in range(ROUNDS):
        for name, call in calls.items():
            base = rate(lambda: key.sign(message, algorithm))
            bare.append(base)
            ratios[name].append(rate(call) / base)
    return {"bare signatures/s": max(bare), **{name: statistics.median(found) for name, found in ratios.items()}}


def run(register: int) -> dict[str, Any]:
    print(f"OCSP, a register of {register:,} certificates")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_authority(folder)
        inside = in_process(folder)
        chance = random.Random(2)
        serials = [chance.getrandbits(126) | 1 << 126 for _ in range(register)]
        write_registers(folder, serials)
        found = over_http(folder, serials)
    print(f"  {'':44}{'server CPU':>12}{'responses/s':>13}")
    for name, figures in found.items():
        if isinstance(figures, dict):
            print(f"  {name:44}{figures['server CPU us']:>9.0f} us{figures['responses/s']:>13.0f}")
        else:
            print(f"  {name:44}{'yes' if figures else 'NO':>12}")
    print(f"  in process, of {inside['bare signatures/s']:.0f} bare P-256 signatures a second:")
    for name in ("signed on demand", "nonce", "kept"):
        print(f"    {name:42}{inside[name]:>11.0%}" + (f"  (aim: {AIM_IN_PROCESS:.0%})" if name != "kept" else ""))
    return {**found, "in process": inside, "register": register}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--kept", type=int, default=0)
    options = parser.parse_args()
    run_ours(options.serve, options.kept)


if __name__ == "__main__":
    main()
