"""A register that grows: durable revocations, look-ups, and a shard's list, with shards as `ca sizing` advises."""

import secrets
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.secret import KeyBytes
from pki.authority import Authority
from pki.keys import FileSigner, generate_key
from pki.publishing import CrlPublisher
from pki.sizing import Demand, Measured, size
from pki.status import RevocationReason
from pki.store import AuthorityRecord, Store

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
REVOKED_SHARE = 20  # one of so many certificates of the register
REVOCATIONS = 300
SIZES = (10_000, 100_000, 1_000_000, 5_000_000)


def growing(largest: int) -> list[dict[str, Any]]:
    """Durable revocations, look-ups and a shard's list as the register grows; shards as `ca sizing` advises."""
    found = []
    for count in [each for each in SIZES if each <= largest]:
        with tempfile.TemporaryDirectory() as name:
            found.append(one_size(Path(name), count))
        shown = found[-1]
        print(
            f"  {count:>9,} certificates: {shown['revocations_per_second']:7,.0f} revocations/s, "
            f"{shown['statuses_per_second']:8,.0f} look-ups/s, {shown['shards']:4} shards, "
            f"one in {shown['shard_seconds'] * 1000:6.1f} ms ({shown['shard_bytes']:,} bytes)",
            flush=True,
        )
    return found


def one_size(folder: Path, count: int) -> dict[str, Any]:
    signer = FileSigner(generate_key(KeyAlgorithm.P_256))
    authority = Authority.establish(signer, "Bench", pseudonym_key=KeyBytes(bytes(16)), moment=MOMENT - timedelta(1))
    below = FileSigner(generate_key(KeyAlgorithm.P_256))
    certificate = authority.issue_authority(below.public_key, "Below", moment=MOMENT - timedelta(hours=1))
    known = Measured(10_000, 1_000, 10_000, 1_000_000, 1_000, 50, 400, 1_000)
    demand = Demand(count, certificates_per_card=1, certificates_of_one_authority=1, revoked_share=1 / REVOKED_SHARE)
    shards = size(demand, known).shards
    with Store.open(folder / "register") as store:
        store.add_authority(AuthorityRecord("bench", certificate, "file:x", "http://pki.example", shards))
        end = int((MOMENT + timedelta(days=3650)).timestamp())
        at = int(MOMENT.timestamp())
        serials = [b"\x01" + secrets.token_bytes(16) for _ in range(count)]
        with store.transaction():
            store._connection.executemany(
                "INSERT INTO certificate (authority, serial, shard, profile, card_serial, not_after, der) "
                "VALUES (1, ?, ?, 'authentication', ?, ?, zeroblob(700))",
                ((serial, serial[-1] + 256 * serial[-2] & shards - 1, serial[:8].hex(), end) for serial in serials),
            )
            store._connection.executemany(
                "INSERT INTO revocation VALUES (1, ?, ?, ?, 4, ?, 1)",
                (
                    (serial[-1] + 256 * serial[-2] & shards - 1, serial, at, end)
                    for serial in serials[: count // REVOKED_SHARE]
                ),
            )
        numbers = [int.from_bytes(serial, "big") for serial in serials[-REVOCATIONS:]]
        begun = time.perf_counter()
        for number in numbers:
            store.revoke("bench", number, RevocationReason.SUPERSEDED, MOMENT)
        revoking = time.perf_counter() - begun
        asked = [int.from_bytes(secrets.choice(serials), "big") for _ in range(5_000)]
        begun = time.perf_counter()
        for number in asked:
            store.status("bench", number)
        asking = time.perf_counter() - begun
        publisher = CrlPublisher(store, "bench", below, folder / "www")
        begun = time.perf_counter()
        full, _ = publisher._publish_shard(0, MOMENT, None)
        return {
            "certificates": count,
            "revocations_per_second": REVOCATIONS / revoking,
            "statuses_per_second": len(asked) / asking,
            "shards": shards,
            "shard_seconds": time.perf_counter() - begun,
            "shard_bytes": full.size,
            "shard_entries": full.entries,
        }


def run(largest: int) -> list[dict[str, Any]]:
    print(f"A growing register, one certificate of {REVOKED_SHARE} revoked")
    return growing(largest)
