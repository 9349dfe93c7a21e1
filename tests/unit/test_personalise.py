"""From a persona to a card and back through an image, and images that are no card."""

from typing import Any

import pytest

from ecitizen.emulator.applet import Applet, Selection
from ecitizen.emulator.image import CardImage, Value
from ecitizen.emulator.persona import Persona, find_persona, installed_personas
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import ConfigError, EncodeError, ImageDamaged, UsageError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.model import CardAdmin, CitizenId

T0, T1 = CardProtocol.T0, CardProtocol.T1
ADMIN = CardAdmin("JT9012345678", "1122334455667788")


def person(**applications: Any) -> Persona:
    return Persona("nobody", "a test", {T0: b"\x3b\x00"}, bytes.fromhex("1122334455667788"), applications)


def test_a_persona_is_a_section_for_the_card_and_one_for_each_application() -> None:
    sections = sections_for(person(card_admin=ADMIN), T0)
    assert sections["card"] == {
        "persona": "nobody",
        "protocol": 0,
        "atr": b"\x3b\x00",
        "applets": ["card_admin"],
        "cplc": bytes(10) + bytes.fromhex("1122334455667788") + bytes(24),
    }
    assert sections["card_admin"] == {"state": bytes.fromhex("01000000000000") + b"JT9012345678" + bytes(4)}


def test_the_card_of_an_image_answers_as_the_persona_has_it() -> None:
    card = card_from_image(CardImage.in_memory(sections_for(person(card_admin=ADMIN), T0)))
    assert (card.protocol, card.power_on()) == (T0, b"\x3b\x00")
    assert card.transmit(bytes.fromhex("80CA9F7F2D"))[13:21] == bytes.fromhex("1122334455667788")
    assert card.transmit(bytes.fromhex("00A4040008A000000084060002"))[0] == 0x61
    assert card.transmit(bytes.fromhex("8000000017"))[7:19] == b"JT9012345678"
    assert card.transmit(bytes.fromhex("00A4040008A000000054480001")) == b"\x6a\x82"


def test_a_persona_without_a_card_for_the_protocol() -> None:
    with pytest.raises(UsageError, match="nobody has no card that speaks T=1"):
        sections_for(person(), T1)


def test_data_that_a_layout_can_not_hold_name_the_field() -> None:
    with pytest.raises(EncodeError, match="cid"):
        sections_for(person(citizen_id=CitizenId(cid="1234567890123")), T0)


def test_an_application_that_is_not_installed() -> None:
    with pytest.raises(ConfigError, match="no applet library_card is installed"):
        sections_for(person(library_card=ADMIN), T0)
    sections = sections_for(person(), T0)
    sections["card"]["applets"] = ["library_card"]
    sections["library_card"] = {}
    with pytest.raises(ConfigError, match="library_card"):
        card_from_image(CardImage.in_memory(sections))


@pytest.mark.parametrize("key", ["applets", "atr", "protocol", "cplc"])
@pytest.mark.parametrize("value", [None, 7, "text", b"bytes", ["citizen_id"], [7], {"a": 1}, []], ids=repr)
def test_a_card_section_that_is_wrong_is_damage(key: str, value: Value) -> None:
    sections = sections_for(person(), T0)
    right = type(sections["card"][key])
    if isinstance(value, right) and value in ([], b"bytes"):
        value = None
    sections["card"][key] = value
    with pytest.raises(ImageDamaged, match="section card"):
        card_from_image(CardImage.in_memory(sections))
    del sections["card"][key]
    with pytest.raises(ImageDamaged, match="section card"):
        card_from_image(CardImage.in_memory(sections))


def test_an_image_without_a_card_is_damage() -> None:
    with pytest.raises(ImageDamaged, match="no card in it"):
        card_from_image(CardImage.in_memory({}))


@pytest.mark.parametrize(
    ("application", "memory"),
    [
        ("citizen_id", {}),
        ("citizen_id", {"block0": "text"}),
        ("citizen_id", {"block1": b"x"}),
        ("citizen_id", {"block0": b"x", "blockx": b"x"}),
        ("citizen_id", {"other": b"x"}),
        ("health_insurance", {}),
        ("civil_servant", {}),
        ("civil_servant", {"officer": 1}),
        ("card_admin", {}),
        ("card_admin", {"state": None}),
    ],
)
@pytest.mark.parametrize("protocol", CardProtocol)
def test_an_application_without_its_memory_is_damage(
    application: str, memory: dict[str, Value], protocol: CardProtocol
) -> None:
    sections = sections_for(person(), T0)
    sections["card"] |= {"applets": [application], "protocol": int(protocol)}
    sections[application] = memory
    with pytest.raises(ImageDamaged, match=application):
        card_from_image(CardImage.in_memory(sections))


@pytest.mark.parametrize("protocol", CardProtocol)
def test_more_blocks_than_there_are_short_identifiers_are_damage(protocol: CardProtocol) -> None:
    sections = sections_for(find_persona("somchai"), protocol)
    sections["citizen_id"] |= {f"block{number}": b"0003" for number in range(1, 27)}
    card = card_from_image(CardImage.in_memory(sections))
    card.power_on()
    card.transmit(bytes.fromhex("00A4040008A000000054480001"))
    for fid in range(1, 28):
        assert card.transmit(bytes((0x00, 0xA4, 0x00, 0x00, 0x02, 0x01, fid, 0x00)))[-2] in {0x90, 0x61, 0x6A}
    sections["citizen_id"]["block27"] = b"0003"
    with pytest.raises(ImageDamaged, match="citizen_id"):
        card_from_image(CardImage.in_memory(sections))


def test_personas_come_from_every_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ecitizen_test_people"
    here, there = person(), person()
    _install(monkeypatch, "ecitizen.personas", {"one": lambda: [here]})
    assert installed_personas() == {"nobody": here}
    assert find_persona("nobody") is here
    with pytest.raises(UsageError, match="no persona somebody; there are nobody"):
        find_persona("somebody")
    _install(monkeypatch, "ecitizen.personas", {"one": lambda: [here], "two": lambda: [there]})
    with pytest.raises(ConfigError, match="two packages bring a persona nobody"):
        installed_personas()
    _install(monkeypatch, "ecitizen.personas", {})
    with pytest.raises(UsageError, match="none installed"):
        find_persona(module)


class LibraryCard(Applet):
    """An application from somebody else's package."""

    name = "library_card"
    aid = bytes.fromhex("F04C494252415259")

    @classmethod
    def personalise(cls, record: Any) -> dict[str, Value]:
        return {"reader": record}

    def fci(self) -> bytes:
        return b"\x84\x08" + self.aid

    def open(self) -> Selection:
        raise AssertionError("not selected in this test")


def test_applets_come_from_every_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "ecitizen.applets", {"library_card": LibraryCard})
    sections = sections_for(person(library_card="a reader"), T0)
    assert sections["library_card"] == {"reader": "a reader"}
    card_from_image(CardImage.in_memory(sections)).power_on()


def _install(monkeypatch: pytest.MonkeyPatch, group: str, things: dict[str, Any]) -> None:
    class Entry:
        def __init__(self, name: str, thing: Any) -> None:
            self.name = name
            self._thing = thing

        def load(self) -> Any:
            return self._thing

    def entry_points(group: str) -> list[Entry]:
        return [Entry(*item) for item in (things if group == wanted else {}).items()]

    wanted = group
    monkeypatch.setattr("ecitizen.emulator.persona.entry_points", entry_points)
    monkeypatch.setattr("ecitizen.emulator.catalogue.entry_points", entry_points)
