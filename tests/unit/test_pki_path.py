"""Path validation: each verdict, what is left open by certvalidator, and hostile input."""

import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.errors import UsageError
from pki.errors import Malformed
from pki.path import Bounds, PathReport, Result, RevocationRule, Verdict, validate
from tests.unit.small_pki import MOMENT, YEAR, Party, root

ROOT = root()
AUTHORITY = ROOT.issue("Authority", authority=True)
PERSON = AUTHORITY.issue("Somchai", serial=77)
CRLS = [ROOT.crl(), AUTHORITY.crl()]
OID_OFFICER = "2.25.1234"


def check(certificate: bytes, **options: object) -> PathReport:
    wanted = {"anchors": [ROOT.der], "others": [AUTHORITY.der], "crls": CRLS, "moment": MOMENT, **options}
    return validate(certificate, **wanted)  # type: ignore[arg-type]  # the options of one test at a time


def failed(report: PathReport) -> set[str]:
    return {finding.check for finding in report.findings if finding.result in {Result.FAILED, Result.UNKNOWN}}


def test_a_good_path_is_valid_and_says_what_it_rests_on() -> None:
    report = check(PERSON.der)
    assert report.verdict is Verdict.VALID
    assert report.chain == (PERSON.der, AUTHORITY.der, ROOT.der)
    status = next(finding for finding in report.findings if finding.check == "revocation")
    assert status.evidence["crl_next_update"] == (MOMENT + timedelta(days=7)).isoformat()
    assert all(finding.text.th and finding.text.en for finding in report.findings)


@pytest.mark.parametrize("rule", list(RevocationRule))
def test_a_revoked_certificate_is_told_with_time_and_reason(rule: RevocationRule) -> None:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier("http://a.test/1.crl")], None, None, None)
    person = AUTHORITY.issue("Lost", serial=78, extensions=[(x509.CRLDistributionPoints([point]), False)])
    crls = [ROOT.crl(), AUTHORITY.crl([(78, x509.ReasonFlags.key_compromise)])]
    report = check(person.der, crls=crls, revocation=rule)
    if rule is RevocationRule.OFF:
        assert report.verdict is Verdict.VALID
        assert any("not checked" in finding.text.en for finding in report.findings)
    else:
        assert report.verdict is Verdict.REVOKED
        assert report.reason == "key_compromise"
        assert report.revoked_at == MOMENT - timedelta(days=2)


def test_a_revoked_certificate_without_pointers_is_revoked_too() -> None:
    """certvalidator's `hard-fail` lets it pass (pki.md, finding 5)."""
    crls = [ROOT.crl(), AUTHORITY.crl([(77, None)])]
    assert check(PERSON.der, crls=crls).verdict is Verdict.REVOKED


def test_suspended_is_revoked_with_its_reason() -> None:
    report = check(PERSON.der, crls=[ROOT.crl(), AUTHORITY.crl([(77, x509.ReasonFlags.certificate_hold)])])
    assert (report.verdict, report.reason) == (Verdict.REVOKED, "certificate_hold")


def test_a_revocation_later_than_the_moment_does_not_count_yet() -> None:
    crls = [ROOT.crl(), AUTHORITY.crl([(77, None)], revoked_at=MOMENT + timedelta(hours=1))]
    assert check(PERSON.der, crls=crls).verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("crls", "why"),
    [
        ([], "no CRL at all"),
        ([ROOT.crl()], "none by the authority"),
        ([ROOT.crl(), AUTHORITY.crl(next_update=MOMENT - timedelta(hours=1))], "stale"),
        ([ROOT.crl(), AUTHORITY.crl(this_update=MOMENT + timedelta(hours=1))], "of the future"),
        ([ROOT.crl(), root("Authority").crl()], "signed by somebody else of that name"),
    ],
)
def test_without_current_revocation_data_it_can_not_be_told(crls: list[bytes], why: str) -> None:
    report = check(PERSON.der, crls=crls)
    assert report.verdict is Verdict.CANNOT_TELL, why
    assert failed(report) == {"revocation"}


def test_a_crl_of_another_partition_proves_nothing() -> None:
    mine = x509.DistributionPoint([x509.UniformResourceIdentifier("http://a.test/1.crl")], None, None, None)
    person = AUTHORITY.issue("Shard", extensions=[(x509.CRLDistributionPoints([mine]), False)])
    other = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://a.test/2.crl")], None, False, False, None, False, False
    )
    report = check(person.der, crls=[ROOT.crl(), AUTHORITY.crl(extensions=[(other, True)])])
    assert report.verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("moment", "verdict"),
    [
        (MOMENT + YEAR + timedelta(seconds=1), Verdict.EXPIRED),
        (MOMENT - YEAR - timedelta(seconds=1), Verdict.NOT_YET_VALID),
    ],
)
def test_outside_its_time_by_a_second(moment: datetime, verdict: Verdict) -> None:
    report = check(PERSON.der, moment=moment)
    assert report.verdict is verdict
    assert failed(report) == {"time"}


def test_untrusted_without_a_path() -> None:
    assert check(PERSON.der, anchors=[root().der]).verdict is Verdict.UNTRUSTED
    assert check(PERSON.der, others=[]).verdict is Verdict.UNTRUSTED
    assert check(PERSON.der, anchors=[]).verdict is Verdict.UNTRUSTED


def test_an_intermediate_anchor_needs_no_root() -> None:
    report = check(PERSON.der, anchors=[AUTHORITY.der], others=[])
    assert report.verdict is Verdict.VALID
    assert report.chain == (PERSON.der, AUTHORITY.der)


def test_an_anchor_is_its_own_proof_until_it_expires() -> None:
    assert check(ROOT.der).verdict is Verdict.VALID
    assert check(ROOT.der, moment=MOMENT + 11 * YEAR).verdict is Verdict.EXPIRED


def test_the_constraints_of_an_anchor_hold() -> None:
    constrained = root("Constrained")
    permitted = x509.NameConstraints([x509.DNSName("permitted.test")], None)
    anchor = constrained.issue("Constrained", authority=True, key=constrained.key, extensions=[(permitted, True)])
    names = x509.SubjectAlternativeName([x509.DNSName("elsewhere.test")])
    server = anchor.issue("elsewhere.test", extensions=[(names, False)])
    assert check(server.der, anchors=[anchor.der], crls=[anchor.crl()]).verdict is Verdict.UNTRUSTED


def test_extended_key_usage() -> None:
    purpose = x509.ExtendedKeyUsage([x509.ObjectIdentifier(OID_OFFICER)])
    other = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.25.9")])
    officer = AUTHORITY.issue("Officer", extensions=[(purpose, True)])
    assert check(officer.der, usage=OID_OFFICER).verdict is Verdict.VALID
    assert failed(check(PERSON.der, usage=OID_OFFICER)) == {"usage"}
    bounded = ROOT.issue("Bounded", authority=True, extensions=[(other, False)])
    forged = bounded.issue("Officer", extensions=[(purpose, True)])
    report = check(forged.der, usage=OID_OFFICER, others=[bounded.der], crls=[ROOT.crl(), bounded.crl()])
    assert failed(report) == {"usage"}


def test_a_crl_that_says_revoked_outweighs_an_ocsp_response_that_says_good() -> None:
    access = x509.AuthorityInformationAccess(
        [x509.AccessDescription(x509.OID_OCSP, x509.UniformResourceIdentifier("http://ocsp.test/"))]
    )
    person = AUTHORITY.issue("Both", serial=99, extensions=[(access, False)])
    good = ocsp_response(person, AUTHORITY, ocsp.OCSPCertStatus.GOOD)
    assert check(person.der, crls=[ROOT.crl()], ocsps=[good]).verdict is Verdict.VALID
    crls = [ROOT.crl(), AUTHORITY.crl([(99, None)])]
    assert check(person.der, crls=crls, ocsps=[good]).verdict is Verdict.REVOKED
    revoked = ocsp_response(person, AUTHORITY, ocsp.OCSPCertStatus.REVOKED)
    assert check(person.der, crls=[ROOT.crl()], ocsps=[revoked]).verdict is Verdict.REVOKED
    foreign = ocsp_response(person, root("Authority"), ocsp.OCSPCertStatus.GOOD)
    assert check(person.der, crls=[ROOT.crl()], ocsps=[foreign]).verdict is Verdict.CANNOT_TELL


def ocsp_response(person: Party, issuer: Party, status: ocsp.OCSPCertStatus) -> bytes:
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        person.certificate,
        issuer.certificate,
        hashes.SHA256(),
        status,
        MOMENT - timedelta(hours=1),
        MOMENT + timedelta(hours=1),
        MOMENT - timedelta(days=1) if revoked else None,
        None,
    )
    signed = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate).sign(issuer.key, hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def test_sha1_is_believed_of_old_certificates_only() -> None:
    from pki.path_algorithms import weakness
    from pki.path_candidates import read_candidate

    signature = read_candidate(PERSON.der).loose["signature_algorithm"].copy()
    signature["algorithm"] = "sha1_ecdsa"
    assert weakness(signature, None, datetime(2013, 12, 31, tzinfo=UTC)) is None
    assert weakness(signature, None, datetime(2014, 1, 1, tzinfo=UTC)) == "sha1"
    signature["algorithm"] = "md5_rsa"
    assert weakness(signature, None, datetime(2000, 1, 1, tzinfo=UTC)) == "md5"


# Hostile input: bounded, and never valid


def test_eight_authorities_of_one_name_cost_little() -> None:
    """certvalidator alone needs 11 seconds for these (pki.md, finding 4)."""
    same = [root("Same") for _ in range(8)]
    forged = [
        issuer.issue("Same", authority=True, key=subject.key, identifiers=False).der
        for issuer, subject in itertools.permutations(same, 2)
    ]
    person = same[0].issue("Victim", identifiers=False)
    begun = time.process_time()
    report = check(person.der, others=forged, crls=[])
    assert report.verdict is Verdict.UNTRUSTED
    assert time.process_time() - begun < 2 * Bounds().seconds


def test_a_thousand_embedded_certificates_and_circles_end() -> None:
    key_a, key_b = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    a, b = Party("A", key_a, ROOT.certificate), Party("B", key_b, ROOT.certificate)
    circle = [a.issue("B", authority=True, key=key_b).der, b.issue("A", authority=True, key=key_a).der]
    person = a.issue("Victim")
    report = check(person.der, others=[*circle, *[AUTHORITY.der] * 1500])
    assert report.verdict is Verdict.UNTRUSTED
    assert any(finding.check == "bounds" for finding in report.findings)


def test_no_time_left_is_no_proof() -> None:
    ticks = itertools.count(0, 10)
    report = check(PERSON.der, clock=lambda: float(next(ticks)))
    assert report.verdict is Verdict.CANNOT_TELL
    assert failed(report) == {"path"}
    assert any(finding.evidence.get("bound") == "seconds" for finding in report.findings)


def test_a_path_that_is_too_deep_is_not_followed() -> None:
    chain = [ROOT]
    for depth in range(12):
        chain.append(chain[-1].issue(f"Level {depth}", authority=True))
    person = chain[-1].issue("Deep")
    report = check(person.der, others=[each.der for each in chain[1:]], crls=[each.crl() for each in chain])
    assert report.verdict is Verdict.UNTRUSTED


def test_a_huge_crl_is_left_out_rather_than_read() -> None:
    crls = [ROOT.crl(), AUTHORITY.crl([(number, None) for number in range(100, 400)])]
    report = check(PERSON.der, crls=crls, bounds=Bounds(revocation_bytes=2000))
    assert report.verdict is Verdict.CANNOT_TELL


def test_forged_lists_and_lists_of_strangers_cost_little() -> None:
    """certvalidator alone looks for the issuer of each, in every order of those who share a name: minutes."""
    twins = [root("Authority") for _ in range(12)]
    theirs = [twin.crl([(77, None)]) for twin in twins for _ in range(20)]
    forged = [CRLS[1][:-10] + bytes((number, *bytes(9))) for number in range(100)]
    begun = time.process_time()
    report = check(
        PERSON.der, others=[AUTHORITY.der, *[twin.der for twin in twins]], crls=[ROOT.crl(), *theirs, *forged]
    )
    assert report.verdict in {Verdict.CANNOT_TELL, Verdict.UNTRUSTED}
    assert time.process_time() - begun < 2 * Bounds().seconds


def test_more_ocsp_responses_than_will_be_checked() -> None:
    access = x509.AuthorityInformationAccess(
        [x509.AccessDescription(x509.OID_OCSP, x509.UniformResourceIdentifier("http://ocsp.test/"))]
    )
    person = AUTHORITY.issue("Asked", serial=99, extensions=[(access, False)])
    good, other = (ocsp_response(each, AUTHORITY, ocsp.OCSPCertStatus.GOOD) for each in (person, PERSON))
    assert check(person.der, crls=[ROOT.crl()], ocsps=[*[other] * 100, good]).verdict is Verdict.VALID
    report = check(person.der, crls=[ROOT.crl()], ocsps=[good] * 100)
    assert any(finding.evidence.get("bound") == "revocation_data" for finding in report.findings)


def test_damaged_certificates_are_untrusted_and_damaged_companions_left_out() -> None:
    assert check(PERSON.der[:-1]).verdict is Verdict.UNTRUSTED
    assert check(PERSON.der + b"\0").verdict is Verdict.UNTRUSTED
    assert check(b"").verdict is Verdict.UNTRUSTED
    assert (
        check(PERSON.der, others=[b"\x30\x03\x02\x01", AUTHORITY.der], crls=[b"\x30\x00", *CRLS]).verdict
        is Verdict.VALID
    )


def test_the_callers_own_mistakes_are_errors() -> None:
    with pytest.raises(UsageError):
        check(PERSON.der, moment=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake
    with pytest.raises(Malformed):
        check(PERSON.der, anchors=[b"no certificate"])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_flipped_bit_makes_a_certificate_valid_or_breaks_the_check(data: st.DataObject) -> None:
    target = data.draw(st.sampled_from([PERSON.der, AUTHORITY.der, CRLS[1]]))
    place = data.draw(st.integers(0, 8 * len(target) - 1))
    changed = bytearray(target)
    changed[place // 8] ^= 1 << place % 8
    wrong = bytes(changed)
    parts = [wrong if each == target else each for each in (PERSON.der, AUTHORITY.der, CRLS[1])]
    report = check(parts[0], others=[parts[1]], crls=[CRLS[0], parts[2]])
    assert report.verdict is not Verdict.VALID


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_check(data: bytes) -> None:
    assert check(data).verdict is Verdict.UNTRUSTED
    assert check(PERSON.der, others=[AUTHORITY.der, data], crls=[*CRLS, data], ocsps=[data]).verdict is Verdict.VALID


def test_authorities_of_one_name_that_certified_each_other_end_with_lists_at_hand() -> None:
    first, second = ROOT.issue("Same", authority=True), ROOT.issue("Same", authority=True)
    circle = [
        first.issue("Same", authority=True, key=second.key).der,
        second.issue("Same", authority=True, key=first.key).der,
    ]
    person = second.issue("Person")
    report = check(person.der, others=[first.der, second.der, *circle], crls=[ROOT.crl(), first.crl(), second.crl()])
    assert report.verdict is Verdict.VALID
