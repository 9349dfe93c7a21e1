"""Judges a card by its seals: who signed its data, whether they may, and whether it is this card that they signed for.

Satisfies `ecitizen.ports.TrustEvaluator`. All talk with the card comes first (`question`), all judging after it
(`judge`); only then, with a path that leads to a trusted root, may anything be fetched.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography.x509.oid import NameOID

from ecitizen.errors import AppNotFound, CardError, CardProtocolError
from ecitizen.model import BilingualText
from ecitizen.ports import ApplicationReading, SealedDriver
from ecitizen.session import CardSession
from ecitizen.verdict import CardFinding, CardVerdict, CheckResult
from pki.certificates import certified_key, load_certificate
from pki.data_security import (
    GROUP_CHIP_SERIAL,
    GROUP_KEY,
    SecurityObject,
    check_signature,
    compare_hashes,
    open_security_object,
)
from pki.errors import PkiError
from pki.missing_lists import authorities_without_list
from pki.path import PathReport, Result, RevocationRule, Verdict
from pki.revocation_fetch import RevocationFetcher
from pki.trust import TrustPolicy, TrustStore

from .card_challenge import ChallengeAnswer, ChallengeResult, challenge
from .seal_files import SFI_APPLICATION_CERTIFICATE, SFI_SECURITY_OBJECT
from .seal_files_driver import read_seal
from .seal_words import words
from .sealing import binding_groups, data_groups, fields_of

_HOLD: Final = "certificate_hold"
_BINDING: Final = frozenset({GROUP_KEY, GROUP_CHIP_SERIAL})
_MEANING: Final[Mapping[Verdict, CardVerdict | None]] = MappingProxyType(
    {
        Verdict.VALID: None,
        Verdict.REVOKED: CardVerdict.REVOKED,
        Verdict.EXPIRED: CardVerdict.EXPIRED,
        Verdict.NOT_YET_VALID: CardVerdict.CANNOT_TELL,
        Verdict.CANNOT_TELL: CardVerdict.CANNOT_TELL,
        Verdict.UNTRUSTED: CardVerdict.UNTRUSTED,
    }
)
_RESULTS: Final[Mapping[Verdict, CheckResult]] = MappingProxyType(
    {
        Verdict.VALID: CheckResult.PASSED,
        Verdict.NOT_YET_VALID: CheckResult.UNKNOWN,
        Verdict.CANNOT_TELL: CheckResult.UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class Seal:
    """What one application has beside its data; None is what the card does not have."""

    security_object: bytes | None = None
    certificate: bytes | None = None
    unreadable: bool = False
    """The card failed while it was asked."""

    @property
    def absent(self) -> bool:
        """There is nothing at all."""
        return self.security_object is None and self.certificate is None


@dataclass(frozen=True, slots=True)
class SealAnswers:
    """What the card gave: seals by application, and an answer for each key that these name."""

    seals: Mapping[str, Seal]
    challenges: Mapping[bytes, ChallengeAnswer]


@dataclass(slots=True)
class SealEvaluator:
    """The judge of one trust directory."""

    store: TrustStore
    random_bytes: Callable[[int], bytes] = os.urandom
    fetcher: RevocationFetcher | None = None
    """None: nothing is ever fetched."""

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str] | None,
        *,
        offline: bool = False,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> "SealEvaluator":
        """Judge by this trust directory; None is one in which nobody is trusted. Raise ConfigError as TrustStore."""
        store = TrustStore(Path(os.devnull), TrustPolicy(), []) if directory is None else TrustStore.open(directory)
        hosts = store.policy.hosts
        return cls(store, random_bytes, RevocationFetcher(hosts) if hosts and not offline else None)

    @property
    def test(self) -> bool:
        """The trusted authorities are for tests only."""
        return self.store.policy.test

    def question(self, session: CardSession, readings: Sequence[ApplicationReading]) -> SealAnswers:
        """Read the seals and challenge the card."""
        seals: dict[str, Seal] = {}
        for reading in readings:
            if not isinstance(reading.driver, SealedDriver):
                continue
            try:
                seals[reading.driver.name] = _read(session, reading.driver.aid)
            except AppNotFound:  # its driver reads elsewhere too, as card administration does
                if data_groups(reading.driver, reading.record):
                    seals[reading.driver.name] = Seal(unreadable=True)
            except (CardError, CardProtocolError):
                seals[reading.driver.name] = Seal(unreadable=True)
        keys = dict.fromkeys(key for seal in seals.values() if (key := _named_key(seal)) is not None)
        return SealAnswers(seals, {key: challenge(session, key, self.random_bytes) for key in keys})

    def judge(
        self,
        answers: SealAnswers,
        readings: Sequence[ApplicationReading],
        chip_serial: bytes | None,
        moment: datetime,
    ) -> tuple[CardFinding, ...]:
        """What it all comes to at `moment`."""
        sealed = any(not seal.absent for seal in answers.seals.values())
        findings: list[CardFinding] = []
        for reading in readings:
            seal = answers.seals.get(reading.driver.name)
            if seal is not None:
                findings += self._judge(reading, seal, answers, chip_serial, moment, among_sealed=sealed)
            elif not isinstance(reading.driver, SealedDriver):
                findings.append(_Voice(reading.driver.name).noted("presence", "not_sealable"))
        return tuple(findings)

    def _judge(
        self,
        reading: ApplicationReading,
        seal: Seal,
        answers: SealAnswers,
        chip_serial: bytes | None,
        moment: datetime,
        *,
        among_sealed: bool,
    ) -> Iterator[CardFinding]:
        say = _Voice(reading.driver.name)
        if seal.unreadable:
            yield say.doubt("reading", "unreadable")
        elif seal.absent and not among_sealed:
            yield say.noted("presence", "not_sealed", CardVerdict.UNSIGNED)
        else:
            yield from self._judge_seal(say, reading, seal.security_object, seal.certificate, chip_serial, moment)
            yield from self._judge_certificate(say, seal.certificate, answers, chip_serial, moment)

    def _judge_seal(
        self,
        say: "_Voice",
        reading: ApplicationReading,
        content: bytes | None,
        certificate: bytes | None,
        chip_serial: bytes | None,
        moment: datetime,
    ) -> Iterator[CardFinding]:
        """The signature over the data: is it right, is it over these data, by whom, and for which card."""
        if content is None:
            yield say.against("presence", "seal_missing", CardVerdict.INCOMPLETE)
            return
        try:
            sealed = open_security_object(content)
        except PkiError as error:
            yield say.against("signature", "seal_malformed", CardVerdict.ALTERED, detail=str(error))
            return
        try:
            check_signature(sealed)
        except PkiError as error:
            yield say.against("signature", "signature_wrong", CardVerdict.ALTERED, detail=str(error))
            return
        signed_at = {} if sealed.signed_at is None else {"signed_at": sealed.signed_at.isoformat()}
        yield say.passed("signature", "signature_right", **signed_at)
        yield _compared(say, reading, sealed)
        trusted = self.store.policy.applications.get(say.application)
        usage = None if trusted is None else trusted.document_signer_usage
        yield self._of_path(say, "signer", self._check(sealed.certificate, say.application, usage, moment))
        yield from _bound(say, sealed, certificate, chip_serial)

    def _judge_certificate(
        self,
        say: "_Voice",
        der: bytes | None,
        answers: SealAnswers,
        chip_serial: bytes | None,
        moment: datetime,
    ) -> Iterator[CardFinding]:
        """The application's certificate for the card's key: its status, its card, and whether the card has the key."""
        if der is None:
            yield say.against("presence", "certificate_missing", CardVerdict.INCOMPLETE)
            return
        try:
            certificate, key = load_certificate(der), certified_key(der)
        except PkiError as error:
            yield say.against("certificate", "certificate_malformed", CardVerdict.ALTERED, detail=str(error))
            return
        trusted = self.store.policy.applications.get(say.application)
        usage = None if trusted is None else trusted.certificate_usage
        yield self._of_path(say, "certificate", self._check(der, say.application, usage, moment))
        named = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)]
        if chip_serial is not None and named != [chip_serial.hex().upper()]:
            yield say.against("binding", "other_chip", CardVerdict.CLONED)
        yield _challenged(say, answers.challenges.get(key))

    def _of_path(self, say: "_Voice", check: str, report: PathReport) -> CardFinding:
        """A path's report as a finding; where it can't tell, with whose lists are missing."""
        missing: tuple[str, ...] = ()
        if report.verdict is Verdict.CANNOT_TELL:
            missing = authorities_without_list(report.chain, self.store.crls, report.moment)
        return say.of_path(check, report, **({"no_current_list_of": "; ".join(missing)} if missing else {}))

    def _check(self, certificate: bytes, application: str, usage: str | None, moment: datetime) -> PathReport:
        """Validate, and if only revocation data are missing, get them from where the policy allows."""
        report = self.store.check(certificate, application=application, usage=usage, moment=moment)
        if report.verdict is not Verdict.CANNOT_TELL:
            return report
        path = self.store.check(
            certificate, application=application, usage=usage, moment=moment, revocation=RevocationRule.OFF
        )
        if path.verdict is not Verdict.VALID:  # expired, say, which no list could change; and nothing may be fetched
            return path
        if self.fetcher is None:
            return report
        fetched = self.fetcher.fetch(path.chain)
        return self.store.check(
            certificate, application=application, usage=usage, moment=moment, crls=fetched.crls, ocsps=fetched.ocsps
        )


def _read(session: CardSession, aid: bytes) -> Seal:
    session.select(aid)
    return Seal(read_seal(session, SFI_SECURITY_OBJECT), read_seal(session, SFI_APPLICATION_CERTIFICATE))


def _named_key(seal: Seal) -> bytes | None:
    """The key that the application's certificate is about."""
    try:
        return None if seal.certificate is None else certified_key(seal.certificate)
    except PkiError:
        return None


def _compared(say: "_Voice", reading: ApplicationReading, sealed: SecurityObject) -> CardFinding:
    """Whether the data that were read are those that were sealed; which fields are not."""
    driver = reading.driver
    assert isinstance(driver, SealedDriver)
    there = data_groups(driver, reading.record)
    comparison = compare_hashes(sealed, there)
    differing = tuple(number for number in comparison.differing if number not in _BINDING)
    if not differing:
        return say.passed("data", "data_right")
    unread = {problem.field for problem in reading.problems if problem.code == "missing"}
    refused = any(problem.field is None and problem.code != "unknown_layout" for problem in reading.problems)
    surely = tuple(
        number
        for number in differing
        if not unread & set(driver.data_groups.get(number, ())) and not (refused and number in comparison.missing)
    )
    if surely:
        return say.against("data", "data_altered", CardVerdict.ALTERED, fields=", ".join(fields_of(driver, surely)))
    return say.doubt("data", "data_unread", fields=", ".join(fields_of(driver, differing)))


def _bound(
    say: "_Voice", sealed: SecurityObject, certificate: bytes | None, chip_serial: bytes | None
) -> Iterator[CardFinding]:
    """Whether the seal is for this card: for its chip, and for the key that its certificate is about."""
    if not sealed.hashes.keys() >= _BINDING:
        yield say.against("binding", "not_bound", CardVerdict.INCOMPLETE)
        return
    key = _named_key(Seal(certificate=certificate))
    changed = compare_hashes(sealed, binding_groups(key or b"", chip_serial or b"")).changed
    if chip_serial is None:
        yield say.doubt("binding", "no_chip_serial")
    elif GROUP_CHIP_SERIAL in changed:
        yield say.against("binding", "other_chip", CardVerdict.CLONED)
    elif key is None:
        yield say.doubt("binding", "challenge_unasked")
    elif GROUP_KEY not in changed:
        yield say.passed("binding", "bound")
    if key is not None and GROUP_KEY in changed:
        yield say.against("binding", "other_key", CardVerdict.CLONED)


def _challenged(say: "_Voice", answer: ChallengeAnswer | None) -> CardFinding:
    if answer is None:
        return say.doubt("challenge", "challenge_unasked")
    refusal = {} if answer.sw is None else {"status_word": f"{answer.sw:04X}"}
    match answer.result:
        case ChallengeResult.PASSED:
            return say.passed("challenge", "challenge_passed")
        case ChallengeResult.NO_KEY:
            return say.against("challenge", "no_key", CardVerdict.INCOMPLETE, **refusal)
        case _:
            return say.against("challenge", "challenge_failed", CardVerdict.CLONED, **refusal)


@dataclass(frozen=True, slots=True)
class _Voice:
    """Makes findings about one application."""

    application: str

    def passed(self, check: str, word: str, **evidence: str) -> CardFinding:
        return CardFinding(self.application, check, CheckResult.PASSED, words(word), evidence)

    def against(self, check: str, word: str, means: CardVerdict, **evidence: str) -> CardFinding:
        return CardFinding(self.application, check, CheckResult.FAILED, words(word), evidence, means)

    def doubt(self, check: str, word: str, **evidence: str) -> CardFinding:
        unknown = CardVerdict.CANNOT_TELL
        return CardFinding(self.application, check, CheckResult.UNKNOWN, words(word), evidence, unknown)

    def noted(self, check: str, word: str, means: CardVerdict | None = None) -> CardFinding:
        return CardFinding(self.application, check, CheckResult.NOTED, words(word), {}, means)

    def of_path(self, check: str, report: PathReport, **further: str) -> CardFinding:
        """What a path validation came to, in its own most telling words, with all its evidence."""
        decisive = report.findings[0].text
        evidence: dict[str, str] = further
        for finding in report.findings:
            if finding.result is not Result.NOTED:
                evidence = {**finding.evidence, **evidence}
        means = CardVerdict.SUSPENDED if report.reason == _HOLD else _MEANING[report.verdict]
        text = _joined(words(check), decisive)
        return CardFinding(
            self.application, check, _RESULTS.get(report.verdict, CheckResult.FAILED), text, evidence, means
        )


def _joined(what: BilingualText, says: BilingualText) -> BilingualText:
    return BilingualText(f"{what.th}: {says.th}", f"{what.en}: {says.en}")
