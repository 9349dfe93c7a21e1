"""What it takes to issue a card: exchanges and bytes, seconds of the link, cards per second, the channel's own cost.

Exchanges and bytes are counted by playing the issuing on the emulated card, so they hold on any machine; the seconds
are those of the link alone (`ecitizen.iso7816.link_time`, 4 MHz). Rates are of one run on one machine and one core,
with journal and registers in memory: the toolkit's own work, not that of a disk.
"""

import json
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from read_plan import ATRS, Exchanges, row

from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import card_from_image
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.model import Address
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.aes import AesKey
from ecitizen.secure_channel.handshake import CardAnswer, Scp03Keys, Scp03Option, SecurityLevel
from ecitizen.secure_channel.scp03 import CardOpening, HostChannel, session_keys
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader, VirtualTransport
from ecitizen.usecases.issue_card import issue_card
from ecitizen.usecases.update_card import update_card
from tests.issuing_desk import MOMENT, Desk, QuickAuthorities, blank_card, order_for

PERSONA = "wanida"  # all applications, and a portrait of 4,960 bytes
ADDRESS = Address(house_no="118/7", province="จังหวัดเชียงใหม่")
CARDS = 12
INS_STORE = {0xE2: "STORE DATA", 0xDB: "PUT DATA"}
INS_GENERATE = 0x47
BLOCK = bytes(200)
CHANNEL_BATCHES, CHANNEL_BATCH = 9, 200


class Watch:
    """A transport that keeps what went over it and how long the card took."""

    def __init__(self, inner: VirtualTransport) -> None:
        self.name, self.atr, self.protocol = inner.name, inner.atr, inner.protocol
        self._inner = inner
        self.exchanges: Exchanges = []
        self.seconds: dict[int, float] = {}

    def transmit(self, command: bytes) -> bytes:
        begun = time.perf_counter()
        answer = self._inner.transmit(command)
        self.seconds[command[1]] = self.seconds.get(command[1], 0.0) + time.perf_counter() - begun
        self.exchanges.append((command, answer))
        return answer

    def reset(self) -> None:
        self._inner.reset()

    def transaction(self) -> AbstractContextManager[None]:
        return self._inner.transaction()

    def close(self) -> None:
        self._inner.close()


def issued(desk: Desk, protocol: CardProtocol) -> tuple[CardImage, Watch]:
    """One card, and what it took."""
    image = blank_card(protocol)
    watch = Watch(VirtualReader(card_from_image(image)).connect())
    issue_card(CardSession(watch), ORDER, desk.office, deliver=desk.deliver, moment=MOMENT)
    return image, watch


ORDER = order_for(PERSONA)


def counted(authorities: QuickAuthorities) -> dict[str, Any]:
    """Exchanges, bytes and link seconds of a card and of a change."""
    rows: dict[str, Any] = {}
    for protocol in CardProtocol:
        desk = Desk(authorities.copy())
        image, watch = issued(desk, protocol)
        name = f"issue a card, {protocol}"
        rows[name] = {**row(watch.exchanges, t0=protocol is CardProtocol.T0), **storing(watch.exchanges)}
        change = Watch(VirtualReader(card_from_image(image)).connect())
        update_card(CardSession(change), "citizen_id", {"address": ADDRESS}, desk.office, moment=MOMENT)
        rows[f"move house, {protocol}"] = row(change.exchanges, t0=protocol is CardProtocol.T0)
    return rows


def storing(exchanges: Exchanges) -> dict[str, Any]:
    """Commands that store data, and the least there can be: their payload over the largest block that is legal.

    The largest block is 239 bytes: 255, less a MAC of 8, whole blocks of AES and a byte of padding.
    """
    stored = [command for command, _ in exchanges if command[1] in INS_STORE]
    payload = sum(len(command) - 5 - 8 for command in stored)  # padding included: up to 16 bytes a command
    return {"commands that store": len(stored), "least": -(-payload // 239), "bytes stored": payload}


def rates(authorities: QuickAuthorities) -> dict[str, float]:
    """Cards per second on one core, and the part of the time in which the card makes its keys."""
    desk = Desk(authorities.copy())
    issued(desk, CardProtocol.T1)
    begun, generating = time.process_time(), 0.0
    for _ in range(CARDS):
        _, watch = issued(Desk(authorities.copy()), CardProtocol.T1)
        generating += watch.seconds[INS_GENERATE]
    spent = time.process_time() - begun
    return {"cards per second": CARDS / spent, "share of key generation": generating / spent}


def channels(level: SecurityLevel) -> tuple[Callable[[], object], Callable[[], object]]:
    """One STORE DATA of 200 bytes through both ends of a channel, and the bare AES operations of the same."""
    keys = Scp03Keys.same(KeyBytes(bytes(range(16))), 1)
    options = Scp03Option.PSEUDO_RANDOM | Scp03Option.R_MAC | Scp03Option.R_ENC
    opening = CardOpening(keys, options, bytes(8), bytes(8), diversification=bytes(10), sequence=1)
    answer = CardAnswer.parse(opening.answer.encode(), 8)
    host = HostChannel(session_keys(keys, bytes(8), answer.challenge), bytes(8), answer, level)
    card = opening.authenticate(host.external_authenticate())
    command = CommandApdu(0x80, 0xE2, 0x08, 0x00, BLOCK)
    done = ResponseApdu(b"", 0x9000)
    cipher = AesKey(KeyBytes(bytes(range(16))))
    padded = BLOCK.ljust(208, b"\x80")

    def through() -> object:
        card.unwrap_command(host.wrap_command(command))
        return host.unwrap_response(card.wrap_response(done))

    def bare() -> object:
        data = BLOCK
        if level.command_encrypted:
            for _ in range(2):
                cipher.encrypt_block(padded[:16])
            data = cipher.encrypt(padded)
            cipher.decrypt(data)
        for _ in range(2):
            cipher.cmac(bytes(16) + data)
        if level.response_authenticated:
            for _ in range(2):
                cipher.cmac(bytes(18))
        return data

    return through, bare


def channel_rates() -> dict[str, dict[str, float]]:
    """Commands per second through a channel, both ends, beside the AES operations alone; medians of turns."""
    found = {}
    for level in (SecurityLevel.C_MAC, SecurityLevel.C_MAC_C_ENC, SecurityLevel.FULL):
        spent: dict[str, list[float]] = {"channel": [], "bare AES": []}
        contenders = dict(zip(spent, channels(level), strict=True))
        for _ in range(CHANNEL_BATCHES):
            for name, call in contenders.items():
                begun = time.perf_counter()
                for _ in range(CHANNEL_BATCH):
                    call()
                spent[name].append(CHANNEL_BATCH / (time.perf_counter() - begun))
        found[f"{level:02X}"] = {name: statistics.median(each) for name, each in spent.items()}
    return found


def main() -> None:
    """Print the tables and write them beside this script."""
    authorities = QuickAuthorities.new()
    rows = counted(authorities)
    print(f"{'':22}{'exchanges':>10}{'bytes':>8}   link seconds: {'  '.join(f'{name:>6}' for name in ATRS)}")
    for name, entry in rows.items():
        seconds = entry["seconds"]
        cells = "  ".join(f"{seconds[atr]:6.2f}" for atr in ATRS) if "T=1" not in seconds else f"{seconds['T=1']:30.2f}"
        print(f"{name:22}{entry['exchanges']:>10}{entry['bytes']:>8,}{'':17}{cells}")
    for name, entry in rows.items():
        if "least" in entry:
            print(
                f"{name}: {entry['bytes stored']:,} bytes are stored by {entry['commands that store']} commands, "
                f"{entry['least']} at least"
            )
    speed = rates(authorities)
    print(
        f"in process: {speed['cards per second']:.1f} cards/s on a core, "
        f"{speed['share of key generation']:.0%} of it the card making its keys (P-256)"
    )
    through = channel_rates()
    for level, found in through.items():
        print(
            f"SCP03 level {level}, STORE DATA of 200 bytes, both ends: {found['channel']:,.0f}/s; the bare AES "
            f"operations: {found['bare AES']:,.0f}/s ({found['bare AES'] / found['channel']:.1f} times)"
        )
    result = {"counted": rows, "rates": speed, "channel": through}
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
