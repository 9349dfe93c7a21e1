"""A revocation list of a million entries: ours, `cryptography` and `openssl ca -gencrl`.

Each contender makes the same list from the same file of rows, in a process of its own: wall time, processor time and
peak memory of that process. Every list is checked by `openssl crl -CAfile`. Aims (issue 5): at least 8 times faster
than `cryptography` that is handed the whole list, and less memory than `openssl ca -gencrl`.
"""

import argparse
import json
import os
import pickle
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.secret import KeyBytes
from pki.authority import Authority
from pki.crl import CrlHead, CrlWriter
from pki.keys import FileSigner, generate_key, load_private_key
from pki.pem import pem
from pki.store import AuthorityRecord, Store

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
HEAD = CrlHead(1, MOMENT, MOMENT + timedelta(days=7), "http://pki.example/crl/a.crl", "http://pki.example/crl/d.crl")
AIM_FASTER = 8.0


def prepare(folder: Path, count: int) -> None:
    """A key, a certificate, and rows as each contender wants them: in a pickle, and in openssl's index.txt."""
    key = generate_key(KeyAlgorithm.P_256)
    authority = Authority.establish(FileSigner(key), "Bench", pseudonym_key=KeyBytes(bytes(16)), moment=MOMENT)
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "ca.der").write_bytes(authority.certificate)
    (folder / "ca.pem").write_bytes(pem(authority.certificate, "CERTIFICATE"))
    reasons = {1: "keyCompromise", 4: "superseded", 0: "unspecified", 6: "certificateHold"}
    begin = int(MOMENT.timestamp())
    rows = []
    for _ in range(count):
        serial = b"\x00" + (0x80 | secrets.randbits(7)).to_bytes(1, "big") + secrets.token_bytes(15)
        rows.append((serial, begin - secrets.randbelow(5 * 365 * 86_400), secrets.choice((0, 1, 4, 6))))
    (folder / "rows").write_bytes(pickle.dumps(rows))
    with (folder / "index.txt").open("w") as index:
        for serial, at, reason in rows:
            when = datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M%SZ")
            index.write(f"R\t400101000000Z\t{when},{reasons[reason]}\t{serial[1:].hex().upper()}\tunknown\t/CN=x\n")
    fill_register(folder / "register", authority.certificate, rows)
    (folder / "crlnumber").write_text("01\n")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=7\n"
        "certificate=ca.pem\nprivate_key=key.pem\ncrl_extensions=x\nunique_subject=no\n"
        "[x]\nauthorityKeyIdentifier=keyid\n"
    )


def ours(folder: Path) -> None:
    rows = pickle.loads((folder / "rows").read_bytes())
    writer = CrlWriter(_signer(folder), (folder / "ca.der").read_bytes())
    _report_rows(folder)
    with (folder / "out.crl").open("wb") as out:
        writer.write(out, HEAD, rows)


def ours_streaming(folder: Path) -> None:
    """Out of the register, as it is published."""
    with Store.open(folder / "register") as store:
        writer = CrlWriter(_signer(folder), (folder / "ca.der").read_bytes())
        _report_rows(folder)
        with (folder / "out.crl").open("wb") as out:
            writer.write(out, HEAD, store.revoked_rows("bench", 0))


def theirs(folder: Path, *, made_before: bool) -> None:
    """`cryptography`, handed the whole list at once."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    rows = pickle.loads((folder / "rows").read_bytes())
    key: Any = load_private_key((folder / "key.pem").read_bytes())
    issuer = x509.load_der_x509_certificate((folder / "ca.der").read_bytes())
    flags = {1: x509.ReasonFlags.key_compromise, 4: x509.ReasonFlags.superseded, 6: x509.ReasonFlags.certificate_hold}
    extensions = {
        reason: [x509.Extension(x509.CRLReason.oid, False, x509.CRLReason(flag))] for reason, flag in flags.items()
    }

    def entry(serial: bytes, at: int, reason: int) -> x509.RevokedCertificate:
        # The builder of one entry, without the copying that its fluent form does.
        when = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
        return x509.RevokedCertificateBuilder(int.from_bytes(serial, "big"), when, extensions.get(reason, [])).build()

    if not made_before:
        _report_rows(folder)
    entries = [entry(*row) for row in rows]
    if made_before:
        _report_rows(folder)
    numbers = [x509.Extension(x509.CRLNumber.oid, False, x509.CRLNumber(1))]
    begin, end = HEAD.this_update.replace(tzinfo=None), HEAD.next_update.replace(tzinfo=None)
    builder = x509.CertificateRevocationListBuilder(issuer.subject, begin, end, numbers, entries)
    crl = builder.sign(key, hashes.SHA256())
    (folder / "out.crl").write_bytes(crl.public_bytes(Encoding.DER))


def openssl(folder: Path) -> None:
    _report_rows(folder)
    command = ["openssl", "ca", "-config", "ca.cnf", "-gencrl", "-out", "out.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


CONTENDERS = {
    "ours, rows in memory": ours,
    "ours, out of the register": ours_streaming,
    "cryptography, entries made before": lambda folder: theirs(folder, made_before=True),
    "cryptography, from the rows": lambda folder: theirs(folder, made_before=False),
    "openssl ca -gencrl": openssl,
}


def _signer(folder: Path) -> FileSigner:
    return FileSigner(load_private_key((folder / "key.pem").read_bytes()))


def _report_rows(folder: Path) -> None:
    """Here the clock starts: whatever was read or made before is not counted."""
    (folder / "begun").write_text(f"{time.perf_counter()} {time.process_time()}")


def worker(name: str, folder: Path) -> None:
    CONTENDERS[name](folder)
    wall, cpu = (float(each) for each in (folder / "begun").read_text().split())
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    is_openssl = name.startswith("openssl")
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - wall,
                "cpu_seconds": children.ru_utime + children.ru_stime if is_openssl else time.process_time() - cpu,
                "peak_mb": children.ru_maxrss / 1024 if is_openssl else own_peak(),
            }
        )
    )


def own_peak() -> float:
    """Of this process since it began; getrusage would tell of the one that started it, if that was larger."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def a_list(count: int) -> dict[str, Any]:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        again = [sys.executable, __file__, "--folder", name]
        subprocess.run([*again, "--prepare", str(count)], check=True, env=environment)
        for contender in CONTENDERS:
            command = [*again, "--worker", contender]
            runs = []
            for _ in range(2):
                done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
                runs.append(json.loads(done.stdout))
            best = min(runs, key=lambda run: run["cpu_seconds"])
            results[contender] = {**best, "verified": verified(folder)}
            print(f"  {contender:36} {_times(best)}  {results[contender]['verified']}", flush=True)
    return results


def verified(folder: Path) -> str:
    form = ["-inform", "DER", "-in", "out.crl"] if (folder / "out.crl").exists() else ["-in", "out.pem"]
    command = ["openssl", "crl", *form, "-noout", "-CAfile", "ca.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    for made in ("out.crl", "out.pem"):
        (folder / made).unlink(missing_ok=True)
    return done.stderr.strip()


def _times(run: dict[str, float]) -> str:
    return f"{run['seconds']:7.2f} s  cpu {run['cpu_seconds']:7.2f} s  peak {run['peak_mb']:7.0f} MB"


def fill_register(path: Path, certificate: bytes, rows: list[tuple[bytes, int, int]]) -> None:
    """A register with these revocations, written straight into its tables: issuing them would take an hour."""
    with Store.open(path) as store:
        store.add_authority(AuthorityRecord("bench", certificate, "file:x", "http://pki.example"))
        end = int((MOMENT + timedelta(days=3650)).timestamp())
        insert = "INSERT INTO revocation VALUES (1, 0, ?, ?, ?, ?, ?)"
        with store.transaction():
            store._connection.executemany(insert, ((*row, end, change) for change, row in enumerate(rows, 1)))


def run(entries: int) -> dict[str, Any]:
    print(f"A revocation list of {entries:,} entries")
    lists = a_list(entries)
    mine, streaming = lists["ours, rows in memory"], lists["ours, out of the register"]
    rows, made = lists["cryptography, from the rows"], lists["cryptography, entries made before"]
    rival = lists["openssl ca -gencrl"]
    faster, faster_made = (each["cpu_seconds"] / mine["cpu_seconds"] for each in (rows, made))
    print(
        f"  {faster:.1f} times faster than cryptography from the same rows (aim {AIM_FASTER:.0f}), {faster_made:.1f} "
        f"than its list alone; {streaming['peak_mb']:.0f} MB out of the register, openssl {rival['peak_mb']:.0f} MB"
    )
    return {"lists": lists, "faster_than_cryptography": faster, "faster_than_its_list_alone": faster_made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker")
    parser.add_argument("--prepare", type=int)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(arguments.folder, arguments.prepare)
    else:
        worker(arguments.worker, arguments.folder)


if __name__ == "__main__":
    main()
