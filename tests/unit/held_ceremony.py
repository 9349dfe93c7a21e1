"""A small ceremony that was held, for tests of what is left of it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ecitizen.secret import KeyBytes
from pki.hierarchy import FolderActs, create, new_folder
from pki.key_source import KeySource
from pki.keys import FileSigner
from pki.plan import Plan
from pki.shares import Share
from pki.transcript import TranscriptFile

PASSPHRASE = KeyBytes(b"correct horse")
BASE_URI = 'base_uri = "http://pki.example.go.th"\n'
SMALL = """
base_uri = "http://pki.example.go.th"
organisation = "Ministry"
[root]
common_name = "Root"
key = "p256"
[[authority]]
name = "persons"
common_name = "Persons"
key = "p256"
profiles = ["card_authentication", "timestamp", "ocsp"]
"""


class Clock:
    """Goes on by a second each time it is looked at."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class Ceremony:
    """What was left of it."""

    folder: Path
    text: str
    shares: dict[str, Share]
    witness: FileSigner
    clock: Clock

    @property
    def steps(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text.splitlines()[:-1]]


def source(folder: Path) -> KeySource:
    return KeySource(folder / "keys", passphrase=lambda _: PASSPHRASE, pin=lambda _: PASSPHRASE)


def script(witness: FileSigner) -> str:
    return f"""{SMALL}
[shares]
threshold = 2
holders = ["Anong", "Boonmee", "Chai"]
[[witness]]
name = "Auditor"
public_key = "{witness.public_key.hex()}"
"""


def hold(folder: Path, text: str, witness: FileSigner) -> Ceremony:
    shares: dict[str, Share] = {}
    clock = Clock()
    plan = Plan.parse(text)
    new_folder(folder)
    with source(folder) as keys:
        give = shares.__setitem__ if plan.holders else None
        acts = FolderActs(keys, plan, folder=folder, give_share=give, clock=clock)
        transcript = TranscriptFile(folder / "transcript.jsonl")
        create(folder, text, plan, acts, transcript.record)
        transcript.sign("root", acts.root_signer())
    return Ceremony(folder, (folder / "transcript.jsonl").read_text(encoding="utf-8"), shares, witness, clock)
