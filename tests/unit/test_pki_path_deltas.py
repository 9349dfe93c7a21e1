"""Path validation with delta CRLs: used if current and adding to the full list, never needed (RFC 5280, 6.3.3)."""

from datetime import timedelta

import pytest
from cryptography import x509

from pki.path import PathReport, Result, Verdict, validate
from tests.unit.small_pki import MOMENT, Party, root

HOUR = timedelta(hours=1)
HOLD = x509.ReasonFlags.certificate_hold
REMOVED = x509.ReasonFlags.remove_from_crl
COMPROMISED = x509.ReasonFlags.key_compromise
ROOT = root()
AUTHORITY = ROOT.issue("Authority", authority=True)
PERSON = AUTHORITY.issue("Somchai", serial=77)
FRESHEST = x509.FreshestCRL(
    [x509.DistributionPoint([x509.UniformResourceIdentifier("http://a.test/delta.crl")], None, None, None)]
)
Entries = list[tuple[int, x509.ReasonFlags | None]]


def full(number: int = 5, entries: Entries | None = None, *, freshest: bool = True, signer: Party = AUTHORITY) -> bytes:
    extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.CRLNumber(number), False)]
    return signer.crl(entries or [], extensions=[*extensions, *([(FRESHEST, False)] if freshest else [])])


def delta(
    number: int = 6,
    base: int = 5,
    entries: Entries | None = None,
    *,
    signer: Party = AUTHORITY,
    made: timedelta = -HOUR,
    further: list[tuple[x509.ExtensionType, bool]] | None = None,
) -> bytes:
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.CRLNumber(number), False),
        (x509.DeltaCRLIndicator(base), True),
        *(further or []),
    ]
    times = {"this_update": MOMENT + made, "next_update": MOMENT + made + 4 * HOUR}
    return signer.crl(entries or [], extensions=extensions, **times)


def check(*crls: bytes) -> PathReport:
    return validate(PERSON.der, anchors=[ROOT.der], others=[AUTHORITY.der], crls=[ROOT.crl(), *crls], moment=MOMENT)


def notes(report: PathReport) -> set[str]:
    return {each.text.en for each in report.findings if each.result is Result.NOTED}


def test_a_full_list_that_names_a_delta_is_enough_and_the_report_says_so() -> None:
    report = check(full())
    assert report.verdict is Verdict.VALID
    [note] = notes(report)
    assert "no current delta CRL is at hand" in note
    assert notes(check(full(), delta())) == set()
    assert notes(check(full(freshest=False))) == set()


def test_without_its_delta_a_full_list_still_tells_who_is_revoked() -> None:
    assert check(full(entries=[(77, COMPROMISED)])).verdict is Verdict.REVOKED


@pytest.mark.parametrize("freshest", [True, False], ids=["named", "not named"])
def test_a_delta_at_hand_is_used(freshest: bool) -> None:
    report = check(full(freshest=freshest), delta(entries=[(77, COMPROMISED)]))
    assert (report.verdict, report.reason) == (Verdict.REVOKED, "key_compromise")
    held = full(entries=[(77, HOLD)], freshest=freshest)
    assert check(held).verdict is Verdict.REVOKED
    assert check(held, delta(entries=[(77, REMOVED)])).verdict is Verdict.VALID


def test_of_several_deltas_the_newest_counts() -> None:
    held, released = delta(6, entries=[(77, HOLD)]), delta(7, entries=[(77, REMOVED)], made=-HOUR / 2)
    for order in ((held, released), (released, held)):
        assert check(full(), *order).verdict is Verdict.VALID
    assert check(full(), released, delta(8, entries=[(77, HOLD)])).verdict is Verdict.REVOKED


@pytest.mark.parametrize(
    "unfit",
    [
        delta(base=6, number=7, entries=[(77, REMOVED)]),
        delta(base=4, number=5, entries=[(77, REMOVED)]),
        delta(made=HOUR, entries=[(77, REMOVED)]),
        delta(made=-5 * HOUR, entries=[(77, REMOVED)]),
        delta(signer=root("Another"), entries=[(77, REMOVED)]),
        delta(
            further=[(x509.IssuingDistributionPoint(None, None, True, False, None, False, False), True)],
            entries=[(77, REMOVED)],
        ),
    ],
    ids=["of a later base", "not newer", "of the future", "stale", "by somebody else", "of another scope"],
)
def test_a_delta_that_does_not_add_to_the_full_list_changes_nothing(unfit: bytes) -> None:
    assert check(full(entries=[(77, HOLD)]), unfit).verdict is Verdict.REVOKED
    assert check(full(), unfit).verdict is Verdict.VALID


def test_a_forged_delta_proves_nothing() -> None:
    forged = delta(entries=[(77, REMOVED)], signer=root("Authority"))
    assert check(full(entries=[(77, HOLD)]), forged).verdict is not Verdict.VALID


def test_a_delta_alone_proves_nothing() -> None:
    assert check(delta()).verdict is Verdict.CANNOT_TELL
    assert check(delta(), full(signer=ROOT)).verdict is Verdict.CANNOT_TELL


def test_an_older_full_list_beside_a_newer_one_is_not_mixed_with_its_delta() -> None:
    """The older list knows nothing of what was revoked between: only the newer one goes with the delta."""
    older, newer = full(3), full(5, [(77, COMPROMISED)])
    assert check(older, newer, delta()).verdict is Verdict.REVOKED
    report = check(older, delta(base=5))
    assert report.verdict is Verdict.VALID  # by the older list's own word, which is current
    assert len(notes(report)) == 1
