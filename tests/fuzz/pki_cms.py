"""Targets: signature files and containers that were changed; whatever is still valid is what was signed."""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ecitizen.algorithms import HashAlgorithm
from pki import asic, cms
from pki.asic import AsicForm
from pki.cms_forms import COUNTERSIGNATURE, SignedData, SignerInfo, read_signed_data, read_signer_info
from pki.errors import Malformed
from pki.keys import digest
from pki.signed import DocumentVerdict, Level, SignedBounds
from pki.signed_trust import SigningTrust
from pki.timestamp_check import verify_timestamp
from pki.trust import TrustStore
from tests.signing_people import DigestOf, SigningPeople
from tests.unit.countersigned import countersigned, countersigner, value_of
from tests.unit.signed_containers import SIGNATURES, container, references_to, signatures_file, xades_signature
from tests.unit.small_pki import MOMENT

from .target import Target

CONTENT = b"what was agreed on"
FILES = {"a.txt": CONTENT, "b/c.txt": b"and this"}
OTHER_FILES = {**FILES, "a.txt": b"what was never agreed on"}
WRONG = [each for each in DocumentVerdict if each is not DocumentVerdict.VALID]
BOUNDS = SignedBounds(expanded_max_len=10_000_000)


@cache
def people() -> SigningPeople:
    """Those who sign in this run."""
    return SigningPeople(Path(tempfile.mkdtemp(prefix="ecitizen-fuzz-")))


@cache
def trust() -> TrustStore:
    """Believes these people's root, and knows their authority."""
    folder = people().trust(MOMENT).directory
    (folder / "issuers").mkdir()
    (folder / "issuers" / "authority.der").write_bytes(people().authority.der)
    return TrustStore.open(folder)


@cache
def signatures() -> tuple[bytes, ...]:
    """A signature at each level, one with its content in it, and one that is countersigned."""
    plain = tuple(_signature(level) for level in Level)
    over = countersigner(people().signer, value_of(plain[0]))
    return (*plain, _signature(Level.B, attached=True), countersigned(plain[0], over.written))


def _signature(level: Level, *, attached: bool = False) -> bytes:
    who = people()
    return cms.sign(
        CONTENT,
        who.signer,
        who.signer_party.der,
        who.chain,
        moment=MOMENT,
        level=level,
        timestamps=who.timestamps,
        revocation=who,
        trust=trust(),
        attached=attached,
    )


@cache
def containers() -> tuple[bytes, ...]:
    who = people()
    several = asic.sign(dict(FILES), who.signer, who.signer_party.der, who.chain, moment=MOMENT)
    form = AsicForm.SIMPLE
    alone = asic.sign({"a.txt": CONTENT}, who.signer, who.signer_party.der, who.chain, form=form, moment=MOMENT)
    return several, alone


def signers_of(parts: SignedData) -> Iterator[SignerInfo]:
    """Those who signed, and those who countersigned."""
    for signer in parts.signers:
        yield signer
        yield from map(read_signer_info, signer.values(COUNTERSIGNATURE))


def check_signature(data: bytes) -> None:
    """A changed signature file is judged without an error; it is valid only as what was signed."""
    for beside in (CONTENT, None):
        report = cms.verify(data, beside, trust=trust(), moment=MOMENT, bounds=BOUNDS)
        if report.verdict is not DocumentVerdict.VALID:
            continue
        parts = read_signed_data(data)
        content = parts.content.joined() if parts.content else beside
        assert content == CONTENT
        ours = {each.signed_attributes for one in signatures() for each in signers_of(read_signed_data(one))}
        assert {each.signed_attributes for each in signers_of(parts)} <= ours
    with contextlib.suppress(Malformed):
        parts = read_signed_data(data)
        if parts.content is None:
            written = parts.written()  # sets are put in order
            assert read_signed_data(written).written() == written


def check_timestamp(data: bytes) -> None:
    """A changed timestamp is judged without an error."""
    report = verify_timestamp(data, DigestOf(CONTENT), SigningTrust(trust(), MOMENT))
    assert report.verdict is not DocumentVerdict.VALID or report.moment == MOMENT


def check_container(data: bytes) -> None:
    """A changed container is judged without an error; if it is valid, it has what was signed and no more."""
    report = asic.verify(data, trust=trust(), moment=MOMENT, bounds=BOUNDS)
    if report.verdict is DocumentVerdict.VALID:
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            found = {
                name: zipped.read(name)
                for name in zipped.namelist()
                if name != "mimetype" and not name.startswith("META-INF/")
            }
        assert found.items() <= FILES.items()


def check_container_xades(data: bytes) -> None:
    """Whatever XAdES signatures a container has, they don't hold over another file than the one that was signed."""
    for files, said in ((FILES, list(DocumentVerdict)), (OTHER_FILES, WRONG)):
        report = asic.verify(container({**files, SIGNATURES: data}), trust=trust(), moment=MOMENT, bounds=BOUNDS)
        assert report.verdict in said


def container_xades_seeds() -> Iterator[bytes]:
    who = people().signer_party
    for files in (FILES, {"a.txt": CONTENT}):
        yield signatures_file(xades_signature(*references_to(files), key=who.key, certificate=who.der))


def signature_seeds() -> Iterator[bytes]:
    yield from signatures()
    yield signatures()[0][:300]


def timestamp_seeds() -> Iterator[bytes]:
    yield people().timestamps.stamp(digest(CONTENT, HashAlgorithm.SHA_256), HashAlgorithm.SHA_256)


def container_seeds() -> Iterator[bytes]:
    yield from containers()


TARGETS = (
    Target("cms_signature", check_signature, signature_seeds, max_len=9000, weight=4),
    Target("timestamp_token", check_timestamp, timestamp_seeds, max_len=3000, weight=4),
    Target("asic_xades", check_container_xades, container_xades_seeds, max_len=6000, weight=4),
    Target("asic_container", check_container, container_seeds, max_len=6000, weight=4),
)
