"""How long an exchange takes on the contacts of a real card, whatever it takes here.

Counts the characters of each message, and the pauses between them that ISO/IEC 7816-3:2006 asks for at least, from
what the answer to reset says. It is a lower bound: readers and cards may pause longer. Reset, answer to reset and PPS
are not in it, nor the USB of the reader.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import DecodeError, UsageError
from .apdu import LC_SHORT_MAX, NE_SHORT, CardProtocol, CommandApdu
from .atr import GLOBAL_T, Atr

CLOCK_HZ = 4_000_000
"""A clock that contact readers commonly give a card."""

FD, DD = 372, 1
"""Fi and Di before anything is negotiated, and where TA1 has reserved values (ISO/IEC 7816-3:2006, 8.1)."""

GUARD_TIME = 12
"""Bit times (etu) from the start of a character to the start of the next (8.3, TC1): ten bits and a pause of two."""
GUARD_TIME_SHORTEST = 11
"""The same within a block of T=1, in both directions, where TC1 is 255 (11.2)."""
BLOCK_GUARD_TIME = 22
"""Bit times from the start of a block's last character to the first of the answering block (BGT; 11.2)."""
N_SHORTEST = 255
"""The value of TC1 that asks for the shortest pauses that the protocol knows."""

T0_HEADER_LEN = 5
"""CLA INS P1 P2 P3 (10.3.2)."""
STATUS_LEN = 2

BLOCK_PROLOGUE_LEN = 3
"""NAD PCB LEN (11.3.2)."""
LRC_LEN, CRC_LEN = 1, 2
"""Epilogue of a block; bit 1 of the first TC for T=1 says which one (11.4.4)."""
IFS_DEFAULT = 32
"""Longest information field in either direction until something else is said, in bytes (11.4.2)."""
IFS_MAX = 254
"""The longest that there is; what readers usually announce for themselves with S(IFS request)."""


class _Tpdu(NamedTuple):
    """A command as T=0 carries it: data bytes to the card or from it, never both (10.3.2)."""

    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """The link between a reader and a card with this answer to reset. Times are seconds."""

    atr: Atr
    clock_hz: float = CLOCK_HZ
    protocol: CardProtocol | None = None
    """What reader and card agreed on; None for the protocol that the ATR says is used unless another is negotiated."""
    negotiated: bool = True
    """The reader makes use of Fi and Di of TA1. Without, the link stays at 372/1, unless TA2 forbids to negotiate."""
    ifsd: int = IFS_MAX
    """T=1: the longest information field that the reader takes, 1 to 254 bytes."""
    card_seconds: float = 0.0
    """The card's own work, for each command: not the link's, so none unless you know."""

    def __post_init__(self) -> None:
        if not 0 < self.clock_hz < float("inf"):
            raise UsageError("the clock of a card is a number of Hz above 0, as in 4_000_000")
        if not 1 <= self.ifsd <= IFS_MAX:
            raise UsageError("an information field of T=1 holds 1 to 254 bytes")
        if not 0 <= self.card_seconds < float("inf"):
            raise UsageError("the card's own work takes 0 seconds or more")
        if self.protocol is None and self.atr.default_protocol not in list(CardProtocol):
            raise UsageError(
                f"this card speaks T={self.atr.default_protocol} by itself; say which of T=0 and T=1 is used"
            )

    @property
    def used_protocol(self) -> CardProtocol:
        """The protocol that is counted with."""
        return CardProtocol(self.atr.default_protocol) if self.protocol is None else self.protocol

    @property
    def etu_seconds(self) -> float:
        """The time of one bit, F/D clock cycles (7.1)."""
        return self._clocks_per_bit(in_use=True) / self.clock_hz

    @property
    def from_card_seconds(self) -> float:
        """The time from the start of a character that the card sends to the next."""
        return self._guard_time * self.etu_seconds

    @property
    def to_card_seconds(self) -> float:
        """The same for a character that the reader sends: extra guard time is for these only."""
        extra = self.atr.extra_guard_time
        if extra == N_SHORTEST:
            return self.from_card_seconds
        # 8.3, TC1: counted in bits of the speed in use, or of the speed offered if T=15 is in the ATR.
        has_global_bytes = any(
            name.startswith("TD") and byte & 0x0F == GLOBAL_T for name, byte in self.atr.interface.items()
        )
        return self.from_card_seconds + extra * self._clocks_per_bit(in_use=not has_global_bytes) / self.clock_hz

    def exchange_seconds(self, command: bytes, answer: bytes) -> float:
        """The time that a command APDU and its answer (status word included) take. Any bytes will do.

        On T=0, a command with both data and an expected answer is counted with the GET RESPONSE that it takes.
        """
        count = self._t1_seconds if self.used_protocol is CardProtocol.T1 else self._t0_seconds
        return count(command, answer) + self.card_seconds

    def session_seconds(self, exchanges: Iterable[tuple[bytes, bytes]]) -> float:
        """The time of all these commands and answers; with T=1, also that of the reader's announcement of its IFSD."""
        total = sum(self.exchange_seconds(command, answer) for command, answer in exchanges)
        if self.used_protocol is CardProtocol.T1 and self.ifsd != IFS_DEFAULT:
            total += self._block_seconds(1, self.to_card_seconds) + self._block_seconds(1, self.from_card_seconds)
        return total

    # --- T=0 ---

    def _t0_seconds(self, command: bytes, answer: bytes) -> float:
        to_card = from_card = 0
        for sent, received in _tpdus(command, max(len(answer) - STATUS_LEN, 0)):
            to_card += T0_HEADER_LEN + sent
            # The procedure byte that lets data pass is an extra character; without data it is SW1 itself (10.3.3).
            from_card += bool(sent or received) + received + STATUS_LEN
        return to_card * self.to_card_seconds + from_card * self.from_card_seconds

    # --- T=1 ---

    def _t1_seconds(self, command: bytes, answer: bytes) -> float:
        ifsc = self.atr.ifsc or IFS_DEFAULT
        to_card, from_card = self.to_card_seconds, self.from_card_seconds
        return self._chain_seconds(len(command), ifsc, to_card, from_card) + self._chain_seconds(
            len(answer), self.ifsd, from_card, to_card
        )

    def _chain_seconds(self, length: int, longest: int, there: float, back: float) -> float:
        """I-blocks of at most `longest` bytes; the other side answers each but the last with an R-block (11.6.2.3)."""
        full, rest = divmod(length, longest)
        sizes = [longest] * full + ([rest] if rest or not full else [])
        blocks = sum(self._block_seconds(size, there) for size in sizes)
        return blocks + (len(sizes) - 1) * self._block_seconds(0, back)

    def _block_seconds(self, information_len: int, character: float) -> float:
        """From the first character of a block to the first of the block that answers it."""
        characters = BLOCK_PROLOGUE_LEN + information_len + self._epilogue_len
        return (characters - 1) * character + BLOCK_GUARD_TIME * self.etu_seconds

    @property
    def _epilogue_len(self) -> int:
        tds = [name for name, byte in self.atr.interface.items() if name.startswith("TD") and byte & 0x0F == 1]
        # TC1 and TC2 are not of a protocol: only from TC3 on does a TC belong to the T of the TD before it.
        names = (f"TC{int(name[2:]) + 1}" for name in tds if int(name[2:]) >= 2)
        byte = next((self.atr.interface[name] for name in names if name in self.atr.interface), 0)
        return CRC_LEN if byte & 0x01 else LRC_LEN

    # --- both ---

    @property
    def _guard_time(self) -> int:
        shortest = self.used_protocol is CardProtocol.T1 and self.atr.extra_guard_time == N_SHORTEST
        return GUARD_TIME_SHORTEST if shortest else GUARD_TIME

    def _clocks_per_bit(self, *, in_use: bool) -> float:
        fi, di = self.atr.fi, self.atr.di
        if fi is None or di is None or (in_use and not self.negotiated and not self.atr.specific_mode):
            return FD / DD
        return fi / di


def _tpdus(command: bytes, received: int) -> list[_Tpdu]:
    """What T=0 makes of a command APDU with so many bytes of answer (12.2)."""
    sent = _pieces(_data_len(command), LC_SHORT_MAX)
    answers = _pieces(received, NE_SHORT)
    if not sent:
        return [_Tpdu(0, piece) for piece in answers] or [_Tpdu(0, 0)]
    return [*(_Tpdu(piece, 0) for piece in sent), *(_Tpdu(0, piece) for piece in answers)]  # these are GET RESPONSE


def _data_len(command: bytes) -> int:
    """How many bytes follow the header: the data field, or with ENVELOPE, for a long one, the whole command."""
    try:
        apdu = CommandApdu.parse(command)
    except DecodeError:
        return max(len(command) - T0_HEADER_LEN, 0)  # no APDU: count it as it is
    return len(command) if len(apdu.data) > LC_SHORT_MAX else len(apdu.data)


def _pieces(length: int, longest: int) -> list[int]:
    return [min(longest, length - at) for at in range(0, length, longest)]
