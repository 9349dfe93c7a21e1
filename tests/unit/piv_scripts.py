"""PIV sessions with cards that are written down: what a driver sends, and what some maker's card answers to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent

from cardapps.piv.driver import PivSession
from cardapps.piv.driver_link import ApplicationProperties
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.secret import Pin
from ecitizen.session import CardSession
from ecitizen.transport.replay import ReplayTransport, Transcript

PIN, OTHER_PIN = Pin("123456"), Pin("87654321")
PUK, OTHER_PUK = Pin.puk("12345678"), Pin.puk("open-it!")
PIN_BYTES = "31 32 33 34 35 36 FF FF"
OTHER_PIN_BYTES = "38 37 36 35 34 33 32 31"


def ascending(count: int) -> bytes:
    """No randomness at all: 00 01 02 and so on."""
    return bytes(range(count))


def written(script: str, protocol: CardProtocol = CardProtocol.T1) -> CardSession:
    """A session with a card that knows this conversation (`transport.replay` has its form)."""
    transcript = Transcript.parse(f"protocol {protocol}\n{dedent(script)}")
    return CardSession(ReplayTransport(transcript))


@contextmanager
def playing(
    script: str, protocol: CardProtocol = CardProtocol.T1, *, algorithms: frozenset[int] = frozenset()
) -> Iterator[PivSession]:
    """A PIV session with such a card, selected; every line of the script must be played."""
    with written(script, protocol) as session:
        yield PivSession(session, ApplicationProperties(algorithms=algorithms), random=ascending)
