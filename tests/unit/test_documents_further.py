"""Further people who sign a document, and many documents checked at once."""

import itertools
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from pki.documents import SignatureFormat, add_signature, sign_file, verify_file, verify_files
from pki.keys import FileSigner
from pki.path import PathReport, RevocationRule
from pki.signed import DocumentVerdict, Level
from pki.signed_batch import RememberingTrust
from pki.trust import TrustStore
from tests.pdf_files import pdf
from tests.signing_people import Counting, SigningPeople
from tests.unit.small_pki import MOMENT

LATER = MOMENT + timedelta(days=1)
VALID = DocumentVerdict.VALID


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def second(people: SigningPeople) -> FileSigner:
    return people.certified(KeyAlgorithm.P_384, "Somying Second")


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.doc"
    path.write_bytes(b"what was agreed on")
    return path


def signed(people: SigningPeople, path: Path, form: SignatureFormat | None = None) -> Path:
    return sign_file(path, people.signer, people.signer_party.der, people.chain, moment=MOMENT, form=form)


def added(people: SigningPeople, path: Path, signer: FileSigner | Counting, **settings: Any) -> Path:
    assert signer.certificate
    return add_signature(path, signer, signer.certificate, people.chain, **{"moment": MOMENT, **settings})


@pytest.mark.parametrize("form", [SignatureFormat.CADES, SignatureFormat.ASIC_E, SignatureFormat.ASIC_S])
def test_a_second_person_signs_the_same_file(
    people: SigningPeople, second: FileSigner, letter: Path, form: SignatureFormat
) -> None:
    first = signed(people, letter, form)
    shown: list[bytes] = []
    signer = Counting(second)
    levels = {"level": Level.T, "timestamps": people.timestamps}
    target = added(people, first, signer, show=lambda digest, _: shown.append(digest), **levels)
    assert (target, signer.used, len(shown)) == (first, 1, 1)
    report = verify_file(target, trust=people.trust(MOMENT), moment=LATER)
    assert (report.verdict, report.format) == (VALID, form)
    assert [each.signer.name_en for each in report.signatures if each.signer] == ["Somchai Signer", "Somying Second"]
    assert [each.level for each in report.signatures] == [Level.B, Level.T]
    assert len({each.covers for each in report.signatures}) == 1


def test_a_pdf_gets_a_further_approval_signature(people: SigningPeople, second: FileSigner, tmp_path: Path) -> None:
    path = tmp_path / "letter.pdf"
    path.write_bytes(pdf())
    first = signed(people, path)
    before = first.read_bytes()
    both = added(people, first, second, out=tmp_path / "both.pdf", reason="seen")
    assert first.read_bytes() == before
    assert both.read_bytes().startswith(before)
    report = verify_file(both, trust=people.trust(MOMENT), moment=LATER)
    assert (report.verdict, len(report.signatures)) == (VALID, 2)


def test_the_signature_is_found_beside_its_file(people: SigningPeople, second: FileSigner, letter: Path) -> None:
    signature = signed(people, letter)
    assert added(people, letter, second) == signature
    assert len(verify_file(letter, trust=None, moment=LATER).signatures) == 2
    elsewhere = letter.with_name("elsewhere.p7s")
    elsewhere.write_bytes(signature.read_bytes())
    letter.rename(letter.with_name("moved.doc"))
    added(people, elsewhere, people.signer, data=letter.with_name("moved.doc"))
    report = verify_file(elsewhere, letter.with_name("moved.doc"), trust=people.trust(MOMENT), moment=LATER)
    assert (report.verdict, len(report.signatures)) == (VALID, 3)


@pytest.mark.parametrize("name", ["letter.doc", "letter.xml", "letter.pdf"])
def test_what_nobody_has_signed_gets_no_further_signature(
    people: SigningPeople, second: FileSigner, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes({"doc": b"text", "xml": b"<letter/>", "pdf": pdf()}[name[-3:]])
    signer = Counting(second)
    with pytest.raises(UsageError, match="nobody has signed"):
        added(people, path, signer)
    assert (signer.used, list(tmp_path.iterdir())) == (0, [path])


def test_xml_has_room_for_one_signature(people: SigningPeople, second: FileSigner, tmp_path: Path) -> None:
    path = tmp_path / "letter.xml"
    path.write_bytes(b"<letter/>")
    with pytest.raises(UsageError, match="asic-e"):
        added(people, signed(people, path), second)


@pytest.mark.parametrize("form", [SignatureFormat.CADES, SignatureFormat.ASIC_E])
def test_nobody_signs_what_is_not_what_the_others_signed(
    people: SigningPeople, second: FileSigner, letter: Path, form: SignatureFormat
) -> None:
    first = signed(people, letter, form)
    letter.write_bytes(b"what was never agreed on")
    if form is SignatureFormat.ASIC_E:
        _change(first, letter)
    signer, before = Counting(second), first.read_bytes()
    with pytest.raises(UsageError):
        added(people, first, signer)
    assert (signer.used, first.read_bytes()) == (0, before)


def _change(container: Path, file: Path) -> None:
    """Put another file of that name into a container."""
    with zipfile.ZipFile(container) as old:
        files = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(container, "w") as new:
        for name, data in {**files, file.name: file.read_bytes()}.items():
            new.writestr(name, data)


# Many documents


class Counted:
    """A trust directory that counts how often it is asked."""

    def __init__(self, store: TrustStore) -> None:
        self.store = store
        self.crls, self.ocsps = store.crls, store.ocsps
        self.asked = 0

    def check(self, certificate: bytes, **settings: Any) -> PathReport:
        self.asked += 1
        return self.store.check(certificate, **settings)


def test_a_signer_of_many_documents_is_judged_once(people: SigningPeople, tmp_path: Path) -> None:
    paths = []
    for number in range(5):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(b"%d" % number)
        paths.append(signed(people, path))
    (tmp_path / "3.txt").write_bytes(b"changed")
    trust = Counted(people.trust(MOMENT))
    reports = list(verify_files(paths, trust=trust, moment=LATER))
    assert [each.verdict for each in reports] == [VALID, VALID, VALID, DocumentVerdict.ALTERED, VALID]
    assert trust.asked == 1
    assert reports == [verify_file(path, trust=trust, moment=LATER) for path in paths]
    (untrusted,) = verify_files(paths[:1], trust=None, moment=LATER)
    assert untrusted.verdict is DocumentVerdict.UNTRUSTED


Question = Callable[[RememberingTrust, SigningPeople, bytes], PathReport]
QUESTIONS: dict[str, Question] = {
    "plain": lambda trust, _, one: trust.check(one, moment=LATER),
    "moment": lambda trust, _, one: trust.check(one, moment=LATER + timedelta(seconds=1)),
    "usage": lambda trust, _, one: trust.check(one, moment=LATER, usage="1.2.3"),
    "rule": lambda trust, _, one: trust.check(one, moment=LATER, revocation=RevocationRule.OFF),
    "others": lambda trust, people, one: trust.check(one, moment=LATER, others=people.chain),
    "crls": lambda trust, people, one: trust.check(one, moment=LATER, crls=people.chain),
    "ocsps": lambda trust, people, one: trust.check(one, moment=LATER, ocsps=people.chain),
    "split": lambda trust, people, one: trust.check(
        one, moment=LATER, others=[people.chain[0][:9], people.chain[0][9:]]
    ),
    "certificate": lambda trust, people, _: trust.check(people.authority.der, moment=LATER),
}


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(QUESTIONS, 2)))
def test_another_question_is_asked_again(people: SigningPeople, one: str, other: str) -> None:
    store = Counted(people.trust(MOMENT))
    trust = RememberingTrust(store)
    first = [QUESTIONS[name](trust, people, people.signer_party.der) for name in (one, other)]
    assert store.asked == 2
    assert [QUESTIONS[name](trust, people, people.signer_party.der) for name in (one, other)] == first
    assert store.asked == 2


def test_only_so_many_answers_are_kept(people: SigningPeople) -> None:
    store = Counted(people.trust(MOMENT))
    trust = RememberingTrust(store, answers_max=2)
    moments: list[datetime] = [LATER + timedelta(seconds=number) for number in range(3)]
    for moment in (*moments, moments[2], moments[1], moments[0]):
        trust.check(people.signer_party.der, moment=moment, others=people.chain)
    assert store.asked == 4
    with pytest.raises(UsageError):
        RememberingTrust(store, answers_max=0)
