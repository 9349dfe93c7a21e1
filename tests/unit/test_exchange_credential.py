"""The holder's credential: shown in part, bound to the card, and everything that a clinic must not take."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import UsageError
from pki import sd_jwt
from pki.exchange import ExchangeReport, ExchangeVerdict, chosen_fields
from pki.exchange_claims import claims_of
from pki.exchange_credential import check_credential, issue_credential, present, read_sd_jwt
from pki.exchange_replay import FileGuard
from pki.exchange_schema import CREDENTIAL
from pki.keys import FileSigner
from pki.sd_jwt import SdJwt
from pki.strict_json import from_base64url, to_base64url
from pki.trust import TrustStore
from tests.signing_people import Counting
from tests.unit.exchange_desk import AGENCY, CLINIC, READING, Desk
from tests.unit.small_pki import MOMENT

V = ExchangeVerdict
NONCE = "a nonce of the clinic"
ENTITLED = ("claims", "health_insurance", "entitled")
VALID = ("claims", "health_insurance", "valid")
FIELDS = {"citizen_id": ("cid", "name_th", "address"), "health_insurance": ("main_scheme",)}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def trust(desk: Desk) -> TrustStore:
    return desk.trust()


def issued_by(desk: Desk, **changes: Any) -> SdJwt:
    settings: dict[str, Any] = {
        "issuer": AGENCY,
        "moment": MOMENT,
        "applications": chosen_fields(READING, FIELDS),
        "claims": claims_of(READING, MOMENT),
    }
    party = changes.pop("party", desk.desk)
    return issue_credential(party, desk.holder.der, **{**settings, **changes})


@pytest.fixture(scope="module")
def issued(desk: Desk) -> SdJwt:
    return issued_by(desk)


def shown(desk: Desk, issued: SdJwt, *paths: tuple[str, ...], **changes: Any) -> str:
    settings: dict[str, Any] = {"audience": CLINIC, "nonce": NONCE, "moment": MOMENT, **changes}
    return present(issued, paths or (ENTITLED, VALID), FileSigner(desk.holder.key), **settings)


def check(text: str, trust: TrustStore | None, moment: datetime = MOMENT, **wishes: Any) -> ExchangeReport:
    return check_credential(text, trust, moment, **{"recipient": CLINIC, "nonce": NONCE, **wishes})


def test_a_clinic_is_shown_entitled_and_valid_and_nothing_else(desk: Desk, trust: TrustStore, issued: SdJwt) -> None:
    text = shown(desk, issued)
    report = check(text, trust)
    assert report.verdict is V.VALID
    assert report.claims is not None
    assert report.claims["claims"] == {
        "citizen_id": {},
        "health_insurance": {"entitled": True, "valid": True},
        "civil_servant": {},
    }
    assert report.claims["applications"] == {"citizen_id": {}, "health_insurance": {}}
    assert (report.claims["iss"], report.claims["vct"]) == (AGENCY, CREDENTIAL)
    for hidden in ("สมชาย", "เชียงใหม่", "1999900000011", "Somchai", "over_20"):
        assert hidden not in repr([from_base64url(part) for part in text.replace("~", ".").split(".")])
    assert report.signatures[0].covers == "desk"
    for value in (report, issued, read_sd_jwt(text)):
        assert not any(each in repr(value) for each in ("สมชาย", AGENCY, issued.token[:20]))


def test_fields_can_be_shown_too(desk: Desk, trust: TrustStore, issued: SdJwt) -> None:
    report = check(shown(desk, issued, ("applications", "citizen_id", "name_th")), trust)
    assert report.claims is not None
    assert report.claims["applications"]["citizen_id"]["name_th"]["first"] == "สมชาย"


def test_each_key_is_used_once(desk: Desk) -> None:
    counting = Counting(FileSigner(desk.holder.key))
    present(issued_by(desk), [ENTITLED], counting, audience=CLINIC, nonce=NONCE, moment=MOMENT)
    assert counting.used == 1


@pytest.mark.parametrize(
    ("changes", "wishes", "verdict"),
    [
        ({"audience": "https://other.example"}, {}, V.WRONG_RECIPIENT),
        ({"nonce": "another nonce of it"}, {}, V.REPLAYED),
        ({"moment": MOMENT - timedelta(minutes=6)}, {}, V.REPLAYED),
        ({}, {"moment": MOMENT + timedelta(days=1)}, V.EXPIRED),
        ({}, {"moment": MOMENT - timedelta(seconds=61)}, V.REPLAYED),
        ({}, {"trust": None}, V.UNTRUSTED),
    ],
    ids=["recipient", "nonce", "old", "expired", "early", "untrusted"],
)
def test_what_a_clinic_must_not_take(
    desk: Desk, trust: TrustStore, issued: SdJwt, changes: Any, wishes: Any, verdict: ExchangeVerdict
) -> None:
    report = check(shown(desk, issued, **changes), **{"trust": trust, **wishes})
    assert (report.verdict, report.claims) == (verdict, None)


def test_nobody_else_can_show_it(desk: Desk, trust: TrustStore, issued: SdJwt) -> None:
    assert check(str(issued), trust).verdict is V.REFUSED
    with pytest.raises(UsageError, match="another key"):
        present(issued, [], FileSigner(desk.officer.key), audience=CLINIC, nonce=NONCE, moment=MOMENT)
    text = shown(desk, issued)
    less = "~".join(part for number, part in enumerate(text.split("~")) if number != 1)
    assert check(less, trust).verdict is V.ALTERED


def test_a_presentation_is_taken_once_if_the_clinic_wants_that(
    desk: Desk, trust: TrustStore, issued: SdJwt, tmp_path: Path
) -> None:
    text = shown(desk, issued)
    with FileGuard.open(tmp_path / "taken") as guard:
        assert [check(text, trust, guard=guard).verdict for _ in range(2)] == [V.VALID, V.REPLAYED]


def test_a_desk_that_may_not(desk: Desk, trust: TrustStore, tmp_path: Path) -> None:
    other = desk.signing(desk.desk.role, desk.party("No officer", "client_authentication"))
    assert check(shown(desk, issued_by(desk, party=other)), trust).verdict is V.UNTRUSTED
    assert check(shown(desk, issued_by(desk, party=Desk(tmp_path).desk)), trust).verdict is V.UNTRUSTED
    assert check(shown(desk, issued_by(desk, party=desk.officer_of("Another"))), trust).verdict is V.UNTRUSTED
    assert check(shown(desk, issued_by(desk, party=desk.officer_of(AGENCY))), trust).verdict is V.VALID


def test_a_revoked_desk(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.people.revoked[desk.officer.certificate.serial_number] = MOMENT - timedelta(hours=1)
    assert check(shown(desk, issued_by(desk)), desk.trust()).verdict is V.REVOKED


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, V.VALID),
        ({"vct": "urn:other"}, V.REFUSED),
        ({"iss": ""}, V.REFUSED),
        ({"exp": 1e30}, V.REFUSED),
        ({"iat": True}, V.REFUSED),
        ({"iat": int(MOMENT.timestamp()) + 61}, V.NOT_YET_VALID),
        ({"exp": int(MOMENT.timestamp()) + 31 * 86400 + 1}, V.REFUSED),
        ({"iat": int(MOMENT.timestamp()) + 40, "exp": int(MOMENT.timestamp()) + 20}, V.REFUSED),
        ({"nbf": int(MOMENT.timestamp()) + 1}, V.NOT_YET_VALID),
        ({"claims": {"citizen_id": {"valid": "yes"}}}, V.REFUSED),
        ({"applications": []}, V.REFUSED),
    ],
    ids=str,
)
def test_credentials_that_a_desk_signs_against_the_rules(
    desk: Desk, trust: TrustStore, changes: dict[str, Any], verdict: ExchangeVerdict
) -> None:
    now = int(MOMENT.timestamp())
    content = {"vct": CREDENTIAL, "iss": AGENCY, "iat": now, "exp": now + 3600, **changes}
    certificates = (desk.officer.der, *desk.people.chain)
    key = FileSigner(desk.holder.key).public_key
    made = sd_jwt.issue(content, desk.desk.signer, certificates=certificates, holder=key)
    text = present(made, [], FileSigner(desk.holder.key), audience=CLINIC, nonce=NONCE, moment=MOMENT)
    assert check(text, trust).verdict is verdict


def test_a_credential_that_the_desk_did_not_sign(desk: Desk, trust: TrustStore, issued: SdJwt) -> None:
    text = shown(desk, issued)
    header, payload, signature = text.partition("~")[0].split(".")
    forged = from_base64url(payload).replace(AGENCY.encode(), AGENCY.upper().encode())
    token = ".".join((header, to_base64url(forged), signature))
    assert check(token + text[text.index("~") :], trust).verdict is V.ALTERED


def test_a_credential_without_the_desk_s_certificate(desk: Desk, trust: TrustStore) -> None:
    key = FileSigner(desk.holder.key).public_key
    made = sd_jwt.issue({"vct": CREDENTIAL}, desk.desk.signer, holder=key)
    assert check(shown_anyhow(desk, made), trust).verdict is V.REFUSED


def shown_anyhow(desk: Desk, made: SdJwt) -> str:
    return present(made, [], FileSigner(desk.holder.key), audience=CLINIC, nonce=NONCE, moment=MOMENT)


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_for": timedelta(days=32)},
        {"valid_for": timedelta(0)},
        {"moment": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is the mistake
        {"applications": {}, "claims": {}},
        {"applications": {"citizen_id": {}}, "claims": {}},
    ],
    ids=str,
)
def test_credentials_that_can_t_be_issued(desk: Desk, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        issued_by(desk, **changes)


def test_parties_that_can_t_issue_or_hold(desk: Desk) -> None:
    with pytest.raises(UsageError, match="by a desk"):
        issued_by(desk, party=desk.card)
    with pytest.raises(UsageError, match="key 9A"):
        issue_credential(
            desk.desk, desk.sealer.der, issuer=AGENCY, moment=MOMENT, claims={"citizen_id": {"valid": True}}
        )
    with pytest.raises(UsageError, match="time zone"):
        check("", None, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


@given(st.data())
def test_whatever_comes_gives_a_report(desk: Desk, issued: SdJwt, data: st.DataObject) -> None:
    parts = shown(desk, issued).split("~")
    text = data.draw(st.text(max_size=40) | st.lists(st.sampled_from(parts), max_size=5).map("~".join))
    report = check(text, None)
    assert report.verdict in {V.REFUSED, V.ALTERED, V.UNTRUSTED}
    assert report.claims is None
