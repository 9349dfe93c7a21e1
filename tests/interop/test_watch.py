"""`ecitizen reader watch` survives its PC/SC daemon: stopped and started again, while idle and while reading."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ecitizen.emulator.card import Card
from ecitizen.emulator.pcscd import PrivatePcscd
from ecitizen.testing import pcsc_reader, virtual_card

PATIENCE = 30.0


class Watch:
    """The command in a process of its own, which alone knows the daemon that will die."""

    def __init__(self, service: PrivatePcscd) -> None:
        reader = f"desk={service.reader_names[0]}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cli", "reader", "watch", "--json", "--reader", reader],
            env={**os.environ, **service.environment},
            stdout=subprocess.PIPE,
            text=True,
        )

    def until(self, event: str) -> dict[str, Any]:
        """The next event of this kind."""
        assert self._process.stdout
        for line in self._process.stdout:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
        pytest.fail(f"the watch ended without {event}")

    def stop(self) -> int:
        """Ctrl-C's sibling; gives the exit code."""
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=PATIENCE)
        return self._process.returncode

    def kill(self) -> None:
        """Whatever happened, leave nothing behind."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def service(needs_pcscd: None) -> Iterator[PrivatePcscd]:
    with PrivatePcscd() as running:
        yield running


@contextmanager
def watching(service: PrivatePcscd) -> Iterator[Watch]:
    watch = Watch(service)
    try:
        yield watch
    finally:
        watch.kill()


def slow_card(persona: str, seconds: float) -> Card:
    """A card that takes its time for every answer."""
    card = virtual_card(persona)
    answer = card.transmit

    def transmit(command: bytes) -> bytes:
        time.sleep(seconds)
        return answer(command)

    card.transmit = transmit  # type: ignore[method-assign]
    return card


def first_name(event: dict[str, Any]) -> str:
    assert event["reading"]["problems"] == []
    name: str = event["reading"]["citizen_id"]["name_en"]["first"]
    return name


def test_the_daemon_is_stopped_and_started_again(service: PrivatePcscd) -> None:
    with watching(service) as watch:
        watch.until("reader_attached")
        service.stop()
        assert watch.until("failed")["error"]["code"] == "pcsc_unavailable"
        service.start()
        assert watch.until("reader_attached")["reader"] == "desk"
        with pcsc_reader(virtual_card("somchai"), port=service.ports[0]):
            assert first_name(watch.until("card_read")) == "Somchai"
        watch.until("card_taken")
        assert watch.stop() == 0


def test_the_daemon_dies_in_the_middle_of_a_read(service: PrivatePcscd) -> None:
    with watching(service) as watch:
        with pcsc_reader(slow_card("somchai", 0.02), port=service.ports[0]):
            watch.until("read_progress")
            service.stop()
        watch.until("reader_gone")
        service.start()
        watch.until("reader_attached")
        with pcsc_reader(virtual_card("wanida"), port=service.ports[0]):
            assert first_name(watch.until("card_read")) == "Wanida"
        assert watch.stop() == 0


def test_a_watch_that_began_before_its_daemon(service: PrivatePcscd) -> None:
    service.stop()
    with watching(service) as watch:
        assert watch.until("failed")["reader"] is None
        service.start()
        watch.until("reader_attached")
        assert watch.stop() == 0
