"""Cards and readers for other people's tests: fictional holders, no hardware, nothing to set up.

from ecitizen.testing import virtual_card, virtual_reader

def test_greets_the_holder():
    with virtual_reader(virtual_card("somchai")) as reader:
        assert ecitizen.read_card(reader).citizen_id.name_en.first == "Somchai"
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .emulator.card import Card
from .emulator.image import CardImage
from .emulator.persona import Persona, find_persona
from .emulator.personalise import blank_sections, card_from_image, record_for, sections_for
from .emulator.vpcd import Powerable, VpcdClient
from .errors import CardMute, UsageError
from .iso7816.apdu import CardProtocol
from .transport.virtual import InsertableCard, VirtualReader

if TYPE_CHECKING:
    from .secure_channel.handshake import Scp03Keys


def virtual_card(persona: str | Persona, protocol: CardProtocol | str = CardProtocol.T0, *, piv: bool = False) -> Card:
    """A card of this persona, in memory; `protocol` is `t0` or `t1`. Raise UsageError for an unknown name.

    `piv` puts the signing application on it, with fresh keys and test certificates: that takes about a second.
    """
    protocol = _protocol(protocol)
    who = find_persona(persona) if isinstance(persona, str) else persona
    further = {"piv": record_for("piv", who)} if piv else {}
    return card_from_image(CardImage.in_memory(sections_for(who, protocol, further=further)))


def blank_card(
    protocol: CardProtocol | str = CardProtocol.T0,
    *,
    chip_serial: bytes | None = None,
    keys: "Scp03Keys | None" = None,
) -> Card:
    """A card with nothing on it yet, in memory, to be issued: `protocol` is `t0` or `t1`.

    `chip_serial` has 8 bytes, random ones if it is left out. The issuer's domain has `keys`, or the published test
    keys as version 0x30. Raise UsageError for a serial of another length.
    """
    sections = blank_sections(_protocol(protocol), chip_serial or os.urandom(8), keys=keys)
    return card_from_image(CardImage.in_memory(sections))


def _protocol(protocol: CardProtocol | str) -> CardProtocol:
    if isinstance(protocol, CardProtocol):
        return protocol
    if protocol not in {"t0", "t1"}:
        raise UsageError("the protocol of a card is t0 or t1")
    return CardProtocol[protocol.upper()]


@contextmanager
def virtual_reader(card: InsertableCard | None = None) -> Iterator[VirtualReader]:
    """A reader in this process with the card in it; give it to `read_card` or `open_card`."""
    reader = VirtualReader(card)
    try:
        yield reader
    finally:
        reader.remove()


@contextmanager
def pcsc_reader(card: Powerable, host: str = "localhost", port: int = 35963, timeout: float = 10.0) -> Iterator[None]:
    """The card in pcscd's virtual reader (vpcd), where programs in any language see it.

    Inside the block pcscd has powered the card. Raise CardMute if it does not within `timeout` seconds, or
    ConfigError if no vpcd listens.
    """
    client = VpcdClient(card, host, port)
    client.attach(timeout)
    thread = threading.Thread(target=client.serve, name="ecitizen card", daemon=True)
    thread.start()
    try:
        if not client.powered.wait(timeout):
            raise CardMute("pcscd does not see the card that is in its virtual reader; is pcscd running?")
        yield
    finally:
        client.detach()
        thread.join()
