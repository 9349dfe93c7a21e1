"""Exchanges and bytes of a read: ours, the usual per-field reader's, and the least that the card's commands allow.

Counts, not times: they hold on any machine. Every row is measured by playing it on the emulated card.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import ecitizen
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader

PERSONA = "wanida"  # her JPEG has 4,960 bytes, like the one in the recorded trace of a real card
LONGEST = 255  # what one read of the Thai command brings, in bytes

# The plan of most published readers (thai-card.md, 3.2 and 3.3): offset and length of each field.
ID_FIELDS = ((4, 13), (17, 100), (117, 100), (217, 8), (225, 1), (246, 100), (359, 8), (367, 8), (5497, 100))
PHOTO = tuple((0x17B + LONGEST * block, LONGEST) for block in range(20))
HEALTH_FIELDS = ((4, 60), (64, 100), (164, 80), (244, 80), (324, 1), (325, 8), (333, 8), (341, 8), (349, 1))

Exchange = Callable[[bytes], bytes]


def read_fields(send: Exchange, aid: str, fields: Iterable[tuple[int, int]]) -> None:
    """Select an application and read field by field, as T=0 readers do."""
    send(bytes.fromhex("00A4040008" + aid))
    for offset, length in fields:
        send(bytes((0x80, 0xB0, offset >> 8, offset & 0xFF, 2, 0, length)))
        send(bytes((0x00, 0xC0, 0, 0, length)))


def rival_id_with_photo(send: Exchange) -> None:
    """Citizen ID with photo."""
    read_fields(send, "A000000054480001", ID_FIELDS + PHOTO)


def rival_all(send: Exchange) -> None:
    """Citizen ID with photo, health, laser number."""
    rival_id_with_photo(send)
    read_fields(send, "A000000054480083", HEALTH_FIELDS)
    for command in ("00A4040008A000000084060002", "8000000007", "00C0000010"):
        send(bytes.fromhex(command))


def rival(plan: Callable[[Exchange], None]) -> dict[str, int]:
    """Play a plan and count."""
    card = virtual_card(PERSONA)
    card.power_on()
    counts = {"exchanges": 0, "bytes": 0}

    def send(command: bytes) -> bytes:
        answer = card.transmit(command)
        assert answer[-2] in {0x61, 0x90}, (command.hex(), answer.hex())
        counts["exchanges"] += 1
        counts["bytes"] += len(command) + len(answer)
        return answer

    plan(send)
    return counts


def ours(protocol: str, *, photo: bool = True, cached: bool = False, apps: tuple[str, ...]) -> dict[str, int]:
    """Read with the library and count."""
    photos: dict[tuple[str, str], bytes] = {}
    reader = VirtualReader(virtual_card(PERSONA, protocol))
    if cached:
        ecitizen.read_card(reader, apps=apps, photos=photos)
    link = ecitizen.read_card(reader, apps=apps, photo=photo, photos=photos).link
    return {"exchanges": link.exchanges, "bytes": link.bytes_sent + link.bytes_received}


def least(spans: Iterable[int], selects: int) -> int:
    """Exchanges that no T=0 plan of the Thai commands can go below: each read brings at most 255 bytes, in two."""
    return selects + sum(2 * -(-length // LONGEST) for length in spans)


def main() -> None:
    """Print the table and write it beside this script."""
    citizen, everything = ("citizen_id",), ("citizen_id", "health_insurance", "card_admin")
    text, address, jpeg = 377, 174, 4960
    rows = {
        "citizen text, T=0": {"ours": ours("t0", photo=False, apps=citizen), "least": least((text, address), 1)},
        "citizen text, T=1": {"ours": ours("t1", photo=False, apps=citizen)},
        "citizen with photo, T=0": {
            "ours": ours("t0", apps=citizen),
            "per field": rival(rival_id_with_photo),
            "least": least((text + jpeg + address,), 1),
        },
        "citizen with photo, T=1": {"ours": ours("t1", apps=citizen)},
        "citizen, photo cached, T=0": {"ours": ours("t0", cached=True, apps=citizen)},
        "citizen with photo, health, card, T=0": {
            "ours": ours("t0", apps=everything),
            "per field": rival(rival_all),
            "least": least((text + jpeg + address, 346), 2) + 4,
        },
        "citizen with photo, health, card, T=1": {"ours": ours("t1", apps=everything)},
    }
    print(f"{'':40}{'ours':>16}{'per field':>18}{'least':>8}")
    for name, row in rows.items():
        cells = [row.get(kind) for kind in ("ours", "per field", "least")]
        shown = [
            f"{cell['exchanges']} ({cell['bytes']:,} B)" if isinstance(cell, dict) else str(cell or "")
            for cell in cells
        ]
        print(f"{name:40}{shown[0]:>16}{shown[1]:>18}{shown[2]:>8}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
