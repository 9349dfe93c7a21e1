from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecitizen.algorithms import KeyAlgorithm, SignatureAlgorithm
from ecitizen.errors import UsageError
from ecitizen.model import PersonName
from ecitizen.ports import CertificateIssuer, CertificateRequest, Signer
from ecitizen.secret import KeyBytes
from pki.authority import Authority
from pki.errors import KeyUnsupported, Malformed, RequestRejected, SignatureInvalid
from pki.keys import FileSigner, digest, generate_key, load_public_key, public_key_info, verify_signature
from pki.oids import PURPOSES
from pki.profiles import CitizenNumberForm, SubjectKind, standard_profiles
from pki.requests import certification_request, self_signed_certificate
from pki.template import BACKDATING, random_serial_number, signed_certificate

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
PSEUDONYM_KEY = KeyBytes(bytes(range(32)))
NUMBER = "1999900100425"


@cache
def made_signer(kind: KeyAlgorithm) -> FileSigner:
    return FileSigner(generate_key(kind))


def signer(kind: KeyAlgorithm = KeyAlgorithm.P_256) -> FileSigner:
    return made_signer(kind)


@cache
def public_key(kind: KeyAlgorithm = KeyAlgorithm.P_256) -> bytes:
    return public_key_info(generate_key(kind))


@cache
def made_root(kind: KeyAlgorithm) -> Authority:
    return Authority.establish(signer(kind), "Test root", pseudonym_key=PSEUDONYM_KEY, moment=NOW)


def root(kind: KeyAlgorithm = KeyAlgorithm.P_256) -> Authority:
    return made_root(kind)


def request(profile: str = "authentication", key: bytes = b"") -> CertificateRequest:
    return CertificateRequest(
        profile,
        key or public_key(),
        PersonName("นาย", "สมชาย", "", "ใจดี"),
        PersonName("Mr.", "Somchai", "", "Jaidee"),
        NUMBER,
        "412300A1B2010417",
    )


def parsed(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def usages(certificate: x509.Certificate) -> set[str]:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    return {name for name in [*names, "key_cert_sign", "crl_sign"] if getattr(usage.value, name)}


def purposes(certificate: x509.Certificate) -> tuple[set[str], bool]:
    extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    names = {oid: name for name, oid in PURPOSES.items()}
    return {names[oid.dotted_string] for oid in extension.value}, extension.critical


# What is issued


def test_an_authority_is_a_certificate_issuer() -> None:
    issuer: CertificateIssuer = root()
    assert parsed(issuer.certificate).subject == parsed(issuer.issue(request())).issuer


@pytest.mark.parametrize(
    ("profile", "kind", "usage", "purpose", "critical"),
    [
        ("authentication", KeyAlgorithm.P_256, {"digital_signature"}, {"client_authentication"}, False),
        (
            "signature",
            KeyAlgorithm.RSA_2048,
            {"digital_signature", "content_commitment"},
            {"email_protection", "document_signing"},
            False,
        ),
        ("key_management", KeyAlgorithm.RSA_2048, {"key_encipherment"}, {"email_protection"}, False),
        ("key_management", KeyAlgorithm.P_384, {"key_agreement"}, {"email_protection"}, False),
        ("key_management", KeyAlgorithm.X25519, {"key_agreement"}, {"email_protection"}, False),
        ("card_authentication", KeyAlgorithm.P_256, {"digital_signature"}, {"piv_card_authentication"}, True),
        ("attestation", KeyAlgorithm.P_256, {"key_cert_sign"}, {"key_attestation"}, True),
    ],
)
def test_each_profile_allows_what_its_key_is_for(
    profile: str, kind: KeyAlgorithm, usage: set[str], purpose: set[str], critical: bool
) -> None:
    certificate = parsed(root().issue(request(profile, public_key(kind)), moment=NOW))
    assert usages(certificate) == usage
    assert purposes(certificate) == (purpose, critical)
    assert public_key_info(certificate.public_key()) == public_key(kind)  # type: ignore[arg-type]


def test_persons_and_cards_are_no_authorities() -> None:
    for profile in ("authentication", "signature", "key_management", "card_authentication"):
        extensions = parsed(root().issue(request(profile, public_key(KeyAlgorithm.P_256)))).extensions
        with pytest.raises(x509.ExtensionNotFound):
            extensions.get_extension_for_class(x509.BasicConstraints)


def test_a_certificate_has_what_rfc_5280_wants_of_each() -> None:
    certificate = parsed(root().issue(request(), moment=NOW))
    extensions = certificate.extensions
    own = parsed(root().certificate).extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert certificate.version is x509.Version.v3
    assert authority.value.key_identifier == own.value.digest
    assert not authority.critical
    assert not extensions.get_extension_for_class(x509.SubjectKeyIdentifier).critical
    certificate.verify_directly_issued_by(parsed(root().certificate))


def test_the_thai_name_is_the_alternative_name_of_persons_alone() -> None:
    names = parsed(root().issue(request())).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    [thai] = names.value.get_values_for_type(x509.DirectoryName)
    assert thai.get_attributes_for_oid(x509.NameOID.SURNAME)[0].value == "ใจดี"
    assert not names.critical
    card = root().issue(request("card_authentication"))
    assert "ใจดี".encode() not in card
    assert b"Jaidee" not in card


@pytest.mark.parametrize("profile", sorted(standard_profiles()))
def test_no_certificate_has_the_citizens_number_in_it(profile: str) -> None:
    if standard_profiles()[profile].subject in {SubjectKind.PERSON, SubjectKind.CARD}:
        assert NUMBER.encode() not in root().issue(request(profile))


@pytest.mark.parametrize(
    ("kind", "hashed"),
    [(KeyAlgorithm.RSA_2048, "sha512"), (KeyAlgorithm.P_256, "sha256"), (KeyAlgorithm.P_384, "sha384")],
)
def test_each_kind_of_authority_signs_with_its_hash(kind: KeyAlgorithm, hashed: str) -> None:
    certificate = parsed(root(kind).issue(request()))
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == hashed
    certificate.verify_directly_issued_by(parsed(root(kind).certificate))


def test_a_root_is_of_a_kind_that_its_profile_has() -> None:
    with pytest.raises(RequestRejected, match="ed25519"):
        Authority.self_signed("Trial", KeyAlgorithm.ED25519)


# Times and numbers


def test_a_certificate_begins_a_little_before_its_issue_and_ends_with_its_profile() -> None:
    moment = NOW + timedelta(days=1, microseconds=7)
    certificate = parsed(root().issue(request(), moment=moment))
    assert certificate.not_valid_before_utc == NOW + timedelta(days=1) - BACKDATING
    assert certificate.not_valid_after_utc == NOW + timedelta(days=1) + standard_profiles()["authentication"].validity


def test_the_clock_tells_the_moment_if_nobody_else_does() -> None:
    authority = Authority(signer(), root().certificate, pseudonym_key=PSEUDONYM_KEY, clock=lambda: NOW)
    assert parsed(authority.issue(request())).not_valid_before_utc == NOW - BACKDATING


def test_a_certificate_never_outlives_its_authority() -> None:
    end = parsed(root().certificate).not_valid_after_utc
    late = parsed(root().issue(request(), moment=end - timedelta(days=2)))
    assert late.not_valid_after_utc == end
    early = parsed(root().issue(request(), moment=NOW - BACKDATING))
    assert early.not_valid_before_utc == parsed(root().certificate).not_valid_before_utc


@pytest.mark.parametrize("days", [-1, 365 * 40])
def test_nothing_is_issued_outside_the_authoritys_own_time(days: int) -> None:
    with pytest.raises(RequestRejected, match="not valid at that moment"):
        root().issue(request(), moment=NOW + timedelta(days=days))


def test_moments_of_other_time_zones_are_the_same_moments() -> None:
    bangkok = NOW.astimezone(timezone(timedelta(hours=7)))
    assert parsed(root().issue(request(), moment=bangkok)).not_valid_before_utc == NOW - BACKDATING


@pytest.mark.parametrize(
    "moment", [NOW.replace(tzinfo=None), datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
)
def test_a_moment_that_certificates_can_not_say_is_refused(moment: datetime) -> None:
    with pytest.raises(UsageError, match="moment"):
        root().issue(request(), moment=moment)
    with pytest.raises(UsageError, match="moment"):
        Authority.establish(signer(), "Root", pseudonym_key=PSEUDONYM_KEY, moment=moment)


def test_serial_numbers_are_random() -> None:
    numbers = [parsed(root().issue(request())).serial_number for _ in range(20)]
    assert len(set(numbers)) == 20
    assert all(0 < number < 1 << 128 for number in numbers)
    assert max(numbers).bit_length() > 120


def test_serial_numbers_are_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0, 0, 7])
    monkeypatch.setattr("secrets.randbits", lambda _bits: next(drawn))
    assert random_serial_number() == 7


@pytest.mark.parametrize("number", [0, -1, 1 << 159])
def test_impossible_serial_numbers_are_refused(number: int) -> None:
    authority = Authority(signer(), root().certificate, pseudonym_key=PSEUDONYM_KEY, serial_numbers=lambda: number)
    with pytest.raises(UsageError, match="serial number"):
        authority.issue(request())


def test_serial_numbers_come_from_the_source_that_is_given() -> None:
    authority = Authority(signer(), root().certificate, pseudonym_key=PSEUDONYM_KEY, serial_numbers=lambda: 4711)
    assert parsed(authority.issue(request())).serial_number == 4711


# What is refused


def test_an_unknown_profile_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(RequestRejected, match=r"no certificate profile ../root.*authentication"):
        root().issue(request("../root"))


def test_a_kind_of_key_that_the_profile_does_not_certify_is_refused() -> None:
    with pytest.raises(RequestRejected, match="x25519"):
        root().issue(request("authentication", public_key(KeyAlgorithm.X25519)))


def test_unusable_public_keys_are_refused() -> None:
    with pytest.raises(Malformed):
        root().issue(request(key=b"\x30\x00"))
    weak = rsa.generate_private_key(65537, 1024).public_key()
    with pytest.raises(KeyUnsupported):
        root().issue(request(key=weak.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)))


@pytest.mark.parametrize("profile", ["root", "issuing_authority"])
def test_authorities_are_not_issued_by_mistake(profile: str) -> None:
    with pytest.raises(RequestRejected, match="issue_authority"):
        root().issue(request(profile))
    with pytest.raises(RequestRejected, match="not for authorities"):
        root().issue_authority(public_key(), "Below", profile="attestation")


def test_own_profiles_take_the_place_of_the_standard_ones() -> None:
    mine = replace(standard_profiles()["authentication"], citizen_number=CitizenNumberForm.PLAIN)
    authority = Authority(signer(), root().certificate, pseudonym_key=PSEUDONYM_KEY, profiles={"mine": mine})
    certificate = parsed(authority.issue(request("mine")))
    assert certificate.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)[0].value == NUMBER
    with pytest.raises(RequestRejected, match="there are mine"):
        authority.issue(request("authentication"))


# Authorities below


class Below(Authority):
    """An issuing authority under another one; it remembers its key to be the other one of a next."""

    def __init__(self, above: Authority, above_signer: Signer, path_length: int | None = 0) -> None:
        self.signer = FileSigner(generate_key(KeyAlgorithm.P_384))
        profiles = {**standard_profiles()}
        profiles["issuing_authority"] = replace(profiles["issuing_authority"], path_length=path_length)
        issuer = Authority(above_signer, above.certificate, pseudonym_key=PSEUDONYM_KEY, profiles=profiles)
        certificate = issuer.issue_authority(self.signer.public_key, "Below", organisation="Ministry", moment=NOW)
        super().__init__(self.signer, certificate, pseudonym_key=PSEUDONYM_KEY, profiles=profiles)


def path_length(authority: Authority) -> int | None:
    constraints = parsed(authority.certificate).extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca
    return constraints.value.path_length


def test_a_root_has_no_limit_and_an_issuing_authority_none_below() -> None:
    assert path_length(root()) is None
    assert path_length(Below(root(), signer())) == 0
    assert usages(parsed(Below(root(), signer()).certificate)) == {"key_cert_sign", "crl_sign"}


def test_an_authority_with_none_below_issues_to_persons_only() -> None:
    issuing = Below(root(), signer())
    parsed(issuing.issue(request(), moment=NOW)).verify_directly_issued_by(parsed(issuing.certificate))
    with pytest.raises(RequestRejected, match="no authority may follow"):
        issuing.issue_authority(public_key(), "Further below", moment=NOW)
    with pytest.raises(RequestRejected, match="no authority may follow"):
        issuing.issue(request("attestation"), moment=NOW)


@pytest.mark.parametrize(
    ("own", "asked", "given"), [(None, None, None), (None, 3, 3), (2, None, 1), (2, 5, 1), (2, 0, 0)]
)
def test_each_authority_allows_fewer_below_than_the_one_above(
    own: int | None, asked: int | None, given: int | None
) -> None:
    middle = Below(root(), signer(), own)
    assert path_length(Below(middle, middle.signer, asked)) == given


# The authority's own certificate


def test_a_new_test_authority_needs_nothing() -> None:
    authority = Authority.self_signed("Trial")
    certificate = parsed(authority.issue(request()))
    certificate.verify_directly_issued_by(parsed(authority.certificate))


def test_a_root_names_itself() -> None:
    certificate = parsed(root().certificate)
    assert certificate.issuer == certificate.subject
    assert certificate.not_valid_before_utc == NOW - BACKDATING
    assert usages(certificate) == {"key_cert_sign", "crl_sign"}
    certificate.verify_directly_issued_by(certificate)


def test_a_certificate_of_another_key_is_refused() -> None:
    with pytest.raises(UsageError, match="not for this key"):
        Authority(FileSigner(generate_key(KeyAlgorithm.P_256)), root().certificate, pseudonym_key=PSEUDONYM_KEY)


@pytest.mark.parametrize(
    "certificate",
    [
        lambda: root().issue(request(key=signer().public_key)),
        lambda: self_signed_certificate(signer(), "CN=Not an authority"),
    ],
)
def test_a_certificate_that_is_no_authoritys_is_refused(certificate: Callable[[], bytes]) -> None:
    with pytest.raises(UsageError, match="not an authority's"):
        Authority(signer(), certificate(), pseudonym_key=PSEUDONYM_KEY)


def foreign_authority(*, ca: bool, key_identifier: bool) -> bytes:
    """A self-signed certificate for the root's key, as another program might have written it."""
    key = load_public_key(signer().public_key)
    name = x509.Name.from_rfc4514_string("CN=Foreign,O=Elsewhere,C=DE")
    builder = x509.CertificateBuilder(name, name, key, 1, NOW, NOW + timedelta(days=9))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    bits = dict.fromkeys(["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"], False)
    rest = dict.fromkeys(["key_agreement", "crl_sign", "encipher_only", "decipher_only"], False)
    builder = builder.add_extension(x509.KeyUsage(**bits, **rest, key_cert_sign=True), critical=True)
    if key_identifier:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(b"called so"), critical=False)
    return signed_certificate(builder, signer())


@pytest.mark.parametrize("key_identifier", [True, False])
def test_an_authority_of_another_program_is_followed(key_identifier: bool) -> None:
    own = foreign_authority(ca=True, key_identifier=key_identifier)
    certificate = parsed(Authority(signer(), own, pseudonym_key=PSEUDONYM_KEY).issue(request(), moment=NOW))
    named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    computed = x509.SubjectKeyIdentifier.from_public_key(load_public_key(signer().public_key)).digest
    assert named == (b"called so" if key_identifier else computed)
    assert certificate.issuer.rfc4514_string() == "CN=Foreign,O=Elsewhere,C=DE"


def test_a_certificate_that_denies_to_be_an_authoritys_is_believed() -> None:
    with pytest.raises(UsageError, match="may not sign"):
        Authority(signer(), foreign_authority(ca=False, key_identifier=True), pseudonym_key=PSEUDONYM_KEY)


def test_bytes_that_are_no_certificate_are_refused() -> None:
    with pytest.raises(Malformed):
        Authority(signer(), b"\x30\x03\x02\x01\x00", pseudonym_key=PSEUDONYM_KEY)


def test_a_short_key_for_pseudonyms_is_refused() -> None:
    with pytest.raises(UsageError, match="pseudonyms"):
        Authority(signer(), root().certificate, pseudonym_key=KeyBytes(bytes(15)))


def test_an_authority_shows_no_secret() -> None:
    assert repr(PSEUDONYM_KEY.reveal())[2:-1] not in repr(vars(root()))


# Requests


def test_the_key_of_a_request_is_certified_and_its_subject_ignored() -> None:
    holder = FileSigner(generate_key(KeyAlgorithm.P_256))
    csr = certification_request(holder, "CN=Somebody Else,O=Elsewhere")
    certificate = root().issue_from_csr(
        csr, "authentication", name_en=PersonName("", "Somchai", "", "Jaidee"), citizen_number=NUMBER, moment=NOW
    )
    assert public_key_info(parsed(certificate).public_key()) == holder.public_key  # type: ignore[arg-type]
    assert b"Somchai Jaidee" in certificate
    assert b"Somebody" not in certificate


def test_a_request_that_proves_nothing_is_refused() -> None:
    csr = bytearray(certification_request(signer(), "CN=x"))
    csr[-1] ^= 1
    with pytest.raises(SignatureInvalid):
        root().issue_from_csr(bytes(csr), "card_authentication", card_serial="A1")


# Signers that fail


class FaultySigner:
    """A token whose signatures are of another message."""

    certificate = None

    def __init__(self, inner: Signer) -> None:
        self._inner = inner
        self.key_algorithm = inner.key_algorithm
        self.public_key = inner.public_key
        self.algorithms = inner.algorithms

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return self._inner.sign(message + b"!", algorithm)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return self._inner.sign_digest(bytes(len(digest)), algorithm)


@pytest.mark.parametrize("kind", [KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048])
def test_a_wrong_signature_never_leaves(kind: KeyAlgorithm) -> None:
    authority = Authority(FaultySigner(signer(kind)), root(kind).certificate, pseudonym_key=PSEUDONYM_KEY)
    with pytest.raises(SignatureInvalid):
        authority.issue(request())


class Token:
    """A key that gets digests only, as cards do."""

    certificate = None

    def __init__(self, kind: KeyAlgorithm) -> None:
        self._inner = FileSigner(generate_key(kind))
        self.key_algorithm = kind
        self.public_key = self._inner.public_key
        self.algorithms = self._inner.algorithms

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        assert algorithm.hash is not None
        return self.sign_digest(digest(message, algorithm.hash), algorithm)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return self._inner.sign_digest(digest, algorithm)


@pytest.mark.parametrize("kind", [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048])
def test_the_authoritys_key_may_be_anywhere(kind: KeyAlgorithm) -> None:
    authority = Authority.establish(Token(kind), "Root on a card", pseudonym_key=PSEUDONYM_KEY)
    certificate = parsed(authority.issue(request()))
    certificate.verify_directly_issued_by(parsed(authority.certificate))
    algorithm = signer(kind).algorithms[0]
    own = public_key_info(parsed(authority.certificate).public_key())  # type: ignore[arg-type]
    verify_signature(own, certificate.tbs_certificate_bytes, certificate.signature, algorithm)


def test_a_key_that_can_not_sign_certificates_is_refused() -> None:
    token = Token(KeyAlgorithm.P_256)
    token.algorithms = ()
    with pytest.raises(UsageError, match="can't sign certificates"):
        Authority.establish(token, "Root", pseudonym_key=PSEUDONYM_KEY)
