import pytest

from ecitizen.errors import CardRemoved, NoCard
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.transport.virtual import VirtualReader


class Card:
    """Answers with 9000, and writes down what happens to its contacts."""

    def __init__(self, protocol: CardProtocol = CardProtocol.T0) -> None:
        self.protocol = protocol
        self.events: list[str] = []

    def power_on(self) -> bytes:
        self.events.append("on")
        return b"\x3b\x00"

    def power_off(self) -> None:
        self.events.append("off")

    def reset(self) -> bytes:
        self.events.append("reset")
        return b"\x3b\x01\x52"

    def transmit(self, command: bytes) -> bytes:
        self.events.append(command.hex())
        return command + b"\x90\x00"


def test_a_card_is_powered_talked_to_and_let_go() -> None:
    card = Card(CardProtocol.T1)
    transport = VirtualReader(card, "a reader").connect()
    assert (transport.name, transport.atr, transport.protocol) == ("a reader", b"\x3b\x00", CardProtocol.T1)
    with transport.transaction():
        assert transport.transmit(b"\x00\xa4") == b"\x00\xa4\x90\x00"
    transport.reset()
    assert transport.atr == b"\x3b\x01\x52"
    transport.close()
    assert card.events == ["on", "00a4", "reset", "off"]


def test_an_empty_reader_has_no_card() -> None:
    reader = VirtualReader()
    assert not reader.card
    with pytest.raises(NoCard, match="insert"):
        reader.connect()
    reader.remove()  # nothing to pull out, nothing happens
    card = Card()
    reader.insert(card)
    assert reader.card is card
    reader.connect()
    reader.remove()
    assert card.events == ["on", "off"]
    with pytest.raises(NoCard):
        reader.connect()


def test_a_card_that_was_pulled_out_says_nothing_more() -> None:
    card = Card()
    reader = VirtualReader(card)
    transport = reader.connect()
    reader.remove()
    with pytest.raises(CardRemoved):
        transport.transmit(b"\x00\xa4")
    with pytest.raises(CardRemoved):
        transport.reset()
    transport.close()
    transport.close()
    assert card.events == ["on", "off"]


def test_another_card_in_its_place_is_not_the_same_card() -> None:
    first, second = Card(), Card()
    reader = VirtualReader(first)
    transport = reader.connect()
    reader.insert(second)
    with pytest.raises(CardRemoved):
        transport.transmit(b"\x00\xa4")
    transport.close()
    assert second.events == []
    assert reader.connect().transmit(b"\x00") == b"\x00\x90\x00"


def test_the_same_card_put_back_has_to_be_connected_anew() -> None:
    card = Card()
    reader = VirtualReader(card)
    transport = reader.connect()
    reader.remove()
    reader.insert(card)
    with pytest.raises(CardRemoved):
        transport.transmit(b"\x00\xa4")
    again = reader.connect()
    transport.close()  # the earlier connection has no say over the card any more
    assert again.transmit(b"\x00") == b"\x00\x90\x00"
    assert card.events == ["on", "off", "on", "00"]
