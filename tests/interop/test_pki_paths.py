"""The same certificates and CRLs before four judges: ours, OpenSSL, the JDK and NSS.

NIST's suite says what is right (fixtures/pki/pkits.json), and for our own hierarchy this table does. Where a judge is
known to say otherwise it stands here with the reason, and a judge that changes its mind is a failure too.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography import x509

from cli.exit_codes import ExitCode
from cli.main import main
from pki.path import Verdict
from pki.status import RevocationReason
from pki.store import shard_of
from tests.interop.path_judges import Answers, Judges, PathCase
from tests.unit.registered import DAY, HOUR, MOMENT, Registered, person_request, registered, serial_of
from tests.unit.small_pki import root

SUITE = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
TABLE = Path(__file__).parents[2] / "fixtures" / "pki" / "pkits.json"
AMID = datetime(2015, 6, 1, tzinfo=UTC)
"""A time at which the suite's certificates and CRLs are valid."""
SHARDS = 2

OPENSSL_OTHERWISE = {
    "4.1.5": "it does not know DSA keys that inherit their parameters",
    "4.14.30": "it does not look for the issuer of a CRL while it validates the issuer of another",
}
_NO_DELTA = "delta CRLs are used only if they can be fetched from where the certificate says"
JDK_OTHERWISE = {"4.15.4": _NO_DELTA, "4.15.5": _NO_DELTA}
_SCOPE = "CRLs that are for some certificates only are not understood, and without a CRL nothing is valid"
_POLICY = "a policy that is named is required, without one none is, and anyPolicy can't be inhibited"
NSS_OTHERWISE = {
    "4.1.5": "it does not check CRLs by DSA keys that inherit their parameters",
    **dict.fromkeys(("4.3.3", "4.3.4", "4.3.5", "4.3.10", "4.3.11"), "it compares names byte for byte"),
    **dict.fromkeys(("4.4.11", "4.4.12"), "it does not look at the nextUpdate of a CRL"),
    **dict.fromkeys(
        ("4.4.19", "4.5.3", "4.5.4", "4.5.6"), "a CRL must be signed by the key that signed the certificate"
    ),
    **dict.fromkeys(("4.7.4", "4.7.5"), "it does not look whether the authority may sign CRLs"),
    **dict.fromkeys(("4.8.1 (5)", "4.8.2 (2)", "4.8.3 (2)", "4.12.3 (2)"), _POLICY),
    **{f"4.14.{number}": _SCOPE for number in (1, 4, 5, 7, 10, 13, 18, 19, 22, 24, 25, 28, 29, 30, 33)},
    **{f"4.15.{number}": _SCOPE for number in (2, 5, 7, 8)},
}
JDK_OTHERWISE_OF_OURS = {"revoked by delta": _NO_DELTA, "released by delta": _NO_DELTA}
NSS_OTHERWISE_OF_OURS = {
    **dict.fromkeys(("good", "good, newer delta", "good, delta not at hand", "released by delta"), _SCOPE),
    "plain, list out of date": "it does not look at the nextUpdate of a CRL",
}


def suite() -> Iterator[PathCase]:
    """NIST's cases; those with several answers are numbered."""
    seen: Counter[str] = Counter()
    anchor = _certificate("TrustAnchorRootCertificate")
    for row in json.loads(TABLE.read_text(encoding="utf-8")):
        seen[row["id"]] += 1
        yield PathCase(
            row["id"] + (f" ({seen[row['id']]})" if seen[row["id"]] > 1 else ""),
            _certificate(row["certificate"]),
            anchor,
            tuple(map(_certificate, row["others"])),
            tuple((SUITE / "crls" / f"{name}.crl").read_bytes() for name in row["crls"]),
            AMID,
            row["valid"],
            policies=tuple(row.get("policies", ())),
            explicit=row.get("explicit", False),
            any_policy=row.get("any_policy", True),
        )


def _certificate(name: str) -> bytes:
    return (SUITE / "certs" / f"{name}.crt").read_bytes()


class Own:
    """Our own hierarchy: authorities, certificates of persons, full and delta lists in two partitions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authorities = registered(crl_shards=SHARDS)
        self.good, self.lost, self.held, self.late, self.released = (self._person() for _ in range(5))
        store = self.authorities.store
        store.revoke("persons", serial_of(self.lost), RevocationReason.KEY_COMPROMISE, MOMENT - 5 * HOUR)
        for certificate in (self.held, self.released):
            store.suspend("persons", serial_of(certificate), MOMENT - 5 * HOUR)
        self.root_lists = self._lists("root", MOMENT - 4 * HOUR)
        self.lists = self._lists("persons", MOMENT - 4 * HOUR)
        store.revoke("persons", serial_of(self.late), RevocationReason.SUPERSEDED, MOMENT - 3 * HOUR)
        store.reinstate("persons", serial_of(self.released), MOMENT - 3 * HOUR)
        self.newer = self._lists("persons", MOMENT - 2 * HOUR)

    def _person(self) -> bytes:
        """A certificate whose status is on the first partition's list."""
        while True:
            certificate = self.authorities.persons.issue(person_request("signature"), moment=MOMENT - 6 * HOUR)
            if shard_of(serial_of(certificate), SHARDS) == 0:
                return certificate

    def _lists(self, name: str, moment: datetime) -> dict[str, bytes]:
        self.authorities.publisher(self.folder, name).publish(moment)
        return {path.stem: path.read_bytes() for path in sorted(self.folder.glob(f"crl/{name}-*.crl"))}

    def cases(self) -> Iterator[PathCase]:
        root, full, other = self.root_lists["root-0"], self.lists["persons-0"], self.lists["persons-1"]
        first, delta = self.lists["persons-0-delta"], self.newer["persons-0-delta"]
        stranger: Registered = registered()
        foreign = stranger.persons.issue(person_request("signature"), moment=MOMENT)
        rows: list[tuple[str, bytes, tuple[bytes, ...], Verdict, datetime]] = [
            ("good", self.good, (root, full, first), Verdict.VALID, MOMENT),
            ("good, newer delta", self.good, (root, full, delta), Verdict.VALID, MOMENT),
            ("good, delta not at hand", self.good, (root, full), Verdict.VALID, MOMENT),
            ("revoked", self.lost, (root, full, first), Verdict.REVOKED, MOMENT),
            ("on hold", self.held, (root, full, first), Verdict.REVOKED, MOMENT),
            ("revoked by delta", self.late, (root, full, delta), Verdict.REVOKED, MOMENT),
            ("released by delta", self.released, (root, full, delta), Verdict.VALID, MOMENT),
            ("released, delta not at hand", self.released, (root, full), Verdict.REVOKED, MOMENT),
            ("list of another partition", self.good, (root, other), Verdict.CANNOT_TELL, MOMENT),
            ("no list", self.good, (root,), Verdict.CANNOT_TELL, MOMENT),
            ("no list of the root", self.good, (full,), Verdict.CANNOT_TELL, MOMENT),
            (
                "list of another authority",
                self.good,
                (root, *self._foreign_lists(stranger)),
                Verdict.CANNOT_TELL,
                MOMENT,
            ),
            ("lists out of date", self.good, (root, full, first), Verdict.CANNOT_TELL, MOMENT + 30 * DAY),
            ("expired", self.good, (root, full, first), Verdict.EXPIRED, MOMENT + 3000 * DAY),
            ("not yet valid", self.good, (root, full, first), Verdict.NOT_YET_VALID, MOMENT - 7 * HOUR),
            ("of another authority", foreign, (root, full, first), Verdict.UNTRUSTED, MOMENT),
        ]
        anchor, others = self.authorities.root.certificate, (self.authorities.persons.certificate,)
        for name, leaf, crls, verdict, moment in rows:
            yield PathCase(name, leaf, anchor, others, crls, moment, verdict is Verdict.VALID, verdict)

    def plain(self) -> Iterator[PathCase]:
        """A hierarchy that every judge understands: one list for each authority, and no word of where it is."""
        top = root()
        authority = top.issue("Authority", authority=True)
        person = authority.issue("Somchai", serial=77)
        twin = top.issue("Authority", authority=True, identifiers=False)
        lost = authority.crl([(77, x509.ReasonFlags.key_compromise)])
        held = authority.crl([(77, x509.ReasonFlags.certificate_hold)])
        stale = authority.crl(next_update=MOMENT - HOUR)
        for name, crl, verdict, moment in (
            ("plain, good", authority.crl(), Verdict.VALID, MOMENT),
            ("plain, revoked", lost, Verdict.REVOKED, MOMENT),
            ("plain, on hold", held, Verdict.REVOKED, MOMENT),
            ("plain, list out of date", stale, Verdict.CANNOT_TELL, MOMENT),
            ("plain, list by another key", twin.crl(), Verdict.CANNOT_TELL, MOMENT),
            ("plain, expired", authority.crl(), Verdict.EXPIRED, MOMENT + 400 * DAY),
        ):
            crls, valid = (top.crl(), crl), verdict is Verdict.VALID
            yield PathCase(name, person.der, top.der, (authority.der,), crls, moment, valid, verdict)

    def _foreign_lists(self, stranger: Registered) -> tuple[bytes, ...]:
        """Lists of an authority that has the same name and another key."""
        files = stranger.publisher(self.folder / "stranger", "persons").publish(MOMENT - 4 * HOUR)
        return tuple(each.path.read_bytes() for each in files)


@pytest.fixture(scope="module")
def nist() -> tuple[PathCase, ...]:
    return tuple(suite())


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[PathCase, ...]:
    hierarchy = Own(tmp_path_factory.mktemp("www"))
    return (*hierarchy.cases(), *hierarchy.plain())


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory, foreign_program: Callable[[str], str]) -> Judges:
    return Judges(tmp_path_factory.mktemp("cases"), foreign_program)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        code = main(arguments)
        return code, capsys.readouterr().out

    return call


def test_ecitizen_trust_check_agrees_with_nist(
    nist: tuple[PathCase, ...], judges: Judges, run: Callable[..., tuple[int, str]]
) -> None:
    answers = Answers({case.name: str(judges.ours(case, run)[1]["verdict"]) for case in nist})
    assert answers.wrong(nist) == {}
    assert len(nist) == 241


def test_ecitizen_trust_check_knows_our_own_hierarchy(
    own: tuple[PathCase, ...], judges: Judges, run: Callable[..., tuple[int, str]]
) -> None:
    for case in own:
        code, report = judges.ours(case, run)
        assert case.verdict is not None
        assert (case.name, report["verdict"]) == (case.name, case.verdict.value)
        assert code == (ExitCode.OK if case.valid else ExitCode[case.verdict.name])


def agreement(answers: Answers, cases: tuple[PathCase, ...], otherwise: Mapping[str, str]) -> int:
    """In how many cases a judge is right; it is wrong where it is known to be, and nowhere else."""
    wrong = answers.wrong(cases)
    assert wrong.keys() == otherwise.keys(), {name: wrong.get(name) for name in wrong.keys() ^ otherwise.keys()}
    return len(cases) - len(wrong)


def test_openssl_agrees(nist: tuple[PathCase, ...], own: tuple[PathCase, ...], judges: Judges) -> None:
    assert agreement(judges.openssl(nist), nist, OPENSSL_OTHERWISE) == 239
    assert agreement(judges.openssl(own), own, {}) == 22


def test_the_jdk_agrees(nist: tuple[PathCase, ...], own: tuple[PathCase, ...], judges: Judges) -> None:
    answers = judges.jdk([*nist, *own])
    assert agreement(answers, nist, JDK_OTHERWISE) == 239
    assert agreement(answers, own, JDK_OTHERWISE_OF_OURS) == 20


def test_nss_agrees(nist: tuple[PathCase, ...], own: tuple[PathCase, ...], judges: Judges) -> None:
    assert agreement(judges.nss(nist), nist, NSS_OTHERWISE) == 204
    answers = Answers({name: answer for case in own for name, answer in judges.nss([case]).by_name.items()})
    assert agreement(answers, own, NSS_OTHERWISE_OF_OURS) == 17
