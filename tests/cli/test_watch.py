"""`reader watch` over virtual readers, from the first event to the signal that ends it."""

import io
import json
import os
import queue
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cli.commands.reader import event_json
from cli.main import main
from ecitizen import station
from ecitizen.jsonio import to_json
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader
from ecitizen.transport.virtual_source import VirtualSource
from ecitizen.usecases.read_card import read_card

LIMIT = 20.0  # seconds without a line, after which a test gives up
PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8").split("\n## `ecitizen reader watch`\n")[1]


class Lines(io.StringIO):
    """Standard output that hands over every line as it is flushed."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._line = ""

    def write(self, text: str) -> int:
        self._line += text
        return super().write(text)

    def flush(self) -> None:
        if self._line:
            self._queue.put(self._line)
            self._line = ""

    def until(self, part: str) -> str:
        """Wait for a line in which this stands."""
        while part not in (line := self._queue.get(timeout=LIMIT)):
            pass
        return line


Watch = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> VirtualSource:
    """Two readers in place of PC/SC; pyscard seems to be there."""
    source = VirtualSource(VirtualReader(None, "ACS ACR39U 00 00"), VirtualReader(None, "Alcor AU9540 00 00"))
    monkeypatch.setattr("ecitizen.station._pcsc_source", lambda: source)
    module = ModuleType("smartcard")
    module.__spec__ = ModuleSpec("smartcard", None)
    monkeypatch.setitem(sys.modules, "smartcard", module)
    return source


@pytest.fixture
def watch(source: VirtualSource, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """`watch(do, "--json", ...)` runs the command while `do(lines)` puts cards in; then a signal stops it."""

    def call(do: Callable[[Lines], None], *options: str, stop: int = signal.SIGTERM) -> tuple[int, list[str]]:
        lines = Lines()
        monkeypatch.setattr(sys, "stdout", lines)
        failures: list[BaseException] = []
        ended = threading.Event()

        def hands() -> None:
            try:
                lines.until("attached")
                do(lines)
            except BaseException as error:  # told below, in the thread of the test
                failures.append(error)
            finally:
                if not ended.is_set():
                    os.kill(os.getpid(), stop)

        thread = threading.Thread(target=hands)
        thread.start()
        code = main(["reader", "watch", *options])
        ended.set()
        thread.join()
        assert failures == []
        return code, lines.getvalue().splitlines()

    return call


def objects(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=lambda stop: stop.name)
def test_json_lines_tell_everything_from_insertion_to_removal(stop: int, watch: Watch, source: VirtualSource) -> None:
    def do(lines: Lines) -> None:
        source.insert("ACS ACR39U 00 00", virtual_card("wanida"))
        lines.until('"card_read"')
        source.remove("ACS ACR39U 00 00")
        lines.until('"card_taken"')
        source.unplug("Alcor AU9540 00 00")
        lines.until('"reader_gone"')

    before = signal.getsignal(stop)
    code, lines = watch(do, "--json", "--reader", "desk=acr39u", "--reader", "door=Alcor", stop=stop)
    assert code == 0
    assert signal.getsignal(stop) is before
    events = objects(lines)
    for event in events:
        assert list(event)[:4] == ["schema_version", "event", "moment", "reader"]
        assert event["schema_version"] == 1
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["moment"])
    attached = [event["reader"] for event in events if event["event"] == "reader_attached"]
    assert sorted(attached) == ["desk", "door"]
    desk = [event for event in events if event["reader"] == "desk" and event["event"] != "read_progress"]
    names = [event["event"] for event in desk]
    assert names[:2] == ["reader_attached", "card_inserted"]
    assert names[-2:] == ["card_read", "card_taken"]
    assert events[-1]["event"] == "reader_gone"
    progress = [event["percent"] for event in events if event["event"] == "read_progress"]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    citizen = [event["record"] for event in desk if event.get("application") == "citizen_id"]
    assert [record["photo"] is None for record in citizen] == [True, False], "text first, then with the photo"
    (read,) = [event["reading"] for event in desk if event["event"] == "card_read"]
    expected = to_json(read_card(VirtualReader(virtual_card("wanida"))))
    assert read == expected
    assert citizen[-1] == expected["citizen_id"]


def test_lines_for_people_hold_no_data_of_the_card(watch: Watch, source: VirtualSource) -> None:
    def do(lines: Lines) -> None:
        source.insert("ACS ACR39U 00 00", virtual_card("kla"))
        lines.until("card read")
        lines.until("laser_number")
        source.remove("ACS ACR39U 00 00")
        lines.until("taken")

    code, lines = watch(do)
    assert code == 0
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in lines if "Alcor" not in line] == [
        "ACS ACR39U 00 00: reader attached",
        "ACS ACR39U 00 00: card inserted",
        "ACS ACR39U 00 00: card read: citizen_id, health_insurance, card_admin",
        "! citizen_id.photo: the card has nothing in this field [blank]",
        "! card_admin.laser_number: the card has nothing in this field [blank]",
        "ACS ACR39U 00 00: card taken out",
    ]


def test_fields_that_were_named_are_shown(watch: Watch, source: VirtualSource) -> None:
    def do(lines: Lines) -> None:
        source.insert("ACS ACR39U 00 00", virtual_card("somchai"))
        lines.until("exchanges")

    _, lines = watch(do, "--field", "citizen_id.name_en", "--lang", "en")
    assert [line for line in lines if line.startswith("  ")] == ["  Name in English: Mr. Somchai Chaingam"]


def test_without_photo_none_is_read(watch: Watch, source: VirtualSource) -> None:
    def do(lines: Lines) -> None:
        source.insert("ACS ACR39U 00 00", virtual_card("somchai"))
        lines.until('"card_read"')

    _, lines = watch(do, "--json", "--app", "citizen_id", "--no-photo")
    reading = objects(lines)[-1]["reading"]
    assert reading["citizen_id"]["photo"] is None
    assert reading["card_admin"] is None


def test_a_service_that_goes_and_comes_is_told_and_waited_for(watch: Watch, source: VirtualSource) -> None:
    def do(lines: Lines) -> None:
        source.set_service(running=False)
        lines.until("stopped")
        source.set_service(running=True)
        lines.until("attached")
        source.insert("ACS ACR39U 00 00", virtual_card("somchai"))
        lines.until("card read")

    code, lines = watch(do, "--lang", "en")
    assert code == 0
    assert any(line.endswith(" the virtual service was stopped; start it again") for line in lines)


def test_a_thai_officer_is_told_in_thai(watch: Watch, source: VirtualSource) -> None:
    def do(lines: Lines) -> None:
        source.insert("ACS ACR39U 00 00", virtual_card("somchai"))
        lines.until("อ่านบัตรแล้ว")

    _, lines = watch(do, "--reader", "attached=ACS", "--lang", "th")
    assert any(line.endswith("ใส่บัตรแล้ว") for line in lines)


@pytest.mark.parametrize(
    "options",
    [
        ["--reader", "desk"],
        ["--reader", "=ACS"],
        ["--reader", "desk="],
        ["--reader", "desk=ACS", "--reader", "desk=Alcor"],
        ["--app", "driving_licence"],
        ["--field", "cid"],
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_watched(
    options: list[str], source: VirtualSource, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reader", "watch", "--json", *options]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_without_pyscard_there_is_nothing_to_wait_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    assert main(["reader", "watch"]) == 3
    assert "pyscard" in capsys.readouterr().err


# The page


def kinds_of_event() -> Iterator[type[station.StationEvent]]:
    yield from station.StationEvent.__subclasses__()


def test_every_event_and_its_keys_are_described() -> None:
    text = PAGE.split("\n## ")[0]
    described = {
        row[0]: set(re.findall(r"`(\w+)`", row[1]))
        for row in re.findall(r"^\| `(\w+)` \| (.*?) ?\| .* \|$", text.split("| event |")[1], re.MULTILINE)
    }
    assert described == {
        "reader_attached": set(),
        "reader_gone": set(),
        "card_inserted": {"atr"},
        "card_taken": set(),
        "read_progress": {"percent", "application"},
        "data_arrived": {"application", "record", "problems"},
        "card_read": {"reading"},
        "failed": {"error"},
    }
    names = {re.sub("(?<!^)(?=[A-Z])", "_", kind.__name__).lower() for kind in kinds_of_event()}
    assert names == set(described)


def test_the_example_of_the_page_is_an_event() -> None:
    example = json.loads(re.findall(r"^\{.*card_inserted.*\}$", PAGE, re.MULTILINE)[0])
    moment = datetime.fromisoformat(example["moment"])
    event = station.CardInserted(moment=moment, reader="desk", atr=bytes.fromhex(example["atr"]))
    assert event_json(event) == example
