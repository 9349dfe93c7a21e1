import uuid
from datetime import timedelta

import pytest
from cryptography.x509 import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import ConfigError
from pki.oids import OWN_ARC, POLICIES, PURPOSES, is_object_identifier
from pki.profiles import CitizenNumberForm, KeyUsage, Profile, SubjectKind, possible_usages, standard_profiles

MINIMAL = """
subject = "person"
keys = ["p256"]
key_usage = ["digital_signature"]
validity_days = 10
"""


def test_the_standard_profiles_are_there() -> None:
    assert set(standard_profiles()) == {
        "application_card_admin",
        "application_citizen_id",
        "application_civil_servant",
        "application_health_insurance",
        "attestation",
        "authentication",
        "card_authentication",
        "desk_tls",
        "document_signer_card_admin",
        "document_signer_citizen_id",
        "document_signer_civil_servant",
        "document_signer_health_insurance",
        "issuing_authority",
        "key_management",
        "ocsp",
        "officer",
        "root",
        "signature",
        "timestamp",
    }


def test_standard_profiles_never_show_a_citizens_number() -> None:
    forms = {profile.citizen_number for profile in standard_profiles().values()}
    assert forms == {CitizenNumberForm.PSEUDONYM}


@pytest.mark.parametrize("profile", standard_profiles().values(), ids=lambda profile: profile.name)
def test_only_authorities_and_attestation_keys_sign_certificates(profile: Profile) -> None:
    assert profile.is_authority == (profile.name in {"root", "issuing_authority", "attestation"})


def test_each_application_has_purposes_of_its_own() -> None:
    profiles = standard_profiles()
    purposes = [
        profiles[f"{kind}_{application}"].extended_key_usage
        for kind in ("document_signer", "application")
        for application in ("card_admin", "citizen_id", "civil_servant", "health_insurance")
    ]
    assert len(set(purposes)) == len(purposes)
    assert all(len(each) == 1 for each in purposes)


def test_a_profile_is_what_its_file_says() -> None:
    text = """
        subject = "card"
        common_name = "Card"
        keys = ["p256", "rsa2048"]
        key_usage = ["key_cert_sign"]
        extended_key_usage = ["client_authentication", "1.2.3.4"]
        extended_key_usage_critical = true
        path_length = 2
        citizen_number = "plain"
        certificate_policies = ["any", "1.2.3.5"]
        application = "piv"
        validity_days = 7
    """
    assert Profile.parse("mine", text) == Profile(
        name="mine",
        subject=SubjectKind.CARD,
        keys=frozenset({KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048}),
        key_usage=frozenset({KeyUsage.KEY_CERT_SIGN}),
        validity=timedelta(days=7),
        extended_key_usage=("1.3.6.1.5.5.7.3.2", "1.2.3.4"),
        extended_key_usage_critical=True,
        path_length=2,
        citizen_number=CitizenNumberForm.PLAIN,
        common_name="Card",
        certificate_policies=("2.5.29.32.0", "1.2.3.5"),
        application="piv",
    )


def test_what_a_profile_leaves_out_has_a_safe_value() -> None:
    profile = Profile.parse("mine", MINIMAL)
    assert profile.citizen_number is CitizenNumberForm.PSEUDONYM
    assert not profile.is_authority
    assert profile.path_length is None
    assert profile.extended_key_usage == ()


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ('subject = "ghost"', "subject"),
        ("subject = 1", "subject"),
        ('keys = ["rsa1024"]', "keys"),
        ("keys = []", "keys"),
        ('keys = "p256"', "keys"),
        ('keys = ["x25519"]', "keys"),
        ('key_usage = ["anything"]', "key_usage"),
        ('subject = "authority"', "key_usage"),
        ("validity_days = 0", "validity_days"),
        ("validity_days = true", "validity_days"),
        ("validity_days = 1.5", "validity_days"),
        ("validity_days = 1000000", "validity_days"),
        ("path_length = 0", "path_length"),
        ("path_length = -1", "path_length"),
        ('extended_key_usage = ["flying"]', "extended_key_usage"),
        ('extended_key_usage = ["1..2"]', "extended_key_usage"),
        ("extended_key_usage = [7]", "extended_key_usage"),
        ('extended_key_usage_critical = "yes"', "extended_key_usage_critical"),
        ("extended_key_usage_critical = true", "extended_key_usage_critical"),
        ('citizen_number = "hash"', "citizen_number"),
        ('certificate_policies = ["trust me"]', "certificate_policies"),
        ("ocsp_no_check = true", "ocsp_no_check"),
        ("application = 1", "application"),
        ("common_name = 5", "common_name"),
        ('subject = "card"', "common_name"),
        ('colour = "blue"', "colour"),
    ],
)
def test_a_wrong_setting_is_named(line: str, setting: str) -> None:
    kept = [other for other in MINIMAL.splitlines() if other.split(" ")[0] != line.split(" ", maxsplit=1)[0]]
    with pytest.raises(ConfigError, match=f"profile mine.*{setting}"):
        Profile.parse("mine", "\n".join([*kept, line]))


@pytest.mark.parametrize("setting", ["subject", "keys", "key_usage", "validity_days"])
def test_a_missing_setting_is_named(setting: str) -> None:
    kept = [line for line in MINIMAL.splitlines() if not line.startswith(f"{setting} ")]
    with pytest.raises(ConfigError, match=f"{setting} is missing"):
        Profile.parse("mine", "\n".join(kept))


LARGEST = str(2**128 - 1)


@pytest.mark.parametrize(
    "oid",
    [
        "1",
        "1.2",
        "1.",
        ".1",
        "3.1.1",
        "1.40.1",
        "1.2.03",
        "1.2.x",
        "1.2.-3",
        "1.2.๓",
        f"2.{LARGEST}.1",
        f"2.25.{LARGEST}9",
    ],
)
def test_an_impossible_identifier_is_refused(oid: str) -> None:
    with pytest.raises(ConfigError, match="extended_key_usage"):
        Profile.parse("mine", f'{MINIMAL}extended_key_usage = ["{oid}"]')


def test_an_identifier_that_is_too_long_is_refused() -> None:
    assert not is_object_identifier("2.25" + f".{LARGEST}" * 4)


@given(st.from_regex(r"[0-9]{1,40}(\.[0-9]{1,40}){0,6}", fullmatch=True))
def test_every_identifier_is_encoded_or_refused(oid: str) -> None:
    if is_object_identifier(oid):
        assert ObjectIdentifier(oid).dotted_string == oid


def test_own_identifiers_are_under_their_uuid() -> None:
    assert f"2.25.{uuid.UUID('43d57696-a924-4c2f-9c5d-e83dd3329194').int}" == OWN_ARC
    for known in (PURPOSES, POLICIES):
        assert all(is_object_identifier(oid) for oid in known.values())
        assert len(set(known.values())) == len(known)
    assert is_object_identifier(f"2.25.{LARGEST}.1")


def test_what_is_not_toml_is_told() -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        Profile.parse("mine", "subject: person")


@given(st.text())
def test_random_text_is_no_profile(text: str) -> None:
    with pytest.raises(ConfigError):
        Profile.parse("mine", text)


def test_keys_have_the_usages_of_their_kind() -> None:
    assert KeyUsage.KEY_ENCIPHERMENT in possible_usages(KeyAlgorithm.RSA_2048)
    assert KeyUsage.KEY_AGREEMENT not in possible_usages(KeyAlgorithm.RSA_2048)
    assert KeyUsage.KEY_AGREEMENT in possible_usages(KeyAlgorithm.P_384)
    assert KeyUsage.KEY_ENCIPHERMENT not in possible_usages(KeyAlgorithm.P_384)
    assert possible_usages(KeyAlgorithm.X25519) == {KeyUsage.KEY_AGREEMENT}
    assert KeyUsage.KEY_AGREEMENT not in possible_usages(KeyAlgorithm.ED25519)
