"""NIST's Public Key Interoperability Test Suite through our path validation; fixtures/pki/pkits.json is the table."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest

from pki.path import PolicyRules, Verdict, validate

SUITE = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "pki" / "pkits.json").read_text(encoding="utf-8")
)
MOMENT = datetime(2015, 6, 1, tzinfo=UTC)
"""Amid the validity of the suite's certificates and CRLs, which ends in 2030."""


def certificate(name: str) -> bytes:
    return (SUITE / "certs" / f"{name}.crt").read_bytes()


def crl(name: str) -> bytes:
    return (SUITE / "crls" / f"{name}.crl").read_bytes()


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['id']}-{number}" for number, row in enumerate(ROWS)])
def test_pkits(row: dict[str, Any]) -> None:
    report = validate(
        certificate(row["certificate"]),
        anchors=[certificate("TrustAnchorRootCertificate")],
        others=map(certificate, row["others"]),
        crls=map(crl, row["crls"]),
        moment=MOMENT,
        policies=PolicyRules(
            frozenset(row.get("policies", ())), row.get("explicit", False), any_policy=row.get("any_policy", True)
        ),
    )
    assert (report.verdict is Verdict.VALID) == row["valid"], report.findings


def test_the_table_has_every_section() -> None:
    assert {row["id"].split(".")[1] for row in ROWS} == {str(section) for section in range(1, 17)}
