import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.errors import UsageError
from pki.certificates import load_certificate
from pki.errors import NotIssued, RequestRejected, SerialTaken, StoreFailed
from pki.status import CertificateState, CertificateStatus, RevocationReason
from pki.store import AuthorityRecord, PublishedList, RevokedEntry, ServiceRecord, Store, serial_content, shard_of
from tests.unit.registered import BASE_URI, CARD, DAY, HOUR, MOMENT, Registered, card_request, registered, serial_of

HELD, STOLEN = RevocationReason.CERTIFICATE_HOLD, RevocationReason.KEY_COMPROMISE


@pytest.fixture
def authorities() -> Registered:
    return registered()


def state(authorities: Registered, certificate: bytes) -> CertificateStatus:
    return authorities.store.status("persons", serial_of(certificate))


def entries(store: Store, since: int | None = None, shard: int | None = None) -> set[RevokedEntry]:
    return set(store.revoked("persons", shard, since))


# Certificates


def test_what_was_issued_is_known(authorities: Registered) -> None:
    certificate = authorities.card()
    found = authorities.store.certificate("persons", serial_of(certificate))
    assert found.certificate == certificate
    assert (found.profile, found.card_serial, found.application) == ("card_authentication", CARD, "piv")
    assert state(authorities, certificate) == CertificateStatus(CertificateState.GOOD)


def test_what_was_never_issued_is_unknown(authorities: Registered) -> None:
    assert authorities.store.status("persons", 4711).state is CertificateState.UNKNOWN
    assert authorities.store.status("root", serial_of(authorities.card())).state is CertificateState.UNKNOWN
    with pytest.raises(NotIssued):
        authorities.store.certificate("persons", 4711)
    with pytest.raises(NotIssued, match="no authority"):
        authorities.store.status("nobody", 1)


def test_a_serial_number_is_used_once(authorities: Registered) -> None:
    certificate = authorities.card()
    with pytest.raises(SerialTaken):
        authorities.store.record_certificate("persons", certificate, profile="card_authentication")
    authorities.store.record_certificate("root", certificate, profile="card_authentication")  # another authority's


def test_the_database_itself_refuses_a_second_one(authorities: Registered) -> None:
    authorities.card()
    with pytest.raises(sqlite3.IntegrityError):
        authorities.store._connection.execute(
            "INSERT INTO certificate SELECT id + 100, authority, serial, 9, "
            "profile, card_serial, application, not_after, der FROM certificate"
        )


def test_a_transaction_is_all_or_nothing(authorities: Registered) -> None:
    good = authorities.card()

    def half() -> None:
        with authorities.store.transaction():
            authorities.store.revoke("persons", serial_of(good), STOLEN, MOMENT)
            authorities.store.revoke("persons", 4711, STOLEN, MOMENT)

    with pytest.raises(NotIssued):
        half()
    assert state(authorities, good).state is CertificateState.GOOD
    assert entries(authorities.store) == set()


# Revocation


def test_revoked_is_for_ever(authorities: Registered) -> None:
    certificate = authorities.card()
    authorities.store.revoke("persons", serial_of(certificate), STOLEN, MOMENT)
    assert state(authorities, certificate) == CertificateStatus(CertificateState.REVOKED, MOMENT, STOLEN)
    with pytest.raises(RequestRejected, match="revoked already"):
        authorities.store.revoke("persons", serial_of(certificate), STOLEN, MOMENT)
    with pytest.raises(RequestRejected, match="not suspended"):
        authorities.store.reinstate("persons", serial_of(certificate), MOMENT)


def test_a_suspension_ends_well_or_badly(authorities: Registered) -> None:
    serial = serial_of(certificate := authorities.card())
    authorities.store.suspend("persons", serial, MOMENT)
    assert state(authorities, certificate) == CertificateStatus(CertificateState.REVOKED, MOMENT, HELD)
    with pytest.raises(RequestRejected, match="suspended already"):
        authorities.store.suspend("persons", serial, MOMENT)
    authorities.store.reinstate("persons", serial, MOMENT + HOUR)
    assert state(authorities, certificate).state is CertificateState.GOOD
    with pytest.raises(RequestRejected):
        authorities.store.reinstate("persons", serial, MOMENT + HOUR)
    authorities.store.suspend("persons", serial, MOMENT + DAY)
    authorities.store.revoke("persons", serial, STOLEN, MOMENT + 2 * DAY)
    assert state(authorities, certificate).reason is STOLEN


@pytest.mark.parametrize("reason", [RevocationReason.REMOVE_FROM_CRL])
def test_some_reasons_revoke_nothing(authorities: Registered, reason: RevocationReason) -> None:
    with pytest.raises(UsageError, match="reinstate"):
        authorities.store.revoke("persons", serial_of(authorities.card()), reason, MOMENT)


def test_a_moment_needs_its_zone(authorities: Registered) -> None:
    serial = serial_of(authorities.card())
    with pytest.raises(UsageError, match="time zone"):
        authorities.store.revoke("persons", serial, STOLEN, datetime(2026, 1, 1))  # noqa: DTZ001
    assert authorities.store.status("persons", serial).state is CertificateState.GOOD


def test_a_lost_card_is_revoked_everywhere_at_once(authorities: Registered) -> None:
    other = authorities.persons.issue(card_request("ANOTHER"), moment=MOMENT)
    first, held, revoked = (authorities.card() for _ in range(3))
    by_root = authorities.root.issue(card_request(), moment=MOMENT)
    store = authorities.store
    store.suspend("persons", serial_of(held), MOMENT - DAY)
    store.revoke("persons", serial_of(revoked), RevocationReason.SUPERSEDED, MOMENT - DAY)
    changed = store.revoke_card(CARD, STOLEN, MOMENT)
    assert {(each.authority, each.certificate) for each in changed} == {
        ("persons", first),
        ("persons", held),
        ("root", by_root),
    }
    assert state(authorities, held).reason is STOLEN
    assert state(authorities, revoked) == CertificateStatus(
        CertificateState.REVOKED, MOMENT - DAY, RevocationReason.SUPERSEDED
    )
    assert store.status("root", serial_of(by_root)).reason is STOLEN
    assert state(authorities, other).state is CertificateState.GOOD
    assert store.revoke_card(CARD, STOLEN, MOMENT) == ()
    with pytest.raises(NotIssued):
        store.revoke_card("NO CARD", STOLEN, MOMENT)


# Lists


def test_each_revocation_is_in_its_shard() -> None:
    authorities = registered(crl_shards=4)
    serials = [serial_of(authorities.card()) for _ in range(20)]
    for serial in serials:
        authorities.store.revoke("persons", serial, STOLEN, MOMENT)
    for shard in range(4):
        assert entries(authorities.store, shard=shard) == {
            RevokedEntry(serial, MOMENT, STOLEN) for serial in serials if serial % 4 == shard
        }
    assert len(entries(authorities.store)) == 20


def test_more_shards_leave_old_certificates_where_they_are() -> None:
    authorities = registered(crl_shards=2)
    serial = serial_of(authorities.card())
    authorities.store.grow_shards("persons", 8)
    authorities.store.revoke("persons", serial, STOLEN, MOMENT)
    assert len(entries(authorities.store, shard=shard_of(serial, 2))) == 1
    assert authorities.store.shards("persons") == range(8)
    for wrong in (4, 3, 0, 1 << 17):
        with pytest.raises(UsageError):
            authorities.store.grow_shards("persons", wrong)
    with pytest.raises(UsageError, match="root"):
        authorities.store.grow_shards("root", 2)


def test_since_a_list_only_the_last_state_counts(authorities: Registered) -> None:
    store = authorities.store
    first, second, third = (serial_of(authorities.card()) for _ in range(3))
    store.suspend("persons", first, MOMENT)
    since = store.last_change()
    assert entries(store, since) == set()
    store.reinstate("persons", first, MOMENT + HOUR)
    store.suspend("persons", second, MOMENT + HOUR)
    store.revoke("persons", second, STOLEN, MOMENT + DAY)
    assert entries(store, since) == {
        RevokedEntry(first, MOMENT + HOUR, RevocationReason.REMOVE_FROM_CRL),
        RevokedEntry(second, MOMENT + DAY, STOLEN),
    }
    assert entries(store) == {RevokedEntry(second, MOMENT + DAY, STOLEN)}
    assert third not in {entry.serial for entry in entries(store, 0)}


def test_an_expired_certificate_is_on_one_more_list(authorities: Registered) -> None:
    store = authorities.store
    serial = serial_of(certificate := authorities.card())
    store.revoke("persons", serial, STOLEN, MOMENT)
    end = load_certificate(certificate).not_valid_after_utc

    def publish(at: datetime) -> int:
        count = len(entries(store, shard=0))
        number = store.next_crl_number("persons", 0)
        store.record_published("persons", 0, PublishedList(number, store.last_change(), at, at + DAY))
        return count

    assert publish(MOMENT) == 1
    assert publish(end - HOUR) == 1
    assert publish(end + HOUR) == 1  # the first one after its end still has it
    assert publish(end + DAY) == 0


def test_what_is_revoked_after_its_end_is_told_once(authorities: Registered) -> None:
    store = authorities.store
    serial = serial_of(certificate := authorities.card())
    late = load_certificate(certificate).not_valid_after_utc + 10 * DAY
    store.record_published("persons", 0, PublishedList(store.next_crl_number("persons", 0), 0, late, late + DAY))
    store.revoke("persons", serial, STOLEN, late)
    assert len(entries(store)) == 1


def test_numbers_of_lists_only_grow(authorities: Registered) -> None:
    store = authorities.store
    assert [store.next_crl_number("persons", 0) for _ in range(3)] == [1, 2, 3]
    assert store.next_crl_number("persons", 1) == 1
    assert store.next_crl_number("root", 0) == 1
    assert store.published("persons", 0) is None
    newest = PublishedList(3, 7, MOMENT, MOMENT + DAY)
    store.record_published("persons", 0, newest)
    store.record_published("persons", 0, PublishedList(2, 1, MOMENT - DAY, MOMENT))  # came late: changes nothing
    assert store.published("persons", 0) == newest


# The file


def test_a_register_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "register"
    with Store.open(path) as store:
        authorities = registered(store)
        serial = serial_of(authorities.card())
        store.revoke("persons", serial, STOLEN, MOMENT)
        number = store.next_crl_number("persons", 0)
        store.put_service(ServiceRecord("ocsp", "persons", "ocsp", "file:ocsp.pem", b"certificate"))
        records = store.authorities()
    assert path.stat().st_mode & 0o777 == 0o600
    with Store.open(path, create=False) as store:
        assert store.authorities() == records
        assert store.status("persons", serial).reason is STOLEN
        assert store.next_crl_number("persons", 0) == number + 1
        assert store.services() == (ServiceRecord("ocsp", "persons", "ocsp", "file:ocsp.pem", b"certificate"),)


def test_two_may_write_at_once(tmp_path: Path) -> None:
    with Store.open(tmp_path / "register") as one, Store.open(tmp_path / "register") as other:
        registered(one)
        assert [store.next_crl_number("persons", 0) for store in (one, other, one)] == [1, 2, 3]


def test_a_commit_waits_for_the_medium(tmp_path: Path) -> None:
    with Store.open(tmp_path / "register") as store:
        found = [store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
    assert found == [2, "wal"]


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + bytes(5000)])
def test_another_file_is_no_register(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "register"
    path.write_bytes(content)
    with pytest.raises(StoreFailed):
        Store.open(path)
    assert path.read_bytes() == content


def test_another_database_is_no_register(tmp_path: Path) -> None:
    path = tmp_path / "register"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="no register"):
        Store.open(path)
    assert path.read_bytes() == before


def test_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with Store.open(tmp_path / "register") as store:
        store._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreFailed, match="later version"):
        Store.open(tmp_path / "register")


@pytest.mark.parametrize("name", ["no/such/folder", ".", "a\0b"])
def test_a_place_that_is_none_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreFailed):
        Store.open(tmp_path / name)


def test_a_register_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="ca init"):
        Store.open(tmp_path / "register", create=False)
    assert not (tmp_path / "register").exists()


def test_a_closed_register_is_told() -> None:
    store = Store.in_memory()
    store.close()
    with pytest.raises(StoreFailed):
        store.authorities()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "a b"}, "letters"),
        ({"name": "../x"}, "letters"),
        ({"name": ""}, "letters"),
        ({"base_uri": "ftp://pki.example"}, "base address"),
        ({"base_uri": "http://"}, "base address"),
        ({"base_uri": "http://pki.example/"}, "slash"),
        ({"base_uri": "http://pki.example?x"}, "query"),
        ({"base_uri": "http://ก.example"}, "base address"),
        ({"crl_shards": 3}, "power of two"),
        ({"crl_shards": 2}, "root's list"),
    ],
)
def test_an_authority_that_can_not_be_is_refused(authorities: Registered, change: dict[str, object], word: str) -> None:
    values = {
        "name": "new",
        "certificate": authorities.root.certificate,
        "key_reference": "file:x",
        "base_uri": BASE_URI,
        **change,
    }
    with pytest.raises(UsageError, match=word):
        authorities.store.add_authority(AuthorityRecord(**values))  # type: ignore[arg-type]


def test_a_name_is_given_once(authorities: Registered) -> None:
    with pytest.raises(UsageError, match="already"):
        authorities.store.add_authority(authorities.store.authority("root"))


@given(st.integers(min_value=0, max_value=2**159 - 1))
def test_a_serial_number_is_kept_as_der_has_it(serial: int) -> None:
    content = serial_content(serial)
    assert int.from_bytes(content, "big", signed=True) == serial
    assert len(content) == 1 or content[0] or content[1] >> 7


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["suspend", "revoke", "reinstate", "publish"])), max_size=30)
)
def test_a_full_list_and_its_deltas_tell_what_the_register_does(events: list[tuple[int, str]]) -> None:
    """Whatever happens in whatever order: the last full list, corrected by the delta, is the truth."""
    authorities = registered()
    store = authorities.store
    serials = [serial_of(authorities.card()) for _ in range(4)]
    base, since = entries(store), store.last_change()
    for step, (number, event) in enumerate(events):
        at = MOMENT + timedelta(seconds=step)
        try:
            match event:
                case "suspend":
                    store.suspend("persons", serials[number], at)
                case "revoke":
                    store.revoke("persons", serials[number], STOLEN, at)
                case "reinstate":
                    store.reinstate("persons", serials[number], at)
                case _:
                    base, since = entries(store), store.last_change()
        except RequestRejected:
            continue
    told = {entry.serial: entry for entry in base}
    for entry in store.revoked("persons", since=since):
        told[entry.serial] = entry
    listed = {entry for entry in told.values() if entry.reason is not RevocationReason.REMOVE_FROM_CRL}
    assert listed == entries(store)
    for serial in serials:
        assert (store.status("persons", serial).state is CertificateState.REVOKED) == (
            serial in {entry.serial for entry in listed}
        )


def test_a_register_of_version_1_gets_what_it_lacks(tmp_path: Path) -> None:
    with Store.open(tmp_path / "register") as store:
        store._connection.execute("DROP INDEX revocation_serial")
        store._connection.execute("PRAGMA user_version = 1")
    with Store.open(tmp_path / "register") as store:
        [version] = store._connection.execute("PRAGMA user_version").fetchone()
        indexes = store._connection.execute("PRAGMA index_list(revocation)").fetchall()
    assert version == 2
    assert "revocation_serial" in [name for _, name, *_ in indexes]
