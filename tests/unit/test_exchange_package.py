"""Data packages between agencies: what is made, what the recipient's check says of it, and of everything else."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import UsageError
from ecitizen.jsonio import to_json
from ecitizen.model import BilingualText
from pki import jws
from pki.errors import Malformed, StoreFailed
from pki.exchange import ExchangeReport, ExchangeVerdict, Party, Role, add_signature, chosen_fields, sign_package
from pki.exchange_package import payload_of, read_package
from pki.exchange_replay import FileGuard, MemoryGuard, ReplayGuard
from pki.exchange_schema import CREDENTIAL, PACKAGE, SchemaCheck, check_schema, schema_text
from pki.exchange_words import words
from pki.keys import FileSigner
from pki.path import Result
from pki.strict_json import from_base64url, to_base64url, write_json
from pki.trust import TrustStore
from tests.signing_people import Counting
from tests.unit.exchange_desk import AGENCY, CLINIC, CONSENT, FIELDS, GROUPS, PURPOSE, READING, Desk
from tests.unit.small_pki import MOMENT, YEAR

V = ExchangeVerdict
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def trust(desk: Desk) -> TrustStore:
    return desk.trust()


@pytest.fixture(scope="module")
def signed(desk: Desk) -> bytes:
    return desk.signed()


def against(report: ExchangeReport) -> set[str]:
    """Which checks did not go well, of the whole and of signatures."""
    found = [*report.findings, *(each for one in report.signatures for each in one.findings)]
    return {each.check for each in found if each.result in {Result.FAILED, Result.UNKNOWN}}


# A package as it should be


def test_a_package_is_valid_for_its_recipient(desk: Desk, trust: TrustStore, signed: bytes) -> None:
    report = desk.check(signed, trust, guard=MemoryGuard(), purposes=frozenset({"health.treatment"}))
    assert report.verdict is V.VALID
    assert not against(report)
    assert [(each.covers, each.signer.name_en, each.claimed_at) for each in report.signatures] == [
        ("card", "Somchai", MOMENT),
        ("desk", "Officer", MOMENT),
    ]
    assert report.package.purpose == PURPOSE
    assert report.package.consent == CONSENT
    assert report.package.applications["health_insurance"] == {
        name: to_json(READING)["health_insurance"][name] for name in FIELDS["health_insurance"]
    }
    for each in report.findings:
        assert each.text.th
        assert each.text.en


def test_a_photo_goes_as_picture(desk: Desk) -> None:
    photo = chosen_fields(READING, {"citizen_id": ["photo"]})["citizen_id"]["photo"]
    assert from_base64url(photo["jpeg"]).startswith(b"\xff\xd8")
    assert photo["sha256"] == to_json(READING)["citizen_id"]["photo"]["sha256"]


def test_each_key_is_used_once(desk: Desk) -> None:
    counting = [Counting(FileSigner(who.key)) for who in (desk.holder, desk.officer)]
    parties = [replace(each, signer=key) for each, key in zip((desk.card, desk.desk), counting, strict=True)]
    told: list[bytes] = []
    sign_package(desk.package(), parties, moment=MOMENT, show=lambda digest, _: told.append(digest))
    assert [each.used for each in counting] == [1, 1]
    assert len(set(told)) == 2


def test_card_and_desk_can_sign_in_two_places(desk: Desk, trust: TrustStore) -> None:
    first = sign_package(desk.package(), [desk.card], moment=MOMENT)
    assert desk.check(first, trust).verdict is V.REFUSED
    assert desk.check(first, trust, roles=frozenset({Role.CARD})).verdict is V.VALID
    both = add_signature(first, desk.desk, moment=MOMENT + HOUR)
    assert desk.check(both, trust, MOMENT + HOUR).verdict is V.VALID
    with pytest.raises(UsageError, match="already"):
        add_signature(both, desk.desk, moment=MOMENT)


def test_a_signature_key_9c_will_do_too(desk: Desk, trust: TrustStore) -> None:
    card = desk.signing(Role.CARD, desk.party("Signature", "email_protection", "document_signing"))
    assert desk.check(sign_package(desk.package(), [card, desk.desk], moment=MOMENT), trust).verdict is V.VALID


# Not for here, not for this, not now, not again


def test_another_recipient(desk: Desk, trust: TrustStore, signed: bytes) -> None:
    for other in (CLINIC + "/", CLINIC.upper(), "", "another"):
        guard = MemoryGuard()
        report = desk.check(signed, trust, recipient=other, guard=guard)
        assert (report.verdict, report.package) == (V.WRONG_RECIPIENT, None)
        assert desk.check(signed, trust, guard=guard).verdict is V.VALID  # nothing was remembered


def test_another_purpose(desk: Desk, trust: TrustStore, signed: bytes) -> None:
    assert desk.check(signed, trust, purposes=frozenset({"tax"})).verdict is V.WRONG_PURPOSE
    assert desk.check(signed, trust, purposes=frozenset()).verdict is V.WRONG_PURPOSE


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (-timedelta(seconds=61), V.NOT_YET_VALID),
        (-timedelta(seconds=60), V.VALID),
        (DAY - timedelta(seconds=1), V.VALID),
        (DAY, V.EXPIRED),
    ],
    ids=str,
)
def test_times(desk: Desk, trust: TrustStore, signed: bytes, after: timedelta, verdict: V) -> None:
    assert desk.check(signed, trust, MOMENT + after).verdict is verdict


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_package_is_taken_once(desk: Desk, trust: TrustStore, tmp_path: Path, kind: str) -> None:
    guard: ReplayGuard = MemoryGuard() if kind == "memory" else FileGuard.open(tmp_path / "taken")
    package = desk.package()
    signed = desk.signed(package)
    assert desk.check(signed, trust, guard=guard).verdict is V.VALID
    for again in (signed, desk.signed(package)):  # signed again it is still the same package
        report = desk.check(again, trust, MOMENT + HOUR, guard=guard)
        assert (report.verdict, report.package) == (V.REPLAYED, None)
        [finding] = [each for each in report.findings if each.check == "replay"]
        assert finding.evidence == {"taken_at": MOMENT.isoformat()}
    assert desk.check(desk.signed(), trust, guard=guard).verdict is V.VALID
    officer = desk.signing(Role.DESK, desk.party("Other officer", "officer"))
    other = sign_package(package, [desk.card, officer], moment=MOMENT)  # nobody can use up the numbers of others
    assert desk.check(other, trust, guard=guard).verdict is V.VALID


def test_what_was_taken_outlives_the_program_and_is_forgotten_when_it_expires(tmp_path: Path) -> None:
    with FileGuard.open(tmp_path / "taken") as guard:
        assert guard.take("a", MOMENT + DAY, MOMENT) is None
    assert (tmp_path / "taken").stat().st_mode & 0o777 == 0o600
    with FileGuard.open(tmp_path / "taken") as guard, FileGuard.open(tmp_path / "taken") as other:
        assert other.take("a", MOMENT + DAY, MOMENT + HOUR) == MOMENT
        assert guard.take("b", MOMENT + 9 * DAY, MOMENT + 2 * DAY) is None
        with guard.transaction() as connection:
            assert connection.execute("SELECT name FROM seen").fetchall() == [("b",)]
    memory = MemoryGuard()
    assert memory.take("a", MOMENT + DAY, MOMENT) is None
    assert memory.take("a", MOMENT + DAY, MOMENT + 2 * DAY) is None


def test_a_file_that_is_no_memory_of_packages(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, and long enough to tell" * 50)
    for path in (tmp_path / "text", tmp_path, tmp_path / "none" / "taken", "\0"):
        with pytest.raises(StoreFailed):
            FileGuard.open(path)
    with FileGuard.open(tmp_path / "taken") as guard, guard.transaction() as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreFailed, match="version"):
        FileGuard.open(tmp_path / "taken")


# Not by whom it must be


def test_nobody_is_trusted(desk: Desk, signed: bytes) -> None:
    report = desk.check(signed, None)
    assert (report.verdict, report.package) == (V.UNTRUSTED, None)


def test_an_authority_of_others(desk: Desk, trust: TrustStore, tmp_path: Path) -> None:
    other = Desk(tmp_path)
    for parties in ([desk.card, other.desk], [other.card, desk.desk]):
        assert desk.check(sign_package(desk.package(), parties, moment=MOMENT), trust).verdict is V.UNTRUSTED


def test_without_lists_of_the_revoked_nobody_can_tell(desk: Desk, tmp_path: Path, signed: bytes) -> None:
    assert desk.check(signed, desk.trust(MOMENT - 30 * DAY, name="old")).verdict is V.CANNOT_TELL


@pytest.mark.parametrize("role", Role)
def test_a_revoked_signer(tmp_path: Path, role: Role) -> None:
    desk = Desk(tmp_path)
    who = desk.holder if role is Role.CARD else desk.officer
    desk.people.revoked[who.certificate.serial_number] = MOMENT - HOUR
    assert desk.check(desk.signed(), desk.trust()).verdict is V.REVOKED


@pytest.mark.parametrize("role", Role)
def test_an_expired_signer(desk: Desk, trust: TrustStore, role: Role) -> None:
    purpose = "officer" if role is Role.DESK else "client_authentication"
    late = desk.signing(role, desk.party("Late", purpose, not_after=MOMENT - HOUR))
    parties = [late, *(each for each in (desk.card, desk.desk) if each.role is not role)]
    assert desk.check(sign_package(desk.package(), parties, moment=MOMENT), trust).verdict is V.EXPIRED


@pytest.mark.parametrize(
    ("role", "purposes"),
    [
        (Role.DESK, ("client_authentication",)),
        (Role.DESK, ()),
        (Role.CARD, ("client_authentication", "officer")),
        (Role.CARD, ("piv_card_authentication",)),
        (Role.CARD, ("server_authentication",)),
        (Role.CARD, ()),
    ],
    ids=str,
)
def test_a_certificate_for_something_else(desk: Desk, trust: TrustStore, role: Role, purposes: tuple[str, ...]) -> None:
    other = desk.signing(role, desk.party("Other", *purposes))
    parties = [other, *(each for each in (desk.card, desk.desk) if each.role is not role)]
    assert desk.check(sign_package(desk.package(), parties, moment=MOMENT), trust).verdict is V.UNTRUSTED


def test_the_card_s_authority_is_the_one_that_the_policy_names(desk: Desk, signed: bytes) -> None:
    right = desk.trust(policy=desk.policy("piv"), name="right")
    assert desk.check(signed, right).verdict is V.VALID
    wrong = desk.trust(policy=desk.policy("piv", desk.people.root), name="wrong")
    assert desk.check(signed, wrong).verdict is V.UNTRUSTED


@pytest.mark.parametrize(("agency", "verdict"), [(AGENCY, V.VALID), ("Another agency", V.UNTRUSTED)])
def test_an_agency_in_the_desk_s_certificate_is_the_sender(
    desk: Desk, trust: TrustStore, agency: str, verdict: ExchangeVerdict
) -> None:
    signed = sign_package(desk.package(), [desk.card, desk.officer_of(agency)], moment=MOMENT)
    assert desk.check(signed, trust).verdict is verdict


# Signatures that do not hold


def edited(signed: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    whole = json.loads(signed)
    change(whole)
    return write_json(whole)


def repackaged(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def apply(whole: dict[str, Any]) -> None:
        payload = json.loads(from_base64url(whole["payload"]))
        change(payload)
        whole["payload"] = to_base64url(write_json(payload))

    return apply


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload["purpose"].update(code="marketing"),
        lambda payload: payload.update(recipient=CLINIC + "2"),
        lambda payload: payload.update(id="A" * 22),
        lambda payload: payload["claims"]["health_insurance"].update(entitled=False),
        lambda payload: payload["applications"]["health_insurance"].update(main_scheme="OFC"),
        lambda payload: payload.pop("consent"),
    ],
    ids=["purpose", "recipient", "id", "claim", "field", "consent"],
)
def test_a_changed_package(desk: Desk, trust: TrustStore, signed: bytes, change: Any) -> None:
    report = desk.check(edited(signed, repackaged(change)), trust, guard=MemoryGuard())
    assert (report.verdict, report.package) == (V.ALTERED, None)
    assert "signature" in against(report)


def swap(whole: dict[str, Any]) -> None:
    one, two = whole["signatures"]
    one["signature"], two["signature"] = two["signature"], one["signature"]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (swap, V.ALTERED),
        (lambda whole: whole["signatures"].pop(), V.REFUSED),
        (lambda whole: whole["signatures"].append(whole["signatures"][0]), V.REFUSED),
        (lambda whole: whole["signatures"].reverse(), V.VALID),
        (lambda whole: whole["signatures"][0].update(header={"role": "desk"}), V.REFUSED),
        (lambda whole: whole.update(payload=""), V.REFUSED),
        (lambda whole: whole.update(more="ignored"), V.VALID),
    ],
    ids=["swapped", "one gone", "one twice", "order", "unprotected", "empty", "more"],
)
def test_changed_signatures(
    desk: Desk, trust: TrustStore, signed: bytes, change: Any, verdict: ExchangeVerdict
) -> None:
    assert desk.check(edited(signed, change), trust).verdict is verdict


def resigned(desk: Desk, header: dict[str, Any], who: Party | None = None) -> bytes:
    """A package whose first signature has another header."""
    payload = payload_of(desk.package())
    party = who or desk.card
    certificates = (party.certificate, *party.chain)
    return jws.general(
        payload,
        [
            jws.sign(payload, party.signer, certificates=certificates, header=header),
            *jws.read_general(sign_package(read_package(payload), [desk.desk], moment=MOMENT)).signatures,
        ],
    )


TYP = "ecitizen-exchange-package+json"


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        ({"typ": TYP, "role": "card", "iat": 1}, V.VALID),
        ({"typ": "JWT", "role": "card"}, V.REFUSED),
        ({"role": "card"}, V.REFUSED),
        ({"typ": TYP, "role": "desk"}, V.REFUSED),
        ({"typ": TYP, "role": ["card"]}, V.REFUSED),
        ({"typ": TYP}, V.REFUSED),
        ({"typ": TYP, "role": "card", "iat": "now"}, V.REFUSED),
    ],
    ids=str,
)
def test_headers(desk: Desk, trust: TrustStore, header: dict[str, Any], verdict: ExchangeVerdict) -> None:
    assert desk.check(resigned(desk, header), trust).verdict is verdict


def test_a_desk_can_t_sign_for_the_card_with_its_own_key(desk: Desk, trust: TrustStore) -> None:
    both = desk.party("Both", "client_authentication", key=desk.officer.key)
    card = Party(Role.CARD, FileSigner(desk.officer.key), both.der, desk.people.chain)
    report = desk.check(sign_package(desk.package(), [card, desk.desk], moment=MOMENT), trust)
    assert report.verdict is V.REFUSED
    assert against(report) == {"signatures"}


def test_a_signature_without_its_certificate(desk: Desk, trust: TrustStore) -> None:
    payload = payload_of(desk.package())
    bare = jws.sign(payload, desk.card.signer, header={"typ": TYP, "role": "card"})
    rest = jws.read_general(sign_package(read_package(payload), [desk.desk], moment=MOMENT)).signatures
    assert desk.check(jws.general(payload, [bare, *rest]), trust).package is None


def test_a_certificate_that_is_none(desk: Desk, trust: TrustStore, signed: bytes) -> None:
    def change(whole: dict[str, Any]) -> None:
        header = json.loads(from_base64url(whole["signatures"][0]["protected"]))
        del header["x5t#S256"]
        header["x5c"] = ["AAAA"]
        whole["signatures"][0]["protected"] = to_base64url(write_json(header))

    assert desk.check(edited(signed, change), trust).verdict is V.ALTERED


# Security objects


def test_a_seal_with_all_its_data_groups(desk: Desk) -> None:
    package = desk.package(seals={"health_insurance": desk.sealed()})
    assert read_package(payload_of(package)) == package
    signed = desk.signed(package)
    assert desk.check(signed, desk.trust(policy=desk.policy(), name="seals")).verdict is V.VALID
    assert desk.check(signed, desk.trust(name="no policy")).verdict is V.UNTRUSTED
    other = desk.trust(policy=desk.policy(authority=desk.people.root), name="other")
    report = desk.check(signed, other)
    assert (report.verdict, against(report)) == (V.UNTRUSTED, {"seal"})


@pytest.mark.parametrize("number", sorted(GROUPS))
def test_a_seal_never_goes_without_a_data_group(desk: Desk, trust: TrustStore, number: int) -> None:
    whole = desk.sealed()
    for groups in (
        {each: data for each, data in GROUPS.items() if each != number},
        {**GROUPS, number: GROUPS[number] + b"x"},
    ):
        part = {"health_insurance": replace(whole, data_groups=groups)}
        with pytest.raises(UsageError, match=f"without the data groups that it is over: {number}"):
            desk.package(seals=part)
        with pytest.raises(UsageError):
            sign_package(replace(desk.package(), seals=part), [desk.desk], moment=MOMENT)
        payload = payload_of(replace(desk.package(), seals=part))
        header = {"typ": TYP, "role": "desk"}
        signed = jws.sign(payload, desk.desk.signer, certificates=[desk.officer.der], header=header)
        report = desk.check(jws.general(payload, [signed]), trust, roles=frozenset({Role.DESK}))
        assert (report.verdict, against(report)) == (V.REFUSED, {"form"})


def test_a_seal_of_what_is_not_handed_over_or_is_none(desk: Desk) -> None:
    with pytest.raises(UsageError, match="does not hand it over"):
        desk.package(seals={"citizen_id": desk.sealed()})
    with pytest.raises(UsageError):
        desk.package(seals={"health_insurance": replace(desk.sealed(), security_object=b"0")})


def test_a_seal_that_is_no_base64url(desk: Desk, trust: TrustStore) -> None:
    value = json.loads(payload_of(desk.package(seals={"health_insurance": desk.sealed()})))
    value["seals"]["health_insurance"]["security_object"] = "AAB"
    with pytest.raises(Malformed, match="base64url"):
        read_package(write_json(value))


def test_a_seal_whose_signature_does_not_hold(desk: Desk) -> None:
    whole = desk.sealed()
    broken = whole.security_object[:-1] + bytes((whole.security_object[-1] ^ 1,))
    package = desk.package(seals={"health_insurance": replace(whole, security_object=broken)})
    report = desk.check(desk.signed(package), desk.trust(policy=desk.policy(), name="seals"))
    assert (report.verdict, against(report)) == (V.ALTERED, {"seal"})


# What can't be made, and what is not read


@pytest.mark.parametrize(
    "changes",
    [
        {"recipient": ""},
        {"sender": "x" * 257},
        {"applications": {}, "claims": {}},
        {"applications": {"Health": {"a": 1}}},
        {"claims": {"health_insurance": {}}},
        {"claims": {"health_insurance": {"entitled": "yes"}}},
        {"valid_for": timedelta(0)},
        {"valid_for": 31 * DAY + timedelta(seconds=1)},
        {"purpose": replace(PURPOSE, code="Not a code")},
        {"purpose": replace(PURPOSE, text=BilingualText("", "treatment"))},
        {"consent": replace(CONSENT, given_by="nobody")},
        {"consent": replace(CONSENT, given_at=MOMENT + HOUR)},
        {"consent": replace(CONSENT, given_at=datetime(2026, 1, 1))},  # noqa: DTZ001 - that is the mistake
        {"moment": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is the mistake
    ],
    ids=lambda each: str(each)[:50],
)
def test_packages_that_can_t_be_made(desk: Desk, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        desk.package(**changes)


def test_fields_that_are_not_on_the_card() -> None:
    for chosen in (
        {"citizen_id": ["raw"]},
        {"citizen_id": ["shoe_size"]},
        {"card_admin": ["chip_serial"]},
        {"x": ["y"]},
    ):
        with pytest.raises(UsageError):
            chosen_fields(READING, chosen)


def test_parties_that_can_t_sign(desk: Desk) -> None:
    for parties in ([], [desk.card, desk.card]):
        with pytest.raises(UsageError):
            sign_package(desk.package(), parties, moment=MOMENT)
    with pytest.raises(UsageError, match="time zone"):
        desk.check(b"", None, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


def test_a_time_that_is_in_no_calendar(desk: Desk) -> None:
    value = json.loads(payload_of(desk.package()))
    value["issued_at"] = "2026-02-30T00:00:00Z"
    with pytest.raises(Malformed):
        read_package(write_json(value))


def test_times_at_the_edges_of_the_calendar(desk: Desk, trust: TrustStore) -> None:
    for year, verdict in (("0001", V.EXPIRED), ("9999", V.NOT_YET_VALID)):
        value = json.loads(payload_of(desk.package()))
        value |= {"issued_at": f"{year}-01-01T00:00:00Z", "expires_at": f"{year}-01-02T00:00:00Z"}
        value.pop("consent")
        package = read_package(write_json(value))
        assert desk.check(desk.signed(package), trust).verdict is verdict


def test_consent_is_said_to_be_signed_only_if_a_card_signed(desk: Desk, trust: TrustStore, signed: bytes) -> None:
    alone = sign_package(desk.package(), [desk.desk], moment=MOMENT)
    without = sign_package(desk.package(consent=None), [desk.desk], moment=MOMENT)
    for data, roles, word in (
        (signed, frozenset(Role), "consent_given"),
        (alone, frozenset({Role.DESK}), "consent_told"),
        (without, frozenset({Role.DESK}), "consent_none"),
    ):
        report = desk.check(data, trust, roles=roles)
        assert report.verdict is V.VALID
        assert [each.text for each in report.findings if each.check == "consent"] == [words(word)]


def test_every_verdict_has_words() -> None:
    for verdict in ExchangeVerdict:
        assert words(f"verdict_{verdict}").th


def test_of_many_who_take_a_package_at_once_one_gets_it(tmp_path: Path) -> None:
    FileGuard.open(tmp_path / "taken").close()

    def take(_number: int) -> datetime | None:
        with FileGuard.open(tmp_path / "taken") as guard:
            return guard.take("package", MOMENT + DAY, MOMENT)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(take, range(16)), key=str) == [*[MOMENT] * 15, None]


# The published schemas


def test_the_schemas_are_published_under_their_names() -> None:
    for name in (PACKAGE, CREDENTIAL):
        schema = json.loads(schema_text(name))
        assert schema["$id"] == name
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_schema_with_rules_that_are_not_followed_is_refused() -> None:
    for schema in ({"format": "uri"}, {"pattern": "a"}, {"properties": {"a": {"minimum": 1}}}):
        with pytest.raises(ValueError, match="rules"):
            SchemaCheck(schema)


def test_a_name_that_is_not_known_is_not_quoted() -> None:
    with pytest.raises(Malformed) as raised:
        check_schema({"schema": PACKAGE, "สมชาย": 1}, PACKAGE)
    assert "สมชาย" not in str(raised.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
NAMES = [
    "schema",
    "id",
    "issued_at",
    "expires_at",
    "recipient",
    "purpose",
    "consent",
    "applications",
    "claims",
    "seals",
]


@given(st.dictionaries(st.sampled_from(NAMES), JSON, min_size=1), st.binary(max_size=20))
def test_whatever_comes_gives_a_report(desk: Desk, signed: bytes, change: dict[str, Any], data: bytes) -> None:
    whole = json.loads(signed)
    payload = json.loads(from_base64url(whole["payload"])) | change
    whole["payload"] = to_base64url(write_json(payload))
    for text in (write_json(whole), data, signed[: len(data)]):
        report = desk.check(text, None)
        assert report.verdict in {V.REFUSED, V.ALTERED, V.UNTRUSTED, V.WRONG_RECIPIENT, V.EXPIRED, V.NOT_YET_VALID}
        assert report.package is None


def test_a_year_later_it_has_expired(desk: Desk, signed: bytes) -> None:
    later = MOMENT + YEAR + HOUR
    assert desk.check(signed, desk.trust(later), later).verdict is V.EXPIRED
    assert AGENCY not in repr(desk.check(signed, None))
