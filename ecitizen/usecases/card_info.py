"""What a card is: its answer to reset, and which applications it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ..apps import installed_drivers, installed_pins
from ..errors import CardError, CardProtocolError, DecodeError
from ..iso7816.atr import Atr
from ..model import LinkStats
from ..session import CardSession

READER_CLOCK_HZ = 4_000_000
"""A clock that contact readers commonly give a card; the link's speed is in proportion to it."""


@dataclass(frozen=True, slots=True)
class CardInfo:
    """A card from outside."""

    reader: str
    atr: str
    """Upper-case hex."""
    historical: str
    """Historical bytes as ASCII, other bytes as dots; `TH NID` and a number on Thai cards."""
    protocols: tuple[str, ...]
    """Offered by the ATR, best first; empty where the ATR is malformed."""
    fi: int | None
    di: int | None
    bits_per_second: int | None
    """Of the link at a reader clock of 4 MHz."""
    applications: Mapping[str, bool]
    """For every application that we know, those with a PIN last, whether the card has it."""
    link: LinkStats


def card_info(session: CardSession) -> CardInfo:
    """Look at a card: one SELECT per application, nothing of its data. Raise TransportError if the way fails."""
    begun = session.stats
    with session.transaction():
        applications = {driver.name: _has(partial(session.select, driver.aid)) for driver in installed_drivers()}
        applications |= {name: _has(partial(select, session)) for name, select in installed_pins().items()}
    try:
        atr: Atr | None = Atr.parse(session.atr)
    except DecodeError:
        atr = None  # real cards with sloppy ATRs exist, and work
    speed = atr.bits_per_second(READER_CLOCK_HZ) if atr else None
    historical = atr.historical if atr else b""
    return CardInfo(
        reader=session.name,
        atr=session.atr.hex().upper(),
        historical="".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in historical),
        protocols=tuple(f"T={number}" for number in atr.protocols) if atr else (),
        fi=atr.fi if atr else None,
        di=atr.di if atr else None,
        bits_per_second=round(speed) if speed else None,
        applications=applications,
        link=session.stats_since(begun),
    )


def _has(select: Callable[[], object]) -> bool:
    try:
        select()
    except CardError:
        return False
    except CardProtocolError:
        return True  # there, whatever it says of itself
    return True
