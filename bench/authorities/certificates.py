"""Certificates per second, beside the bare signature."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes
from pki.authority import Authority
from pki.issuing import IssuingAuthority
from pki.keys import FileSigner, generate_key, public_key_info
from pki.store import AuthorityRecord, Store

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)


def run() -> dict[str, float]:
    """Issued and recorded, beside the signature alone; seconds of processor time."""
    print("Certificates, P-256")
    signer = FileSigner(generate_key(KeyAlgorithm.P_256))
    authority = Authority.establish(signer, "Bench", pseudonym_key=KeyBytes(bytes(16)), moment=MOMENT)
    key = public_key_info(generate_key(KeyAlgorithm.P_256))
    requests = [CertificateRequest("card_authentication", key, card_serial=f"{number:016X}") for number in range(1_000)]
    message, algorithm = bytes(600), signer.algorithms[0]
    results = {}
    with tempfile.TemporaryDirectory() as name, Store.open(Path(name) / "register") as store:
        store.add_authority(AuthorityRecord("bench", authority.certificate, "file:x", "http://pki.example"))
        issuing = IssuingAuthority(store, "bench", authority)
        for what, work, count in (
            ("bare signature", lambda: [signer.sign(message, algorithm) for _ in range(2_000)], 2_000),
            ("signed, not recorded", lambda: [authority.issue(each, moment=MOMENT) for each in requests], 1_000),
            ("recorded, a thousand together", lambda: issuing.issue_many(requests, moment=MOMENT), 1_000),
            ("recorded one by one", lambda: [issuing.issue(each, moment=MOMENT) for each in requests[:200]], 200),
        ):
            best = 0.0
            for _ in range(3):
                begun = time.process_time()
                work()
                best = max(best, count / (time.process_time() - begun))
            results[what] = best
            print(f"  {what:32} {best:9,.0f} in a second of processor time", flush=True)
    return results
