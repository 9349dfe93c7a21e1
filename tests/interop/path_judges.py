"""One case of path validation, and the judges that may be asked about it: ours, OpenSSL, the JDK and NSS."""

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from pki.path import Verdict
from pki.pem import pem

JAVA_PROGRAM = Path(__file__).parent / "jdk" / "ValidatePaths.java"
ANY_POLICY = "2.5.29.32.0"
VALID = "valid"


@dataclass(frozen=True)
class PathCase:
    """Certificates and revocation data, DER, what is asked about them, and the right answer."""

    name: str
    leaf: bytes
    anchor: bytes
    others: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    moment: datetime
    valid: bool
    verdict: Verdict | None = None
    """Ours, where the case says more than whether it is valid."""
    policies: tuple[str, ...] = ()
    explicit: bool = False
    any_policy: bool = True


@dataclass
class Answers:
    """What a judge said of cases: `valid`, or why not in its own words."""

    by_name: dict[str, str] = field(default_factory=dict)

    def wrong(self, cases: Iterable[PathCase]) -> dict[str, str]:
        """Its answers that are not the right ones."""
        return {
            case.name: self.by_name[case.name] for case in cases if (self.by_name[case.name] == VALID) is not case.valid
        }


class Judges:
    """Asks each judge about cases. Files that they need are in a folder of the test, named by their content."""

    def __init__(self, folder: Path, program: Callable[[str], str]) -> None:
        self._folder = folder
        self._program = program

    def ours(self, case: PathCase, run: Callable[..., tuple[int, str]]) -> tuple[int, Mapping[str, object]]:
        """Exit code and JSON of `ecitizen trust check`."""
        command = ["trust", "check", self._file(case.leaf), "--anchor", self._file(case.anchor), "--json"]
        command += [part for other in case.others for part in ("--with", self._file(other))]
        command += [part for crl in case.crls for part in ("--crl", self._file(crl))]
        command += [part for policy in case.policies for part in ("--policy", policy)]
        command += ["--moment", case.moment.isoformat()]
        command += ["--explicit-policy"] * case.explicit + ["--no-any-policy"] * (not case.any_policy)
        code, out = run(*command)
        report: Mapping[str, object] = json.loads(out)
        return code, report

    def openssl(self, cases: Iterable[PathCase]) -> Answers:
        """`openssl verify`, with CRLs of any kind wanted for every certificate."""
        return Answers({case.name: self._openssl(case) for case in cases})

    def _openssl(self, case: PathCase) -> str:
        command = [self._program("openssl"), "verify", "-crl_check_all", "-extended_crl", "-use_deltas"]
        command += ["-policy_check", "-attime", str(int(case.moment.timestamp()))]
        command += [part for policy in case.policies or (ANY_POLICY,) for part in ("-policy", policy)]
        command += ["-explicit_policy"] * case.explicit + ["-inhibit_any"] * (not case.any_policy)
        command += ["-CAfile", self._bundle("CERTIFICATE", [case.anchor])]
        command += ["-untrusted", self._bundle("CERTIFICATE", case.others)] if case.others else []
        command += ["-CRLfile", self._bundle("X509 CRL", case.crls)] if case.crls else []
        done = _run([*command, self._bundle("CERTIFICATE", [case.leaf])])
        return VALID if done.returncode == 0 else _first(done.stderr, "error ")

    def jdk(self, cases: Sequence[PathCase]) -> Answers:
        """The JDK's PKIX builder and validator, started once."""
        done = subprocess.run(
            [self._program("java"), "-Xshare:auto", str(JAVA_PROGRAM)],
            input="".join(f"{self._line(case)}\n" for case in cases),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return Answers(dict(line.split("\t", 1) for line in done.stdout.splitlines()))

    def _line(self, case: PathCase) -> str:
        fields = [f"id={case.name}", f"certificate={self._file(case.leaf)}", f"anchor={self._file(case.anchor)}"]
        fields += [f"moment={int(case.moment.timestamp()) * 1000}"]
        fields += [f"other={self._file(other)}" for other in case.others]
        fields += [f"crl={self._file(crl)}" for crl in case.crls]
        fields += [f"policy={policy}" for policy in case.policies]
        fields += ["explicit=1"] * case.explicit + ["anypolicy=0"] * (not case.any_policy)
        return "\t".join(fields)

    def nss(self, cases: Sequence[PathCase]) -> Answers:
        """NSS's PKIX library by `vfychain`; the CRLs of all these cases are in its database at once."""
        crls = sorted({crl for case in cases for crl in case.crls})
        database = self._folder / f"nss-{sha256(b''.join(crls)).hexdigest()[:16]}"
        if not database.exists():
            database.mkdir()
            place = ["-d", f"sql:{database}"]
            _run([self._program("certutil"), "-N", *place, "--empty-password"]).check_returncode()
            anchor = self._file(cases[0].anchor)  # NSS takes CRLs of authorities that it knows
            _run([self._program("certutil"), "-A", *place, "-n", "root", "-t", "CT,C,C", "-i", anchor])
            for crl in crls:  # what it does not understand, it does not take
                _run([self._program("crlutil"), "-I", "-B", *place, "-i", self._file(crl)])
        return Answers({case.name: self._nss(case, database) for case in cases})

    def _nss(self, case: PathCase, database: Path) -> str:
        rule = ["-h", "requireFreshInfo", "-m", "crl", "-s", "failIfNoInfo,forbidFetching"]
        command = [self._program("vfychain"), "-pp", "-d", f"sql:{database}", "-u", "4"]
        command += ["-b", f"{case.moment:%y%m%d%H%M}Z", "-g", "leaf", *rule, "-g", "chain", *rule]
        command += [part for policy in case.policies for part in ("-o", f"OID.{policy}")]
        done = _run([*command, *map(self._file, (case.leaf, *case.others)), "-t", self._file(case.anchor)])
        return VALID if done.returncode == 0 else _first(done.stdout + done.stderr, "  ERROR ")

    def _file(self, content: bytes) -> str:
        path = self._folder / f"{sha256(content).hexdigest()[:24]}.der"
        if not path.exists():
            path.write_bytes(content)
        return str(path)

    def _bundle(self, label: str, contents: Iterable[bytes]) -> str:
        return self._file(b"".join(pem(content, label) for content in contents))


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _first(text: str, start: str) -> str:
    return next((line for line in text.splitlines() if line.startswith(start)), text.strip()) or "refused"
