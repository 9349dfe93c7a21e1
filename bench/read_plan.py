"""Exchanges, bytes and modelled seconds of a read: ours, the usual per-field reader's, and the least there can be.

Counts come from playing each read on the emulated card, so they hold on any machine. The seconds are those of the link
alone (`ecitizen.iso7816.link_time`, 4 MHz) on the four known generations of the Thai card.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import ecitizen
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.iso7816.atr import Atr
from ecitizen.iso7816.link_time import LinkTiming
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader, VirtualTransport

PERSONA = "wanida"  # her JPEG has 4,960 bytes, like the one in the recorded trace of a real card
LONGEST = 255  # what one read of the Thai command brings, in bytes

ATRS = {  # thai-card.md, section 1; the oldest is published only as 3B 67
    "3B67": "3B670000544820 4E494420",
    "no TA1": "3B680000 5448204E49442036",
    "TA1=18": "3B79180000 5448204E4944203130",
    "TA1=96": "3B79960000 5448204E4944203137",
}

# The plan of most published readers (thai-card.md, 3.2 and 3.3): offset and length of each field.
ID_FIELDS = ((4, 13), (17, 100), (117, 100), (217, 8), (225, 1), (246, 100), (359, 8), (367, 8), (5497, 100))
PHOTO = tuple((0x17B + LONGEST * block, LONGEST) for block in range(20))
HEALTH_FIELDS = ((4, 60), (64, 100), (164, 80), (244, 80), (324, 1), (325, 8), (333, 8), (341, 8), (349, 1))

Exchanges = list[tuple[bytes, bytes]]
Send = Callable[[bytes], bytes]


class Recorder:
    """A transport that keeps what went over it."""

    def __init__(self, inner: VirtualTransport) -> None:
        self.name, self.atr, self.protocol = inner.name, inner.atr, inner.protocol
        self._inner = inner
        self.exchanges: Exchanges = []

    def transmit(self, command: bytes) -> bytes:
        """Pass on and keep."""
        answer = self._inner.transmit(command)
        self.exchanges.append((command, answer))
        return answer

    def reset(self) -> None:
        """Pass on."""
        self._inner.reset()

    def transaction(self) -> AbstractContextManager[None]:
        """Pass on."""
        return self._inner.transaction()

    def close(self) -> None:
        """Pass on."""
        self._inner.close()


def read_fields(send: Send, aid: str, fields: Iterable[tuple[int, int]]) -> None:
    """Select an application and read field by field, as T=0 readers do."""
    send(bytes.fromhex("00A4040008" + aid))
    for offset, length in fields:
        send(bytes((0x80, 0xB0, offset >> 8, offset & 0xFF, 2, 0, length)))
        send(bytes((0x00, 0xC0, 0, 0, length)))


def rival_text(send: Send) -> None:
    """Citizen ID without the photo."""
    read_fields(send, "A000000054480001", ID_FIELDS)


def rival_id_with_photo(send: Send) -> None:
    """Citizen ID with photo."""
    read_fields(send, "A000000054480001", ID_FIELDS + PHOTO)


def rival_all(send: Send) -> None:
    """Citizen ID with photo, health, laser number."""
    rival_id_with_photo(send)
    read_fields(send, "A000000054480083", HEALTH_FIELDS)
    for command in ("00A4040008A000000084060002", "8000000007", "00C0000010"):
        send(bytes.fromhex(command))


def rival(plan: Callable[[Send], None]) -> Exchanges:
    """Play a plan and keep its exchanges."""
    recorder = Recorder(VirtualReader(virtual_card(PERSONA)).connect())

    def send(command: bytes) -> bytes:
        answer = recorder.transmit(command)
        assert answer[-2] in {0x61, 0x90}, (command.hex(), answer.hex())
        return answer

    plan(send)
    return recorder.exchanges


def ours(protocol: str, apps: tuple[str, ...], *, photo: bool = True, cached: bool = False) -> Exchanges:
    """Read with the library and keep the exchanges."""
    photos: dict[tuple[str, str], bytes] = {}
    card = virtual_card(PERSONA, protocol)
    if cached:
        ecitizen.read_card(VirtualReader(card), apps=apps, photos=photos)
    recorder = Recorder(VirtualReader(card).connect())
    reading = ecitizen.read_card(CardSession(recorder), apps=apps, photo=photo, photos=photos)
    assert reading.complete
    return recorder.exchanges


def least(spans: Iterable[int], others: int = 0) -> Exchanges:
    """What no T=0 plan of the Thai commands can go below: one SELECT, and 255 bytes for two exchanges."""
    exchanges: Exchanges = [(bytes(13), bytes(2))] + [(bytes(5), bytes(25))] * others
    for length in spans:
        for start in range(0, length, LONGEST):
            exchanges += [(bytes(7), bytes(2)), (bytes(5), bytes(min(LONGEST, length - start) + 2))]
    return exchanges


def row(exchanges: Exchanges, *, t0: bool = True) -> dict[str, Any]:
    """Count, and model the seconds on each generation (T=0) or on our T=1 card."""
    atrs = ATRS if t0 else {"T=1": "3B99968131FE455448204E49442031375D"}
    seconds = {
        name: LinkTiming(
            Atr.parse(bytes.fromhex(atr)), protocol=CardProtocol.T0 if t0 else CardProtocol.T1
        ).session_seconds(exchanges)
        for name, atr in atrs.items()
    }
    total = sum(len(command) + len(answer) for command, answer in exchanges)
    return {"exchanges": len(exchanges), "bytes": total, "seconds": seconds}


def main() -> None:
    """Print the table and write it beside this script."""
    citizen, everything = ("citizen_id",), ("citizen_id", "health_insurance", "card_admin")
    text, address, jpeg, health = 377, 174, 4960, 346
    rows = {
        "citizen, text: ours": row(ours("t0", citizen, photo=False)),
        "citizen, text: per field (fewer fields)": row(rival(rival_text)),
        "citizen, text: least": row(least((text, address))),
        "citizen, text: ours, T=1": row(ours("t1", citizen, photo=False), t0=False),
        "citizen with photo: ours": row(ours("t0", citizen)),
        "citizen with photo: per field": row(rival(rival_id_with_photo)),
        "citizen with photo: least": row(least((text + jpeg + address,))),
        "citizen with photo: ours, T=1": row(ours("t1", citizen), t0=False),
        "citizen, photo cached: ours": row(ours("t0", citizen, cached=True)),
        "ID, photo, health, card: ours": row(ours("t0", everything)),
        "ID, photo, health, card: per field": row(rival(rival_all)),
        "ID, photo, health, card: least": row(
            [*least((text + jpeg + address, health)), *least((), 1), *least((), 1), *least(())]
        ),
        "ID, photo, health, card: ours, T=1": row(ours("t1", everything), t0=False),
    }
    print(f"{'':42}{'exchanges':>10}{'bytes':>8}   link seconds: {'  '.join(f'{name:>6}' for name in ATRS)}")
    for name, entry in rows.items():
        seconds = entry["seconds"]
        cells = "  ".join(f"{seconds[atr]:6.2f}" for atr in ATRS) if "T=1" not in seconds else f"{seconds['T=1']:30.2f}"
        print(f"{name:42}{entry['exchanges']:>10}{entry['bytes']:>8,}{'':17}{cells}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
