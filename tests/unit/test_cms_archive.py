"""Evidence and archive timestamps, computed once more from the standard's words with asn1crypto's structures."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import core, tsp
from cryptography import x509

from pki import cms
from pki.revocation_fetch import Fetched
from pki.signed import DocumentVerdict, Level
from tests.signing_people import SigningPeople
from tests.unit.small_pki import MOMENT, YEAR

CONTENT = b"what was agreed on"
DAY = timedelta(days=1)
ARCHIVE_TIMESTAMP = "0.4.0.1733.2.4"
HASH_INDEX = "0.4.0.19122.1.5"


class OcspSource:
    """OCSP for what the lower authority issued, a CRL for that authority."""

    def __init__(self, people: SigningPeople) -> None:
        self.people = people

    def fetch(self, chain: Sequence[bytes]) -> Fetched:
        people = self.people
        leaf = x509.load_der_x509_certificate(chain[0])
        return Fetched(people.crls(people.clock.now)[:1], (people.ocsp(leaf, people.clock.now),))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


def signed(people: SigningPeople, source: Any, level: Level = Level.LTA) -> bytes:
    return cms.sign(
        CONTENT,
        people.signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        level=level,
        timestamps=people.timestamps,
        revocation=source,
        trust=people.trust(),
    )


@pytest.mark.parametrize("by_ocsp", [False, True])
def test_the_archive_timestamp_is_over_what_the_standard_says(people: SigningPeople, by_ocsp: bool) -> None:
    """ETSI EN 319 122-1, 5.5.2 and 5.5.3."""
    signature = signed(people, OcspSource(people) if by_ocsp else people)
    signed_data = asn1_cms.ContentInfo.load(signature)["content"]
    (signer,) = signed_data["signer_infos"]
    unsigned = {each["type"].dotted: each["values"] for each in signer["unsigned_attrs"]}
    (token,) = unsigned.pop(ARCHIVE_TIMESTAMP)
    stamp = asn1_cms.ContentInfo.load(token.dump())["content"]
    (index,) = next(
        each["values"] for each in stamp["signer_infos"][0]["unsigned_attrs"] if each["type"].dotted == HASH_INDEX
    )

    def digests(values: Any) -> list[bytes]:
        return [hashlib.sha256(value).digest() for value in values]

    parts = [core.OctetString.load(each.dump()).native for each in _lists(index.dump())]
    wanted = digests(each.dump() for each in signed_data["certificates"])
    wanted += digests(each.dump() for each in signed_data["crls"])
    wanted += digests(
        core.ObjectIdentifier(kind).dump() + value.dump() for kind, values in unsigned.items() for value in values
    )
    assert sorted(parts) == sorted(wanted)

    covered = (
        signed_data["encap_content_info"]["content_type"].dump(),
        hashlib.sha256(CONTENT).digest(),
        *(
            signer[name].dump()
            for name in ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature")
        ),
        index.dump(),
    )
    info = tsp.TSTInfo.load(_content(stamp))
    assert info["message_imprint"]["hashed_message"].native == hashlib.sha256(b"".join(covered)).digest()


def _content(stamp: Any) -> bytes:
    """What a timestamp token is over, as bytes."""
    return bytes(stamp["encap_content_info"]["content"])


def _lists(index: bytes) -> list[Any]:
    """All digests of the three lists in an index."""
    _, *lists = _members(index)
    return [each for one in lists for each in _members(one.dump())]


def _members(data: bytes) -> list[Any]:
    return list(core.SequenceOf.load(data, spec=core.Any))


def test_ocsp_responses_are_evidence(people: SigningPeople) -> None:
    """RFC 5940: other revocation information, and version 5 of the whole."""
    signature = signed(people, OcspSource(people), Level.LT)
    signed_data = asn1_cms.ContentInfo.load(signature)["content"]
    assert signed_data["version"].native == "v5"
    formats = [each.chosen["other_rev_info_format"].native for each in signed_data["crls"] if each.name == "other"]
    assert formats == ["ocsp_response", "ocsp_response"]
    later = MOMENT + YEAR + 30 * DAY
    report = cms.verify(signature, CONTENT, trust=people.trust(later), moment=later)
    assert report.verdict is DocumentVerdict.VALID


def test_what_is_known_later_counts(tmp_path: Path) -> None:
    """A list of the time of signing knew nothing yet of a key that had been lost before."""
    people = SigningPeople(tmp_path)
    signature = signed(people, people, Level.LT)
    people.revoked[people.signer_party.certificate.serial_number] = MOMENT - DAY
    for later in (MOMENT + 2 * DAY, MOMENT + 30 * DAY):
        report = cms.verify(signature, CONTENT, trust=people.trust(later), moment=later)
        assert report.verdict is DocumentVerdict.REVOKED
    stale = MOMENT + 60 * DAY  # the newest list is too old now, and yet it says enough
    report = cms.verify(signature, CONTENT, trust=people.trust(MOMENT + 30 * DAY), moment=stale)
    assert report.verdict is DocumentVerdict.REVOKED
