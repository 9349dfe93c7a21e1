"""Data groups of what was read, the test hierarchy in its folder, and sealed cards as images."""

import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from cardapps.civil_servant import layout as servant_layout
from cardapps.hierarchy import CRL_RENEWAL, CRL_VALIDITY, Hierarchy
from cardapps.hierarchy_place import FINGERPRINT
from cardapps.hierarchy_plan import hierarchy_plan
from cardapps.seal_files import APPLICATION_CERTIFICATE, SECURITY_OBJECT
from cardapps.sealing import binding_groups, data_groups, fields_of
from ecitizen.apps import installed_drivers
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import sections_for
from ecitizen.errors import FileFailed
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.model import CardAdmin, CitizenId, Photo
from ecitizen.ports import CommandWords, SealedDriver
from ecitizen.usecases.read_card import read_card
from pki.certificates import certified_key, load_certificate
from pki.data_security import GROUP_CHIP_SERIAL, GROUP_KEY, check_signature, compare_hashes, open_security_object
from pki.errors import StoreFailed
from pki.profiles import standard_profiles
from pki.status import RevocationReason
from pki.trust import TrustStore
from tests.sealed_cards import Workshop, reader_with

DRIVERS = {driver.name: driver for driver in installed_drivers()}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def sealed_driver(name: str) -> SealedDriver:
    driver = DRIVERS[name]
    assert isinstance(driver, SealedDriver)
    return driver


# --- data groups ---


@pytest.mark.parametrize("name", DRIVERS)
def test_every_field_is_in_exactly_one_of_at_most_14_groups(name: str) -> None:
    driver = sealed_driver(name)
    grouped = [field for fields in driver.data_groups.values() for field in fields]
    own = set(DRIVERS[name].fields) - {"chip_serial"} | (
        {servant_layout.RAW_REST} if name == "civil_servant" else set()
    )
    assert sorted(grouped) == sorted(own)
    assert list(driver.data_groups) == list(range(1, len(driver.data_groups) + 1))
    assert len(driver.data_groups) <= 14
    assert driver.expiry_field is None or driver.expiry_field in DRIVERS[name].fields


def test_groups_are_the_raw_fields_with_their_padding_and_the_photo_up_to_its_end() -> None:
    reading = read_card(reader_with(sections_for(find_persona("wanida"), CardProtocol.T0)))
    record = reading.citizen_id
    assert record is not None
    assert record.photo is not None
    groups = data_groups(sealed_driver("citizen_id"), record)
    assert groups[1] == b"000301"
    assert groups[2] == b"1999900200250"
    assert (groups[3], len(groups[3])) == ("นาง#วนิดา##รักษ์แผ่นดิน".encode("cp874").ljust(100), 100)
    assert groups[13] == record.photo.jpeg
    assert sorted(groups) == list(range(1, 14))
    servant = reading.civil_servant
    assert servant is not None
    groups = data_groups(sealed_driver("civil_servant"), servant)
    assert groups[1] == b"CS-9999-000123"
    assert groups[6] == b"\x01"
    assert groups[11] == bytes.fromhex("C00101")  # the version


def test_what_is_not_there_is_in_no_group() -> None:
    driver = sealed_driver("citizen_id")
    assert data_groups(driver, CitizenId()) == {}
    assert data_groups(driver, CitizenId(raw={"cid": b"1", "photo": b"  \0"})) == {2: b"1"}
    assert data_groups(driver, CitizenId(raw={"photo": b"damaged"})) == {13: b"damaged"}
    assert data_groups(driver, CitizenId(photo=Photo(b"jpeg"), raw={"photo": b"jpeg   "})) == {13: b"jpeg"}
    assert data_groups(sealed_driver("card_admin"), CardAdmin(raw={"chip_serial": bytes(8)})) == {}


def test_groups_have_names() -> None:
    driver = sealed_driver("citizen_id")
    assert fields_of(driver, (8, 10)) == ("issue_place", "issuer_code", "expiry_date")
    assert fields_of(driver, (14,)) == ("data group 14",)
    assert binding_groups(b"key", b"chip") == {15: b"key", 16: b"chip"}


@pytest.mark.parametrize("name", DRIVERS)
def test_reads_of_the_seals_are_told_in_words(name: str) -> None:
    driver = DRIVERS[name]
    assert isinstance(driver, CommandWords)
    for p1, words in ((0x9D, "security object"), (0x9C, "certificate")):
        for cla in (0x00, 0x01):
            assert words in (driver.command_words(CommandApdu(cla, 0xB0, p1, 0, ne=256)) or "")
    for other in (CommandApdu(0x80, 0xB0, 0x9D, 0, ne=256), CommandApdu(0x00, 0xB0, 0x9E, 0, ne=256)):
        assert "security object" not in (driver.command_words(other) or "")


# --- the hierarchy ---


def test_the_hierarchy_is_made_once_and_nobody_else_may_look(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "hierarchy"
    with Hierarchy.open(folder) as first:
        trust = TrustStore.open(first.trust_folder)
    with Hierarchy.open(folder) as second:
        again = TrustStore.open(second.trust_folder)
    assert (trust.anchors, trust.issuers, trust.crls) == (again.anchors, again.issuers, again.crls)
    assert trust.policy.test
    assert not trust.refused
    assert len(trust.crls) == 5
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() or "keys" in path.parts:
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert sorted(path.name for path in folder.parent.iterdir()) == ["hierarchy"]


def test_two_who_make_it_at_once_get_the_same_one(tmp_path: Path) -> None:
    folder = tmp_path / "hierarchy"
    found: list[bytes] = []
    start = threading.Barrier(4)

    def make() -> None:
        start.wait()
        with Hierarchy.open(folder) as hierarchy:
            found.append((hierarchy.trust_folder / "anchors" / "root.pem").read_bytes())

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["hierarchy"]


def test_a_hierarchy_of_another_plan_is_moved_aside_and_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "hierarchy"

    def root() -> bytes:
        with Hierarchy.open(folder) as hierarchy:
            return (hierarchy.trust_folder / "anchors" / "root.pem").read_bytes()

    first = root()
    assert root() == first
    (folder / FINGERPRINT).write_text("of an older version\n")
    found: list[bytes] = []
    start = threading.Barrier(4)

    def use() -> None:
        start.wait()
        found.append(root())

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({*found, first}) == 2
    assert root() == found[0]
    [old] = tmp_path.glob("hierarchy-old-*")
    assert (old / "trust" / "anchors" / "root.pem").read_bytes() == first
    (folder / FINGERPRINT).unlink()
    assert root() not in {first, found[0]}
    assert len(list(tmp_path.glob("hierarchy-old-*"))) == 2
    assert not list(tmp_path.glob(".hierarchy-*"))


def test_the_fingerprint_is_of_all_that_the_folder_is_made_by(monkeypatch: pytest.MonkeyPatch) -> None:
    here = hierarchy_plan().fingerprint
    assert here == hierarchy_plan().fingerprint
    profiles = dict(standard_profiles())
    profiles["root"] = replace(profiles["root"], validity=timedelta(days=1))
    monkeypatch.setattr("cardapps.hierarchy_plan.standard_profiles", lambda: profiles)
    assert hierarchy_plan().fingerprint != here


def test_each_application_has_an_authority_and_purposes_of_its_own() -> None:
    plan = hierarchy_plan()
    assert set(plan.applications) == set(DRIVERS)
    usages = [each.document_signer_usage for each in plan.applications.values()]
    usages += [each.certificate_usage for each in plan.applications.values()]
    assert len(set(usages)) == 2 * len(DRIVERS)
    assert {each.authority for each in plan.applications.values()} == set(plan.authorities) - {"persons"}


def test_lists_are_renewed_on_use_and_their_numbers_only_grow(tmp_path: Path) -> None:
    moment = [NOW]
    folder = tmp_path / "hierarchy"

    def lists() -> dict[str, tuple[int, datetime]]:
        with Hierarchy.open(folder, clock=lambda: moment[0]) as hierarchy:
            found = {}
            for path in (hierarchy.trust_folder / "crls").iterdir():
                crl = x509.load_der_x509_crl(path.read_bytes())
                number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
                assert crl.next_update_utc == crl.last_update_utc + CRL_VALIDITY + timedelta(minutes=10)
                found[path.name] = (number, crl.last_update_utc)
            return found

    first = lists()
    assert {number for number, _ in first.values()} == {1}
    moment[0] += CRL_RENEWAL - timedelta(seconds=1)
    assert lists() == first
    moment[0] += timedelta(seconds=1)
    second = lists()
    assert all(second[name] == (2, at + CRL_RENEWAL) for name, (_, at) in first.items())
    moment[0] = NOW - timedelta(days=3)  # a clock that went back: what is from the future is made anew
    assert {number for number, _ in lists().values()} == {3}


def test_a_hierarchy_that_is_damaged_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "hierarchy"
    Hierarchy.open(folder).close()
    (folder / "keys" / "interior.der").unlink()
    with Hierarchy.open(folder) as hierarchy, pytest.raises(FileFailed, match="remove it"):
        hierarchy.application_certificate("citizen_id", b"", "00")
    (folder / "register.sqlite").write_bytes(b"nothing")
    with pytest.raises(StoreFailed):
        Hierarchy.open(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileFailed):
        Hierarchy.open(tmp_path / "file" / "hierarchy")


# --- sealed cards ---


def test_a_sealed_card_is_the_persona_with_two_files_more(tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "hierarchy")
    persona = find_persona("wanida")
    sections = shop.card("wanida")
    bare = sections_for(persona, CardProtocol.T1)
    key = certified_key(sections["citizen_id"][APPLICATION_CERTIFICATE])
    for name, memory in bare.items():
        added = {SECURITY_OBJECT, APPLICATION_CERTIFICATE} if name in DRIVERS else set()
        assert set(sections[name]) == set(memory) | added
        assert all(sections[name][each] == value for each, value in memory.items() if each != "applets")
    reading = read_card(reader_with(sections))
    for name in DRIVERS:
        record = reading.applications[name]
        assert record is not None
        sealed = open_security_object(sections[name][SECURITY_OBJECT])
        check_signature(sealed)
        groups = {**data_groups(sealed_driver(name), record), **binding_groups(key, persona.chip_serial)}
        assert compare_hashes(sealed, groups).differing == ()
        assert {GROUP_KEY, GROUP_CHIP_SERIAL} <= sealed.hashes.keys()
        certificate = load_certificate(sections[name][APPLICATION_CERTIFICATE])
        assert certified_key(sections[name][APPLICATION_CERTIFICATE]) == key
        serial = certificate.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)[0].value
        assert serial == persona.chip_serial.hex().upper()
        assert len(sections[name][SECURITY_OBJECT]) < 2500
    shop.hierarchy.close()


def test_revoking_twice_and_suspending_twice_change_nothing(tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "hierarchy")
    shop.card("wanida")
    serial = find_persona("wanida").chip_serial.hex().upper()
    for _ in range(2):
        shop.hierarchy.suspend("civil_servant", serial)
    for _ in range(2):
        shop.hierarchy.revoke_card(serial, RevocationReason.KEY_COMPROMISE)
    shop.hierarchy.suspend("civil_servant", serial)  # what is revoked stays so
    crl = x509.load_der_x509_crl((shop.trust / "crls" / "civil-service.crl").read_bytes())
    (entry,) = crl
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    shop.hierarchy.close()
