"""Foreign judges of our CAdES signatures, and our judgement of theirs: openssl, pyHanko."""

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import x509 as asn1_x509
from asn1crypto.keys import PrivateKeyInfo
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, SimpleSigner
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import Slot
from cli.exit_codes import ExitCode
from cli.main import main
from ecitizen.algorithms import KeyAlgorithm, SignatureAlgorithm
from ecitizen.emulator.card import Card
from ecitizen.ports import PinState
from ecitizen.secret import Pin
from ecitizen.session import CardSession
from ecitizen.transport.pcsc import connect
from pki import cms
from pki.cms_forms import ARCHIVE_TIMESTAMP_V3, SIGNATURE_TIMESTAMP, read_signed_data
from pki.keys import FileSigner, digest, private_key_info, signature_algorithms
from pki.pem import pem
from pki.signed import DocumentVerdict, Level
from pki.signed_trust import SigningTrust
from pki.timestamp_check import verify_timestamp
from pki.timestamp_info import read_token
from tests.interop.signing_card import PIN, CardKind, Insert, Programs
from tests.signing_people import DigestOf, SigningPeople
from tests.unit.small_pki import MOMENT

CONTENT = b"what was agreed on\r\n" * 1000
VALID = DocumentVerdict.VALID
AT = ["-attime", str(int(MOMENT.timestamp()))]
"""The programs believe that it is the moment of the tests."""


@dataclass(frozen=True)
class Judges:
    """The programs in a folder with our people's certificates."""

    programs: Programs
    people: SigningPeople

    def openssl_verify(self, signature: bytes, *options: str) -> None:
        """`openssl cms -verify` must accept."""
        name = self.programs.write("signature.p7s", signature)
        trusted = ["-CAfile", "root.pem", "-purpose", "any", *AT]
        command = ["cms", "-verify", "-inform", "DER", "-in", name, *trusted, "-binary", "-out", "out.bin", *options]
        self.programs.run("openssl", *command)
        assert self.programs.read("out.bin") == CONTENT


@pytest.fixture(scope="module")
def judges(foreign_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Judges:
    folder = tmp_path_factory.mktemp("judges")
    people = SigningPeople(folder)
    programs = Programs(foreign_program, folder)
    programs.write("root.pem", pem(people.root.der, "CERTIFICATE"))
    programs.write("authority.pem", pem(people.authority.der, "CERTIFICATE"))
    programs.write("content.bin", CONTENT)
    return Judges(programs, people)


@dataclass(frozen=True)
class Case:
    kind: KeyAlgorithm
    algorithm: SignatureAlgorithm

    def __str__(self) -> str:
        return "-".join(str(part) for part in (self.kind, *self.algorithm))


KINDS = (KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048)
CASES = [Case(kind, algorithm) for kind in KINDS for algorithm in signature_algorithms(kind)]


@pytest.fixture(scope="module")
def signers(judges: Judges) -> dict[KeyAlgorithm, FileSigner]:
    return {kind: judges.people.certified(kind) for kind in KINDS}


def signed(people: SigningPeople, signer: FileSigner, level: Level = Level.B, **settings: Any) -> bytes:
    assert signer.certificate
    return cms.sign(
        CONTENT,
        signer,
        signer.certificate,
        people.chain,
        moment=MOMENT,
        level=level,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
        **settings,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("attached", [False, True])
def test_openssl_accepts_our_signatures(
    judges: Judges, signers: dict[KeyAlgorithm, FileSigner], case: Case, attached: bool
) -> None:
    signature = signed(judges.people, signers[case.kind], algorithm=case.algorithm, attached=attached)
    judges.openssl_verify(signature, "-cades", *([] if attached else ["-content", "content.bin"]))


@pytest.mark.parametrize("level", list(Level))
def test_openssl_accepts_each_level(judges: Judges, signers: dict[KeyAlgorithm, FileSigner], level: Level) -> None:
    signature = signed(judges.people, signers[KeyAlgorithm.P_256], level)
    judges.openssl_verify(signature, "-cades", "-content", "content.bin")


def test_openssl_accepts_several_signers(judges: Judges, signers: dict[KeyAlgorithm, FileSigner]) -> None:
    signature = signed(judges.people, signers[KeyAlgorithm.P_256])
    for kind in (KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048):
        certificate = signers[kind].certificate
        assert certificate
        signature = cms.add_signature(signature, CONTENT, signers[kind], certificate, moment=MOMENT)
    judges.openssl_verify(signature, "-cades", "-content", "content.bin")


def test_openssl_accepts_the_timestamps(judges: Judges, signers: dict[KeyAlgorithm, FileSigner]) -> None:
    people = judges.people
    (signer,) = read_signed_data(signed(people, signers[KeyAlgorithm.P_256], Level.LTA)).signers
    for kind in (SIGNATURE_TIMESTAMP, ARCHIVE_TIMESTAMP_V3):
        (token,) = signer.values(kind)
        info = read_token(token)[1]
        name = judges.programs.write("token.tst", token)
        trusted = ["-CAfile", "root.pem", "-untrusted", "authority.pem", *AT]
        command = ["ts", "-verify", "-in", name, "-token_in", "-digest", info.digest.hex(), *trusted]
        assert "Verification: OK" in judges.programs.run("openssl", *command)
    (token,) = signer.values(SIGNATURE_TIMESTAMP)
    info = read_token(token)[1]
    assert info.hash is not None
    assert info.digest == digest(signer.signature, info.hash)


@pytest.mark.parametrize("level", [Level.B, Level.T])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_pyhanko_accepts_our_signatures(
    judges: Judges, signers: dict[KeyAlgorithm, FileSigner], case: Case, level: Level
) -> None:
    people = judges.people
    signature = signed(people, signers[case.kind], level, algorithm=case.algorithm)
    root = asn1_x509.Certificate.load(people.root.der)
    context = ValidationContext(trust_roots=[root], moment=MOMENT, crls=list(people.crls(MOMENT)))
    signed_data = asn1_cms.ContentInfo.load(signature)["content"]
    status = asyncio.run(
        async_validate_detached_cms(
            CONTENT, signed_data, signer_validation_context=context, ts_validation_context=context
        )
    )
    assert status.intact
    assert status.valid
    assert status.trusted
    assert (status.timestamp_validity is not None) is (level is Level.T)


# What others make


@pytest.fixture(scope="module")
def openssl_keys(judges: Judges, signers: dict[KeyAlgorithm, FileSigner]) -> None:
    for kind, signer in signers.items():
        key = private_key_info(signer._key)
        judges.programs.write(f"{kind}.key", pem(key.reveal(), "PRIVATE KEY"))
        assert signer.certificate
        judges.programs.write(f"{kind}.pem", pem(signer.certificate, "CERTIFICATE"))


OPENSSL = {
    "plain": ["p256"],
    "cades": ["p256", "-cades"],
    "attached": ["p256", "-nodetach"],
    "pieces of unknown length": ["p256", "-nodetach", "-stream"],
    "without attributes": ["p256", "-noattr"],
    "by key identifier": ["p256", "-keyid", "-cades"],
    "rsa": ["rsa2048", "-cades", "-md", "sha512"],
    "rsa-pss": ["rsa2048", "-cades", "-keyopt", "rsa_padding_mode:pss"],
    "rsa-pss without salt": ["rsa2048", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:0"],
    "pem": ["p384", "-outform", "PEM"],
}
WEAK = {"sha1": ["rsa2048", "-md", "sha1"]}


def made_by_openssl(judges: Judges, options: list[str]) -> bytes:
    kind, *rest = options
    keys = ["-signer", f"{kind}.pem", "-inkey", f"{kind}.key", "-certfile", "authority.pem"]
    form = [] if "-outform" in rest else ["-outform", "DER"]
    command = ["cms", "-sign", "-binary", "-in", "content.bin", *keys, *rest, *form, "-out", "theirs.p7s"]
    judges.programs.run("openssl", *command)
    return judges.programs.read("theirs.p7s")


@pytest.mark.parametrize("maker", OPENSSL)
@pytest.mark.usefixtures("openssl_keys")
def test_signatures_by_openssl_are_checked(judges: Judges, maker: str) -> None:
    signature = made_by_openssl(judges, OPENSSL[maker])
    trust = judges.people.trust(MOMENT)
    report = cms.verify(signature, CONTENT, trust=trust, moment=MOMENT)
    assert report.verdict is VALID, report
    assert report.signatures[0].level is (Level.B if "-cades" in OPENSSL[maker] else None)
    assert cms.verify(signature, CONTENT[1:], trust=trust, moment=MOMENT).verdict is DocumentVerdict.ALTERED


@pytest.mark.usefixtures("openssl_keys")
def test_signatures_with_sha1_are_not_believed(judges: Judges) -> None:
    signature = made_by_openssl(judges, WEAK["sha1"])
    report = cms.verify(signature, CONTENT, trust=judges.people.trust(MOMENT), moment=MOMENT)
    assert report.verdict is DocumentVerdict.CANNOT_TELL


@pytest.mark.usefixtures("openssl_keys")
def test_a_signature_by_openssl_is_raised_to_the_highest_level(judges: Judges) -> None:
    people = judges.people
    signature = made_by_openssl(judges, OPENSSL["by key identifier"])
    raised = cms.extend(
        signature,
        CONTENT,
        moment=MOMENT,
        level=Level.LTA,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
    )
    later = MOMENT + timedelta(days=600)
    report = cms.verify(raised, CONTENT, trust=people.trust(later), moment=later)
    assert (report.verdict, report.signatures[0].level) == (VALID, Level.LTA)
    judges.openssl_verify(raised, "-cades", "-content", "content.bin")


@pytest.mark.parametrize("by", ["sha1", "sha256"])
def test_timestamps_by_openssl_are_checked(judges: Judges, by: str) -> None:
    """Its authority names its certificate by SHA-1 where nobody tells it otherwise (ESSCertID of RFC 2634)."""
    programs, people = judges.programs, judges.people
    purpose = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
    party = people.authority.issue("Their stamper", extensions=[purpose])
    programs.write("tsa.pem", pem(party.der, "CERTIFICATE"))
    programs.write("tsa.key", pem(private_key_info(party.key).reveal(), "PRIVATE KEY"))
    programs.write("serial", "01")
    settings = ["serial = serial", "signer_digest = sha256", "default_policy = 1.2.3.4", "digests = sha256"]
    programs.write("ts.cnf", "\n".join(["[tsa]", *settings, f"ess_cert_id_alg = {by}", ""]))
    programs.run("openssl", "ts", "-query", "-data", "content.bin", "-sha256", "-cert", "-out", "query.tsq")
    keys = ["-signer", "tsa.pem", "-inkey", "tsa.key", "-chain", "authority.pem"]
    reply = ["ts", "-reply", "-config", "ts.cnf", "-section", "tsa", "-queryfile", "query.tsq", *keys]
    programs.run("openssl", *reply, "-token_out", "-out", "token.tst")
    trust = SigningTrust(people.trust(MOMENT), MOMENT)
    report = verify_timestamp(programs.read("token.tst"), DigestOf(CONTENT), trust)
    assert report.moment is not None
    soon = SigningTrust(people.trust(report.moment), report.moment)
    assert verify_timestamp(programs.read("token.tst"), DigestOf(CONTENT), soon).verdict is VALID
    assert verify_timestamp(programs.read("token.tst"), DigestOf(CONTENT[1:]), soon).verdict is DocumentVerdict.ALTERED


@pytest.mark.parametrize("detached", [False, True])
def test_signatures_by_pyhanko_are_checked(judges: Judges, detached: bool) -> None:
    people = judges.people
    certificates = [asn1_x509.Certificate.load(each) for each in (people.signer_party.der, people.authority.der)]
    key = PrivateKeyInfo.load(private_key_info(people.signer_party.key).reveal())
    registry = SimpleCertificateStore()
    registry.register(certificates[1])
    signer = SimpleSigner(certificates[0], key, registry)
    attributes = PdfCMSSignedAttributes(signing_time=MOMENT)
    made = signer.async_sign_general_data(
        CONTENT, "sha256", detached=detached, use_cades=True, signed_attr_settings=attributes
    )
    report = cms.verify(asyncio.run(made).dump(), CONTENT, trust=people.trust(MOMENT), moment=MOMENT)
    assert (report.verdict, report.signatures[0].level) == (VALID, Level.B)
    assert report.signatures[0].claimed_at == MOMENT


@pytest.mark.usefixtures("openssl_keys")
def test_a_large_file_is_signed_by_us_and_checked_by_openssl(judges: Judges, tmp_path: Path) -> None:
    source = tmp_path / "large.bin"
    with source.open("wb") as file:
        file.truncate(50_000_000)
    people = judges.people
    signature = cms.sign(source, people.signer, people.signer_party.der, people.chain, moment=MOMENT)
    name = judges.programs.write("large.p7s", signature)
    command = ["cms", "-verify", "-inform", "DER", "-in", name, "-CAfile", "root.pem", "-cades", "-purpose", "any"]
    judges.programs.run("openssl", *command, *AT, "-binary", "-content", str(source), "-out", "/dev/null")


# The card


@pytest.mark.parametrize(
    ("keys", "kind", "slot"),
    [
        ("9A on P-256", CardKind.THAI_T0, Slot.SIGNATURE),
        ("9A with RSA", CardKind.THAI_T1, Slot.SIGNATURE),
        ("9A on P-256", CardKind.THAI_T1, Slot.AUTHENTICATION),
    ],
    ids=["rsa", "p384", "p256"],
)
def test_the_card_signs_through_pcsc(
    keys: str,
    kind: CardKind,
    slot: Slot,
    insert: Insert,
    signing_card: Callable[..., Card],
    signing_authorities: Mapping[str, bytes],
    programs: Programs,
) -> None:
    events: list[str] = []

    def pin(state: PinState) -> Pin:
        assert state.retries_left
        events.append("PIN")
        return Pin(PIN)

    with insert(signing_card(kind, keys)) as (reader,), closing(connect(reader)) as connection:
        signer = PivSession.select(CardSession(connection)).signer(slot, pin)
        assert signer.certificate
        chain = [signing_authorities[keys]]
        now = datetime.now(UTC)
        signature = cms.sign(
            CONTENT, signer, signer.certificate, chain, moment=now, show=lambda *_: events.append("digest")
        )
    assert events == ["digest", "PIN"]
    accepted_by_openssl(programs, signature, signing_authorities[keys])


@pytest.mark.parametrize(
    ("keys", "key_id"),
    [("9A on P-256", 1), ("9A on P-256", 2), ("9A with RSA", 1), ("9A with RSA", 2)],
    ids=["9a-p256", "9c-rsa", "9a-rsa", "9c-p384"],
)
def test_opensc_signs_the_same_for_us(
    keys: str,
    key_id: int,
    insert: Insert,
    signing_card: Callable[..., Card],
    signing_authorities: Mapping[str, bytes],
    foreign_library: Callable[[str], Path],
    programs: Programs,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command with OpenSC's module: 9C (id 2) wants the PIN to be let in, and once more for the signature."""
    module = foreign_library("opensc-pkcs11.so")
    letter = programs.folder / programs.write("letter.txt", CONTENT)

    def sign(*out: str, pins: list[str]) -> int:
        reading, writing = os.pipe()
        os.write(writing, "".join(f"{pin}\n" for pin in pins).encode())
        os.close(writing)
        descriptors = ["--passphrase-fd", str(reading), *(["--pin-fd", str(reading)] if len(pins) > 1 else [])]
        return main(["sign", str(letter), "--format", "cades", "--key", reference, *descriptors, "--out", *out])

    with insert(signing_card(CardKind.THAI_T1, keys)):
        label = re.search(r"token label +: (.*)", programs.run("pkcs11-tool", "--list-token-slots"))
        assert label
        reference = f"pkcs11:token={quote(label[1].strip())};id=%{key_id:02x}?module-path={module}"
        out = programs.folder / "card.p7s"
        assert sign(str(out), pins=["654321"]) == ExitCode.USAGE  # the token's own PIN
        assert sign(str(out), pins=[PIN] * key_id) == ExitCode.OK, capsys.readouterr().err
        said = capsys.readouterr().err
        assert PIN not in said
        assert said.index("Digest (") < said.index("was saved")
    accepted_by_openssl(programs, out.read_bytes(), signing_authorities[keys])


def accepted_by_openssl(programs: Programs, signature: bytes, authority: bytes) -> None:
    """A detached signature under this authority, now."""
    trusted = programs.write("card-root.pem", pem(authority, "CERTIFICATE"))
    files = ["-in", programs.write("card.p7s", signature), "-content", programs.write("content.bin", CONTENT)]
    command = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", *files, "-CAfile", trusted, "-purpose", "any"]
    programs.run("openssl", *command, "-out", "out.bin")
    (found,) = cms.verify(signature, CONTENT, trust=None, moment=datetime.now(UTC)).signatures
    assert (found.verdict, found.level) == (DocumentVerdict.UNTRUSTED, Level.B)
