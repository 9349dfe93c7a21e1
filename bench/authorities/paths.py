"""Path validation with revocation lists: ours, certvalidator by itself, and `openssl verify`.

The path is root, authority, certificate, with both lists. Ours reads strictly first, searches the path itself, and
checks more than certvalidator, which it calls; so the cost of that is shown. `openssl verify` is measured by the time
that further certificates on its command line take. Then the same with eight authorities of one name, and with eight
that have all certified each other: certvalidator by itself would try every order of them.
"""

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pyhanko_certvalidator import CertificateValidator, ValidationContext

from pki.path import Verdict, validate
from pki.path_candidates import read_candidate
from pki.revocation_data import read_crl

MOMENT = datetime.now(UTC).replace(microsecond=0)
ROUNDS = 40
AIM_EIGHT_MS = 50.0
SAME_NAMES = 8
ON_ONE_LINE = 200


class Maker:
    """Certificates and lists by names, made with `cryptography` alone."""

    def __init__(self) -> None:
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._number = 0

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey:
        if name not in self._keys:
            self._keys[name] = ec.generate_private_key(ec.SECP256R1())
        return self._keys[name]

    def certificate(self, subject: str, issuer: str, *, authority: bool = True) -> bytes:
        """Names are before a colon; what follows tells keys apart."""
        self._number += 1
        builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
        builder = builder.public_key(self._key(subject).public_key()).serial_number(self._number)
        builder = builder.not_valid_before(MOMENT - timedelta(days=1)).not_valid_after(MOMENT + timedelta(days=30))
        builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        ) | {"encipher_only": False, "decipher_only": False}
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usage), True
        )
        return builder.sign(self._key(issuer), hashes.SHA256()).public_bytes(Encoding.DER)

    def crl(self, issuer: str) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(_name(issuer)).last_update(MOMENT)
        builder = builder.next_update(MOMENT + timedelta(days=7)).add_extension(x509.CRLNumber(1), critical=False)
        key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key(issuer).public_key())
        builder = builder.add_extension(key, critical=False)
        return builder.sign(self._key(issuer), hashes.SHA256()).public_bytes(Encoding.DER)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text.partition(":")[0])])


def milliseconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    call()
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    return statistics.median(times) * 1000


def bare_certvalidator(leaf: bytes, root: bytes, others: list[bytes], crls: list[bytes]) -> None:
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(root)],
        other_certs=[asn1_x509.Certificate.load(each) for each in others],
        crls=[asn1_crl.CertificateList.load(each) for each in crls],
        moment=MOMENT + timedelta(minutes=1),
        revocation_mode="require",
    )
    validator = CertificateValidator(asn1_x509.Certificate.load(leaf), validation_context=context)
    asyncio.run(validator.async_validate_path())


def openssl_verify(leaf: bytes, root: bytes, others: list[bytes], crls: list[bytes]) -> float:
    """Milliseconds for one more certificate."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pem = Encoding.PEM
        for file, ders in (("root.pem", [root]), ("others.pem", others), ("leaf.pem", [leaf])):
            loaded = [x509.load_der_x509_certificate(each).public_bytes(pem) for each in ders]
            (folder / file).write_bytes(b"".join(loaded))
        (folder / "crls.pem").write_bytes(b"".join(x509.load_der_x509_crl(each).public_bytes(pem) for each in crls))
        command = ["openssl", "verify", "-CAfile", "root.pem", "-untrusted", "others.pem", "-CRLfile", "crls.pem"]
        command += ["-crl_check_all"]

        def seconds(count: int) -> float:
            begun = time.perf_counter()
            subprocess.run(
                [*command, *["leaf.pem"] * count],
                cwd=folder,
                check=True,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=60,
            )
            return time.perf_counter() - begun

        seconds(1)
        one, many = (min(seconds(count) for _ in range(5)) for count in (1, 1 + ON_ONE_LINE))
        return (many - one) / ON_ONE_LINE * 1000


def run() -> dict[str, Any]:
    print("Path validation, P-256, both lists at hand; milliseconds of the processor")
    maker = Maker()
    root, between = maker.certificate("Root", "Root"), maker.certificate("Authority", "Root")
    leaf = maker.certificate("Leaf", "Authority", authority=False)
    crls = [maker.crl("Root"), maker.crl("Authority")]
    moment = MOMENT + timedelta(minutes=1)
    read_root, read_between = read_candidate(root), read_candidate(between)
    read_lists = [found for each in crls if (found := read_crl(each)) is not None]

    def ours() -> None:
        assert validate(leaf, anchors=[root], others=[between], crls=crls, moment=moment).verdict is Verdict.VALID

    def ours_read_before() -> None:
        found = validate(leaf, anchors=[read_root], others=[read_between], crls=read_lists, moment=moment)
        assert found.verdict is Verdict.VALID

    eight = [f"Same:{number}" for number in range(SAME_NAMES)]
    others = [maker.certificate(subject, "Root") for subject in eight]
    circles = [*others[:1], *(maker.certificate(one, other) for one in eight for other in eight if one != other)]
    last = maker.certificate("Leaf", eight[-1], authority=False)
    lists = [maker.crl("Root"), *(maker.crl(each) for each in eight)]

    def ours_of_eight(between: list[bytes]) -> None:
        found = validate(last, anchors=[root], others=between, crls=lists, moment=moment)
        assert found.verdict is Verdict.VALID, found

    results = {
        "ours": milliseconds(ours),
        "ours, authorities and lists read before": milliseconds(ours_read_before),
        "certvalidator by itself": milliseconds(lambda: bare_certvalidator(leaf, root, [between], crls)),
        "openssl verify": openssl_verify(leaf, root, [between], crls),
        "ours, eight authorities of one name": milliseconds(lambda: ours_of_eight(others)),
        "ours, the same in 56 circles": milliseconds(lambda: ours_of_eight(circles), 10),
    }
    for name, spent in results.items():
        aim = f"  (aim: under {AIM_EIGHT_MS:.0f})" if "eight" in name else ""
        print(f"  {name:44}{spent:8.2f} ms{aim}")
    return results
