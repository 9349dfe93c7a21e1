"""The transcript of a ceremony: a chain of lines that the new root and the witnesses sign, and anybody can check.

Each line is a JSON object. `previous` is the SHA-256 of the line before, so no line can be changed, left out or put in
without changing the last one, which is what is signed:

    {"did": "begin", "previous": "000...", "script": "...", ...}      one line for each step of `pki.ceremony.conduct`
    {"head": "5f1c...", "signature": "3045...", "signed_by": "root"}  one for each signature, in any order
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ecitizen.algorithms import KeyAlgorithm, SignatureAlgorithm
from ecitizen.errors import EcitizenError, FileFailed
from ecitizen.ports import Signer
from ecitizen.secret import KeyBytes

from .ceremony import conduct
from .certificates import load_certificate
from .errors import SignatureInvalid, TranscriptWrong
from .keys import key_algorithm, load_public_key, signature_algorithms, verify_signature
from .plan import ROOT, Plan
from .signing_key import usual_algorithm
from .store import Store

TRANSCRIPT_MAX_LEN: Final = 16 * 1024 * 1024
STEPS_MAX: Final = 1000
_BEGINNING = "0" * 64
_CONTEXT = b"ecitizen ceremony transcript 1\0"
_RECORDED_FAULTS = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError)
"""What comes of JSON that is of another shape than a transcript's."""


class TranscriptFile:
    """A transcript that is being written: each line is on the medium before the next step is done.

    Raise FileFailed if the file exists or can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._previous = _BEGINNING
        try:
            path.touch(mode=0o644, exist_ok=False)
        except FileExistsError:
            raise FileFailed(f"{path} exists, and a transcript is never overwritten; choose another name") from None
        except OSError as error:
            raise FileFailed(f"can't write the transcript {path}: {error.strerror}") from None

    def record(self, did: str, data: Mapping[str, Any]) -> None:
        """Write a step down."""
        line = _line({"did": did, "previous": self._previous, **data})
        append(self._path, line)
        self._previous = _digest(line)

    def sign(self, name: str, signer: Signer) -> None:
        """Add a signature over all that was written."""
        append(self._path, _signature_line(name, signer, self._previous))


@dataclass(frozen=True, slots=True)
class CheckedTranscript:
    """What a transcript proves."""

    plan: Plan
    root: bytes
    """The root's certificate, DER."""
    certificates: Mapping[str, bytes]
    """Of all authorities, the root's too, by name."""
    steps: int
    signed_by: tuple[str, ...]
    missing: tuple[str, ...]
    """Witnesses of the plan who have not signed yet."""
    at: datetime
    """When it began."""
    shares: Mapping[str, str]
    """SHA-256 of each holder's share, by holder."""


def append(path: Path, line: str) -> None:
    """Add a line to a file, and wait until it is on the medium; raise FileFailed."""
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileFailed(f"can't write the transcript {path}: {error.strerror}") from None


def witness_line(text: str, name: str, signer: Signer) -> str:
    """A witness's signature of a transcript that is checked first; a line to be added to it.

    Raise what `check` raises, and TranscriptWrong if the script names another key for this witness, or none.
    """
    checked = check(text)
    keys = {witness.name: witness.public_key for witness in checked.plan.witnesses}
    if keys.get(name) != signer.public_key:
        raise TranscriptWrong(f"the ceremony's script has no witness {name} with this key; give name and key as there")
    steps, _ = _read(text)
    return _signature_line(name, signer, _digest(steps[-1]))


def check(text: str) -> CheckedTranscript:
    """Conduct the ceremony again from what was written down, and compare every line; check the signatures.

    Raise TranscriptWrong that names the first line that is not as it must be, SignatureInvalid for a wrong signature.
    """
    steps, signatures = _read(text)
    try:
        entries = [json.loads(line) for line in steps]
        script, base_uri = entries[0]["script"], entries[0]["base_uri"]
        plan = Plan.parse(script, base_uri=base_uri)
        _replay(script, plan, entries, steps)
        certificates = {each["name"]: bytes.fromhex(each["certificate"]) for each in _did(entries, "certificate")}
        shares = {name: text for each in _did(entries, "shares") for name, text in each["commitments"].items()}
        at = datetime.fromisoformat(entries[0]["at"])
        keys = _signing_keys(plan, entries)
        signed = [_check_signature(json.loads(line), keys, _digest(steps[-1])) for line in signatures]
    except _RECORDED_FAULTS:
        raise TranscriptWrong("the transcript lacks what every transcript has, or has it in another form") from None
    except (TranscriptWrong, SignatureInvalid, FileFailed):
        raise
    except EcitizenError as error:
        raise TranscriptWrong(f"the transcript has what can't be used: {error}") from None
    if len(set(signed)) != len(signed):
        raise TranscriptWrong("somebody has signed the transcript twice; remove what is more")
    if ROOT not in signed:
        raise TranscriptWrong("the new root has not signed the transcript; the ceremony was not brought to its end")
    missing = tuple(witness.name for witness in plan.witnesses if witness.name not in signed)
    return CheckedTranscript(plan, certificates[ROOT], certificates, len(steps), tuple(signed), missing, at, shares)


# Replaying


def _replay(script: str, plan: Plan, entries: list[dict[str, Any]], steps: list[str]) -> None:
    """Conduct the ceremony with recorded acts; each line that comes out must be the one that was written."""
    previous = _BEGINNING
    number = 0

    def compare(did: str, data: dict[str, Any]) -> None:
        nonlocal previous, number
        line = _line({"did": did, "previous": previous, **data})
        if number >= len(steps) or steps[number] != line:
            raise TranscriptWrong(f"line {number + 1} of the transcript is not what the script and the acts make of it")
        previous = _digest(line)
        number += 1

    with TemporaryDirectory() as www, Store.in_memory() as store:
        try:
            conduct(script, plan, _RecordedActs(entries), store, Path(www), compare)
        except (TranscriptWrong, FileFailed):
            raise
        except (EcitizenError, StopIteration) as error:
            reason = str(error) or "something that was done is not written down"
            raise TranscriptWrong(f"line {number + 1} of the transcript can't have happened: {reason}") from None
    if number != len(steps):
        raise TranscriptWrong(f"line {number + 1} of the transcript is more than the script asks for")


class _RecordedActs:
    """`pki.ceremony.Acts` as they were written down."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self._moments = iter([datetime.fromisoformat(each["at"]) for each in entries if "at" in each])
        certificates = [bytes.fromhex(each["certificate"]) for each in _did(entries, "certificate")]
        self._serials = iter([load_certificate(each).serial_number for each in certificates])
        self._keys = {each["name"]: each for each in _did(entries, "key")}
        self._signatures = iter([bytes.fromhex(text) for each in entries for text in each.get("signatures", ())])
        self._shares = next(iter(_did(entries, "shares")), {})

    def moment(self) -> datetime:
        return next(self._moments)

    def serial_number(self) -> int:
        return next(self._serials)

    def make_key(self, name: str, algorithm: KeyAlgorithm) -> Signer:  # noqa: ARG002 - which it was is recorded
        return _RecordedSigner(bytes.fromhex(self._keys[name]["public_key"]), self._signatures)

    def key_reference(self, name: str) -> str:
        kept: str = self._keys[name]["kept"]
        return kept

    def pseudonym_key(self, name: str) -> KeyBytes:  # noqa: ARG002 - authorities have no pseudonyms
        return KeyBytes(bytes(32))

    def share_out(self, threshold: int, holders: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, str] = self._shares["commitments"]
        each_once = len(set(found.values())) == len(holders)
        if set(found) != set(holders) or not each_once or self._shares["threshold"] != threshold:
            raise TranscriptWrong("the shares that were given are not those that the script asks for")
        return found

    def open_by_shares(self, holders: tuple[str, ...]) -> bytes:  # noqa: ARG002 - whoever was there has seen it
        return bytes.fromhex(self._keys[ROOT]["public_key"])


class _RecordedSigner:
    """Gives the signatures that were made; whoever builds a certificate with them checks each."""

    def __init__(self, public_key: bytes, signatures: Iterator[bytes]) -> None:
        self.public_key = public_key
        self.key_algorithm = key_algorithm(load_public_key(public_key))
        self.certificate: bytes | None = None
        self.algorithms = signature_algorithms(self.key_algorithm)
        self._signatures = signatures

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:  # noqa: ARG002 - what was signed is in the transcript
        return next(self._signatures)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:  # noqa: ARG002 - what was signed is in the transcript
        return next(self._signatures)


# Lines


def _read(text: str) -> tuple[list[str], list[str]]:
    """The lines of the steps, and those of the signatures after them."""
    if len(text) > TRANSCRIPT_MAX_LEN:
        raise TranscriptWrong("the file is longer than any transcript")
    lines = text.splitlines()
    steps = list(takewhile(lambda line: not line.startswith('{"head":'), lines))
    signatures = lines[len(steps) :]
    if not steps or len(lines) > STEPS_MAX:
        raise TranscriptWrong("the file is no transcript of a ceremony: steps first, then signatures")
    return steps, signatures


def _did(entries: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    return [each for each in entries if each["did"] == what]


def _signing_keys(plan: Plan, entries: list[dict[str, Any]]) -> dict[str, bytes]:
    root = next(bytes.fromhex(each["public_key"]) for each in _did(entries, "key") if each["name"] == ROOT)
    return {ROOT: root, **{witness.name: witness.public_key for witness in plan.witnesses if witness.name != ROOT}}


def _check_signature(entry: dict[str, str], keys: Mapping[str, bytes], head: str) -> str:
    name = entry["signed_by"]
    key = keys.get(name)
    if key is None or entry["head"] != head or len(entry) != 3:
        raise TranscriptWrong(f"the signature of {name} is not of this transcript, or not of one who is to sign it")
    try:
        algorithm = signature_algorithms(key_algorithm(load_public_key(key)))[0]
        verify_signature(key, _CONTEXT + head.encode("ascii"), bytes.fromhex(entry["signature"]), algorithm)
    except SignatureInvalid:
        raise SignatureInvalid(f"the signature of {name} is not over this transcript; do not trust it") from None
    return name


def _signature_line(name: str, signer: Signer, head: str) -> str:
    signature = signer.sign(_CONTEXT + head.encode("ascii"), usual_algorithm(signer))
    return _line({"head": head, "signature": signature.hex(), "signed_by": name})


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()
