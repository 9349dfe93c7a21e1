"""What `ecitizen.testing` gives to other people's tests, from the README on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ecitizen
from ecitizen import CardRemoved, NoCard
from ecitizen.emulator.persona import find_persona
from ecitizen.errors import ConfigError, UsageError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.model import Sex
from ecitizen.testing import pcsc_reader, virtual_card, virtual_reader

README = Path(__file__).parents[2] / "README.md"


def test_the_example_of_the_readme_passes(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (example,) = [block for block in blocks if "def test_" in block]
    assert len([line for line in example.splitlines() if line.strip()]) <= 6
    (tmp_path / "test_example.py").write_text(example, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


def test_a_card_by_name_or_by_persona_and_for_each_protocol() -> None:
    for protocol, named in ((CardProtocol.T0, "t0"), (CardProtocol.T1, "t1")):
        for card in (virtual_card("somchai", named), virtual_card(find_persona("somchai"), protocol)):
            assert card.protocol is protocol
            with virtual_reader(card) as reader:
                reading = ecitizen.read_card(reader, fields=["citizen_id.cid"])
            assert reading.link.protocol == f"T={protocol.value}"
            assert reading.citizen_id is not None
            assert reading.citizen_id.cid == "1999900100425"
    assert virtual_card("somchai").protocol is CardProtocol.T0


@pytest.mark.parametrize(
    ("name", "protocol"), [("nobody", "t0"), ("somchai", "t2"), ("somchai", "T0"), ("somchai", "")]
)
def test_what_there_is_not(name: str, protocol: str) -> None:
    with pytest.raises(UsageError, match=r"somchai|t0 or t1"):
        virtual_card(name, protocol)


def test_cards_of_one_persona_are_cards_of_their_own() -> None:
    first, second = virtual_card("somchai"), virtual_card("somchai")
    first.power_on()
    second.power_on()
    first.transmit(bytes.fromhex("00A4040008A000000054480001"))
    assert second.transmit(bytes.fromhex("80B00000020004")) == b"\x6d\x00"
    assert first.transmit(bytes.fromhex("80B00000020004")) == b"\x61\x04"


def test_a_reader_to_put_cards_into() -> None:
    somchai, wanida = virtual_card("somchai"), virtual_card("wanida", "t1")
    with virtual_reader() as reader:
        with pytest.raises(NoCard):
            ecitizen.read_card(reader)
        reader.insert(somchai)
        first = ecitizen.read_card(reader, apps=["citizen_id"], photo=False).citizen_id
        reader.insert(wanida)  # in place of the other
        second = ecitizen.read_card(reader, apps=["citizen_id"], photo=False).citizen_id
        reader.remove()
        with pytest.raises(NoCard):
            ecitizen.read_card(reader)
    assert first is not None
    assert second is not None
    assert (first.sex, second.sex) == (Sex.MALE, Sex.FEMALE)


def test_a_swap_amid_a_session_is_a_removal() -> None:
    with virtual_reader(virtual_card("somchai")) as reader, ecitizen.open_card(reader) as session:
        assert session.atr.hex().upper().startswith("3B79960000")
        reader.insert(virtual_card("wanida"))
        with pytest.raises(CardRemoved):
            ecitizen.read_card(session)


def test_the_reader_is_empty_afterwards_whatever_happened() -> None:
    with pytest.raises(CardRemoved), virtual_reader(virtual_card("somchai")) as reader:
        raise CardRemoved("as if")
    assert reader.card is None


def test_pcsc_reader_needs_a_vpcd() -> None:
    with pytest.raises(ConfigError), pcsc_reader(virtual_card("somchai"), port=1, timeout=1.0):
        pass
