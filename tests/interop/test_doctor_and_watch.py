"""`doctor` and `reader watch` with a real PC/SC daemon."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from ecitizen.emulator.card import Card
from ecitizen.emulator.pcscd import PrivatePcscd
from ecitizen.testing import virtual_card

ROOT = Path(__file__).parents[2]
LIMIT = 60.0

Insert = Callable[..., AbstractContextManager[tuple[str, ...]]]


def ecitizen(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli", *arguments]


def test_the_doctor_finds_daemon_readers_and_cards(pcscd: PrivatePcscd, insert: Insert) -> None:
    card: Card = virtual_card("somchai")
    with insert(card) as (name,):
        done = subprocess.run(
            ecitizen("doctor", "--json"), cwd=ROOT, capture_output=True, timeout=LIMIT, text=True, check=False
        )
    assert done.returncode == 0, done.stdout
    findings = [(each["code"], each["text"]) for each in json.loads(done.stdout)["findings"]]
    assert ("pcscd", "The PC/SC service (pcscd) serves this user.") in findings
    assert "pcscd_elsewhere" in dict(findings)
    assert ("reader", f"{name} has a card ({card.atr.hex().upper()}).") in findings
    assert ("reader", f"{pcscd.reader_names[1]} is empty.") in findings


def test_watch_tells_of_a_card_from_insertion_to_removal(pcscd: PrivatePcscd, insert: Insert) -> None:
    command = ecitizen("reader", "watch", "--json", "--no-photo", "--reader", f"desk={pcscd.reader_names[0]}")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            lines = (json.loads(line) for line in process.stdout)
            assert next(lines)["event"] == "reader_attached"
            with insert(virtual_card("wanida")):
                read = next(line for line in lines if line["event"] == "card_read")
            assert next(line for line in lines if line["event"] != "read_progress")["event"] == "card_taken"
            process.send_signal(signal.SIGTERM)
            assert list(lines) == []
            assert process.wait(LIMIT) == 0
        finally:
            process.kill()
    assert read["reader"] == "desk"
    assert read["reading"]["citizen_id"]["name_en"]["first"] == "Wanida"
