"""Whose revocation lists are missing for a path."""

from datetime import timedelta

from pki.missing_lists import authorities_without_list
from tests.unit.small_pki import MOMENT, root

ROOT = root()
AUTHORITY = ROOT.issue("Authority", authority=True)
CHAIN = (AUTHORITY.issue("Leaf").der, AUTHORITY.der, ROOT.der)
PAST = MOMENT - timedelta(days=30)


def test_all_that_have_no_list_are_named_from_the_certificate_up() -> None:
    assert authorities_without_list(CHAIN, [], MOMENT) == ("CN=Authority", "CN=Root")
    assert authorities_without_list(CHAIN, [ROOT.crl()], MOMENT) == ("CN=Authority",)
    assert authorities_without_list(CHAIN, [ROOT.crl(), AUTHORITY.crl()], MOMENT) == ()
    assert authorities_without_list((), [], MOMENT) == ()


def test_lists_of_other_times_and_rubbish_are_none() -> None:
    stale = AUTHORITY.crl(this_update=PAST, next_update=PAST + timedelta(days=1))
    future = AUTHORITY.crl(this_update=MOMENT + timedelta(seconds=1))
    for crl in (stale, future, b"", b"\x30\x00", ROOT.crl()[:-1]):
        assert authorities_without_list(CHAIN, [ROOT.crl(), crl], MOMENT) == ("CN=Authority",)
