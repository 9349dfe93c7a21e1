"""The trust directory: whom this machine believes, for which application, and what it knows of revocation.

    anchors/      roots that are trusted, one certificate a file (PEM or DER)
    issuers/      authorities between, and link certificates from an old root to a new one; not trusted by themselves
    crls/  ocsp/  what is known of revocation, as it was fetched
    policy.toml   which authority speaks for which application, and where revocation data may be fetched

A good path alone is never enough for a card: `check` also wants the application's own authority and key usage.
"""

import hashlib
import os
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ecitizen.errors import ConfigError, FileFailed, UsageError

from .errors import Malformed
from .path import Finding, PathReport, Result, RevocationRule, Verdict, validate
from .path_candidates import CERTIFICATE_MAX_LEN, Candidate, read_candidate
from .path_words import words
from .pem import der_from, pem
from .revocation_data import Crl, read_crl

ANCHORS: Final = "anchors"
ISSUERS: Final = "issuers"
CRLS: Final = "crls"
OCSP: Final = "ocsp"
POLICY: Final = "policy.toml"

REVOCATION_FILE_MAX_LEN: Final = 10 * 1024 * 1024
_FILES_MAX: Final = 10_000
_POLICY_MAX_LEN: Final = 256 * 1024
_FINGERPRINT_MIN_LEN: Final = 8


@dataclass(frozen=True, slots=True)
class ApplicationTrust:
    """Who speaks for one application."""

    authorities: frozenset[str]
    """SHA-256 of the issuing authorities' SubjectPublicKeyInfo, hex; so a renewed certificate of a key stays good."""
    document_signer_usage: str
    """The extended key usage (OID) of those who seal its data."""
    certificate_usage: str
    """The extended key usage (OID) of its own certificate on each card."""


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What policy.toml says."""

    applications: Mapping[str, ApplicationTrust] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()
    """Where revocation data may be fetched from, over http or https."""
    test: bool = False
    """Everything here is for tests: no answer is worth anything outside them."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A trusted root and the file that it is in."""

    file: str
    certificate: bytes
    """DER."""
    fingerprint: str
    """SHA-256 of the DER, hex."""


class TrustStore:
    """A trust directory as it was when opened. Files that can't be read as what they should be are in `refused`.

    Each file is read and taken apart once, however many certificates are checked.
    """

    def __init__(
        self, directory: Path, policy: TrustPolicy, refused: list[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.directory = directory
        self.policy = policy
        self.refused = refused
        self._clock = clock
        roots, issuers = list(self._certificates(ANCHORS)), list(self._certificates(ISSUERS))
        self.anchors = tuple(_anchor(file, root.der) for file, root in roots)
        self.issuers = tuple(issuer.der for _, issuer in issuers)
        self._roots = tuple(root for _, root in roots)
        self._between = tuple(issuer for _, issuer in issuers)
        self._fingerprints = {each.der: _key_fingerprint(each) for each in (*self._roots, *self._between)}
        self.crls = tuple(self._contents(CRLS, "X509 CRL"))
        self.ocsps = tuple(self._contents(OCSP, "OCSP RESPONSE"))

    @classmethod
    def open(cls, directory: str | os.PathLike[str], *, clock: Callable[[], float] = time.monotonic) -> "TrustStore":
        """Read a trust directory; raise ConfigError if it is none, or its policy.toml is wrong.

        `clock` counts the seconds that a validation may take.
        """
        folder = Path(directory)
        if not folder.is_dir():
            raise ConfigError(f"{folder} is no trust directory; make one with `ecitizen trust add`")
        return cls(folder, _read_policy(folder / POLICY), [], clock)

    def check(
        self,
        certificate: bytes,
        *,
        moment: datetime,
        application: str | None = None,
        usage: str | None = None,
        others: Iterable[bytes] = (),
        crls: Iterable[bytes] = (),
        ocsps: Iterable[bytes] = (),
        revocation: RevocationRule = RevocationRule.REQUIRE,
    ) -> PathReport:
        """Validate a certificate by this directory; `others`, `crls` and `ocsps` come on top of what it holds.

        With `application`, its issuer must be an authority that policy.toml names for it.
        """
        report = validate(
            certificate,
            anchors=self._roots,
            others=[*others, *self._between],
            crls=[*crls, *self._lists],
            ocsps=[*ocsps, *self.ocsps],
            moment=moment,
            revocation=revocation,
            usage=usage,
            clock=self._clock,
        )
        if application is None or report.verdict is not Verdict.VALID:
            return report
        return self._for_application(report, application)

    @cached_property
    def _lists(self) -> tuple[Crl | bytes, ...]:
        """The CRLs, read once; those that can't be used as they are, so that each report says so."""
        return tuple(read_crl(der) or der for der in self.crls)

    def _for_application(self, report: PathReport, application: str) -> PathReport:
        trusted = self.policy.applications.get(application)
        issuer = self._key_fingerprint(report.chain[1]) if len(report.chain) > 1 else ""
        if trusted is not None and issuer in trusted.authorities:
            return report
        evidence = {"application": application, "authority": issuer}
        finding = Finding("policy", Result.FAILED, words("wrong_authority"), evidence)
        return replace(report, verdict=Verdict.UNTRUSTED, findings=(finding, *report.findings))

    def _key_fingerprint(self, certificate: bytes) -> str:
        return self._fingerprints.get(certificate) or key_fingerprint(certificate)

    def _certificates(self, folder: str) -> Iterator[tuple[str, Candidate]]:
        for path, content in self._files(folder, CERTIFICATE_MAX_LEN):
            try:
                for der in der_from(content, "CERTIFICATE"):
                    yield path.name, read_candidate(der)
            except Malformed as error:
                self.refused.append(f"{path}: {error}")

    def _contents(self, folder: str, label: str) -> Iterator[bytes]:
        for path, content in self._files(folder, REVOCATION_FILE_MAX_LEN):
            try:
                yield from der_from(content, label)
            except Malformed as error:
                self.refused.append(f"{path}: {error}")

    def _files(self, folder: str, max_len: int) -> Iterator[tuple[Path, bytes]]:
        place = self.directory / folder
        if not place.is_dir():
            return
        with _file_errors(place, "read"):
            paths = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
        for path in paths[:_FILES_MAX]:
            with _file_errors(path, "read"), path.open("rb") as file:
                content = file.read(max_len + 1)
            if len(content) > max_len:
                self.refused.append(f"{path}: longer than {max_len} bytes")
            else:
                yield path, content
        if len(paths) > _FILES_MAX:
            self.refused.append(f"{place}: more than {_FILES_MAX} files")


def add_anchor(directory: str | os.PathLike[str], certificate: bytes) -> Anchor:
    """Trust a root (DER) from now on; makes the directory if there is none. Trusting it twice changes nothing.

    Raise Malformed if it is no certificate, UsageError if it is not an authority's, FileFailed if it can't be saved.
    """
    root = read_candidate(certificate)
    constraints = root.loose.basic_constraints_value
    if constraints is None or not constraints["ca"].native:
        raise UsageError("this certificate is not an authority's; an anchor must be one that issues certificates")
    anchor = _anchor("", certificate)
    anchor = replace(anchor, file=f"{anchor.fingerprint[:16]}.pem")
    place = Path(directory) / ANCHORS
    with _file_errors(place, "write"):
        place.mkdir(parents=True, exist_ok=True)
        path = place / anchor.file
        part = path.with_suffix(".part")
        part.write_bytes(pem(certificate, "CERTIFICATE"))
        part.replace(path)
    return anchor


def remove_anchor(directory: str | os.PathLike[str], fingerprint: str) -> Anchor:
    """Stop trusting the root of this SHA-256 fingerprint, or the beginning of it (8 hex digits at least).

    Raise UsageError if it names none, or several.
    """
    wanted = fingerprint.replace(":", "").lower()
    store = TrustStore.open(directory)
    found = [anchor for anchor in store.anchors if anchor.fingerprint.startswith(wanted)]
    if len(wanted) < _FINGERPRINT_MIN_LEN or len(found) != 1:
        raise UsageError(
            f"{len(found)} trusted roots have this fingerprint; give at least {_FINGERPRINT_MIN_LEN} hex digits of one "
            "that `ecitizen trust list` shows"
        )
    path = store.directory / ANCHORS / found[0].file
    with _file_errors(path, "remove"):
        path.unlink()
    return found[0]


def key_fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate's SubjectPublicKeyInfo, hex: how policy.toml names an authority."""
    return _key_fingerprint(read_candidate(certificate))


def _key_fingerprint(certificate: Candidate) -> str:
    return hashlib.sha256(certificate.key).hexdigest()


def _anchor(file: str, der: bytes) -> Anchor:
    return Anchor(file, der, hashlib.sha256(der).hexdigest())


def _read_policy(path: Path) -> TrustPolicy:
    if not path.exists():
        return TrustPolicy()
    with _file_errors(path, "read"), path.open("rb") as file:
        content = file.read(_POLICY_MAX_LEN + 1)
    if len(content) > _POLICY_MAX_LEN:
        raise ConfigError(f"{path} is longer than {_POLICY_MAX_LEN} bytes, which no trust policy is")
    try:
        table = tomllib.loads(content.decode("utf-8"))
        applications = {name: _application(entry) for name, entry in table.get("application", {}).items()}
        fetch = table.get("fetch", {})
        return TrustPolicy(
            MappingProxyType(applications), frozenset(_texts(fetch.get("hosts", []))), table.get("test", False) is True
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is not a trust policy ({type(error).__name__}); see docs/trust.md") from error


def _application(entry: Mapping[str, Any]) -> ApplicationTrust:
    authorities = frozenset(text.lower() for text in _texts(entry["authorities"]))
    usages = _texts([entry["document_signer_usage"], entry["certificate_usage"]])
    return ApplicationTrust(authorities, *usages)


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError
    return values


@contextmanager
def _file_errors(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileFailed(f"cannot {doing} {path}: {error.strerror or type(error).__name__}") from error
