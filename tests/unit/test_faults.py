"""Faults as values and text, and what a card, a reader and a card image with faults do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.emulator.control import COMMANDS, MAX_CONNECTIONS, MAX_LINE_LEN
from ecitizen.emulator.faults import (
    FORMS,
    ExtraAt,
    Fault,
    FaultScript,
    GarbleAt,
    Latency,
    LinkLatency,
    MuteAt,
    OtherResetAt,
    PowerCutAt,
    ReaderGoneAt,
    RemoveAt,
    ResetAt,
    StatusAt,
    TruncateAt,
    parse_fault,
)
from ecitizen.emulator.faulty import FaultyCard, FaultyDisk
from ecitizen.emulator.image import CardImage, Sections
from ecitizen.emulator.persona import installed_personas
from ecitizen.errors import CardMute, CardRemoved, CardReset, ImageError, NoCard, NoReader, TransportError, UsageError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.read_card import read_card

Use = Callable[[], object]

ATR = bytes.fromhex("3b00")
COMMAND = bytes.fromhex("00b0000004")
ANSWER = bytes.fromhex("01020304 9000")


class Card:
    """Answers every command with the same, and writes down what happens to it."""

    def __init__(self, reply: Callable[[bytes], bytes] = lambda _: ANSWER) -> None:
        self.atr = ATR
        self.protocol = CardProtocol.T1
        self.events: list[str] = []
        self._reply = reply

    def power_on(self) -> bytes:
        self.events.append("on")
        return self.atr

    def power_off(self) -> None:
        self.events.append("off")

    def reset(self) -> bytes:
        self.events.append("reset")
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        self.events.append("command")
        return self._reply(command)


def powered(*faults: Fault) -> tuple[FaultyCard, Card]:
    """A card with these faults, and the card within."""
    inner = Card()
    card = FaultyCard(inner, faults)
    assert card.power_on() == ATR
    inner.events.clear()
    return card, inner


# Values and text

TEXTS: dict[str, Fault] = {
    "remove@5": RemoveAt(5),
    "remove@5:after": RemoveAt(5, after=True),
    "mute@3": MuteAt(3),
    "mute@0": MuteAt(0),
    "garble@2:7": GarbleAt(2, 7),
    "truncate@3:1": TruncateAt(3, 1),
    "extra@1=DEAD": ExtraAt(1, b"\xde\xad"),
    "sw@4=6F00": StatusAt(4, 0x6F00),
    "sw@4=0000": StatusAt(4, 0),
    "reset@9": ResetAt(9),
    "other-reset@9": OtherResetAt(9),
    "reader-gone@1": ReaderGoneAt(1),
    "latency=0.05": Latency(0.05),
    "latency=0": Latency(),
    "latency=0.0001/byte": Latency(per_byte=0.0001),
    "latency=0.05+0.0001/byte": Latency(0.05, 0.0001),
    "latency=link": LinkLatency(),
    "power-cut@2:17": PowerCutAt(2, 17),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_form_is_a_fault_and_back(text: str) -> None:
    assert parse_fault(text) == TEXTS[text]
    assert str(TEXTS[text]) == text


@pytest.mark.parametrize(("text", "fault"), [("garble@2", GarbleAt(2, 0)), ("sw@1=6f00", StatusAt(1, 0x6F00))])
def test_short_and_lower_case_forms(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


def test_every_form_of_the_list_is_one() -> None:
    examples = {
        "SECONDS": "1.5",
        "BYTES": "4",
        "SEED": "1",
        "KEEP": "0",
        "HEX": "00",
        "XXXX": "6A82",
        "N": "1",
        "W": "1",
    }
    kinds = set()
    for form in FORMS:
        text = form
        for word, example in examples.items():
            text = text.replace(word, example)
        kinds.add(type(parse_fault(text)))
    assert kinds == {type(fault) for fault in TEXTS.values()}


@pytest.mark.parametrize(
    "text",
    [
        *("", "remove", "remove@", "remove@0", "remove@-1", "remove@1:before", "remove@٣", "REMOVE@1", " remove@1"),
        *("remove@1\n", "remove@" + "9" * 100_000, "mute@x", "sw@1=6F0", "sw@1=6F000", "extra@1=", "extra@1=A"),
        *("truncate@1", "truncate@1:-1", "latency=", "latency=-1", "latency=nan", "latency=1e3", "latency=3601"),
        *("latency=9999/byte", "power-cut@0:1", "power-cut@1"),
    ],
    ids=lambda text: text[:16],
)
def test_text_that_is_no_fault(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert len(str(caught.value)) < 600


def test_the_error_lists_the_forms() -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault("explode@1")
    assert all(form in str(caught.value) for form in FORMS)


@given(st.text() | st.from_regex(r"(remove|mute|sw|garble|latency|extra|truncate)[@=:/0-9A-F.]{0,12}", fullmatch=True))
def test_any_text_is_a_fault_or_a_usage_error(text: str) -> None:
    try:
        fault = parse_fault(text)
    except UsageError:
        return
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    "make",
    [
        lambda: RemoveAt(0),
        lambda: MuteAt(-1),
        lambda: TruncateAt(1, -1),
        lambda: ExtraAt(1, b""),
        lambda: ExtraAt(1, bytes(65536)),
        lambda: StatusAt(1, 0x10000),
        lambda: Latency(-0.1),
        lambda: Latency(float("nan")),
        lambda: Latency(per_byte=float("inf")),
        lambda: PowerCutAt(0, 0),
        lambda: PowerCutAt(1, -1),
    ],
)
def test_a_fault_that_can_not_be(make: Callable[[], Fault]) -> None:
    with pytest.raises(UsageError, match="this fault can't be"):
        make()


# What a card does


def test_without_faults_it_is_the_card_within() -> None:
    inner = Card()
    card = FaultyCard(inner)
    assert (card.atr, card.protocol, card.out) == (ATR, CardProtocol.T1, False)
    assert (card.power_on(), card.transmit(COMMAND), card.reset()) == (ATR, ANSWER, ATR)
    card.power_off()
    assert inner.events == ["on", "command", "reset", "off"]
    assert card.script.exchanges == 1


def test_removal_before_the_card_gets_the_command() -> None:
    card, inner = powered(RemoveAt(2))
    card.transmit(COMMAND)
    with pytest.raises(CardRemoved):
        card.transmit(COMMAND)
    assert inner.events == ["command", "off"]
    with pytest.raises(CardRemoved):
        card.reset()
    with pytest.raises(CardRemoved):
        card.transmit(COMMAND)
    outs = [card.out]
    card.power_on()
    assert [*outs, card.out] == [True, False]
    assert card.transmit(COMMAND) == ANSWER, "a fault of one exchange happens once"


def test_removal_after_the_card_has_acted() -> None:
    card, inner = powered(RemoveAt(1, after=True))
    with pytest.raises(CardRemoved):
        card.transmit(COMMAND)
    assert inner.events == ["command", "off"]


def test_a_mute_card_answers_again_when_its_power_was_away() -> None:
    card, inner = powered(MuteAt(1))
    uses: list[Use] = [lambda: card.transmit(COMMAND), card.reset, lambda: card.transmit(COMMAND)]
    for use in uses:
        with pytest.raises(CardMute):
            use()
    card.power_off()
    card.power_on()
    assert card.transmit(COMMAND) == ANSWER
    assert inner.events == ["off", "on", "command"]


def test_a_dead_card_never_answers() -> None:
    inner = Card()
    card = FaultyCard(inner, [MuteAt(0)])
    uses: list[Use] = [card.power_on, card.reset, lambda: card.transmit(COMMAND), card.power_on]
    for use in uses:
        with pytest.raises(CardMute):
            use()
    card.power_off()
    with pytest.raises(CardMute):
        card.power_on()
    assert inner.events == ["off"]


@pytest.mark.parametrize("keep", range(8))
def test_a_truncated_answer(keep: int) -> None:
    card, _ = powered(TruncateAt(1, keep))
    assert card.transmit(COMMAND) == ANSWER[:keep]
    assert card.transmit(COMMAND) == ANSWER


def test_extra_bytes_stand_before_the_status_word() -> None:
    card, _ = powered(ExtraAt(1, b"\xaa\xbb"))
    assert card.transmit(COMMAND) == bytes.fromhex("01020304 aabb 9000")


def test_a_status_word_instead_of_the_command() -> None:
    card, inner = powered(StatusAt(1, 0x6F00))
    assert card.transmit(COMMAND) == b"\x6f\x00"
    assert inner.events == []


@given(st.binary(min_size=2, max_size=300), st.integers(0, 999_999_999))
def test_a_garbled_answer_is_as_long_and_different_and_the_same_each_time(answer: bytes, seed: int) -> None:
    def play() -> bytes:
        card = FaultyCard(Card(lambda _: answer), [GarbleAt(1, seed)])
        card.power_on()
        return card.transmit(COMMAND)

    garbled = play()
    assert garbled == play()
    assert len(garbled) == len(answer)
    flipped = sum((one ^ other).bit_count() for one, other in zip(garbled, answer, strict=True))
    assert 1 <= flipped <= 1 + len(answer) // 16


def test_garbling_is_the_same_on_every_machine_and_the_seed_matters() -> None:
    garbled = []
    for seed in range(3):
        card, _ = powered(GarbleAt(1, seed))
        garbled.append(card.transmit(COMMAND).hex())
    assert garbled == ["011203049000", "010203049080", "010201049000"]


def test_a_reset_that_nobody_is_told_of() -> None:
    card, inner = powered(ResetAt(2))
    card.transmit(COMMAND)
    card.transmit(COMMAND)
    assert inner.events == ["command", "reset", "command"]


@pytest.mark.parametrize("cure", ["reset", "power"])
def test_another_programs_reset_is_told_until_the_caller_starts_anew(cure: str) -> None:
    card, inner = powered(OtherResetAt(1))
    for _ in range(2):
        with pytest.raises(CardReset):
            card.transmit(COMMAND)
    assert inner.events == ["reset"]
    if cure == "reset":
        card.reset()
    else:
        card.power_off()
        card.power_on()
    assert card.transmit(COMMAND) == ANSWER


def test_a_reader_that_is_gone_comes_back_with_other_faults() -> None:
    card, inner = powered(ReaderGoneAt(1))
    uses: list[Use] = [lambda: card.transmit(COMMAND), card.reset, card.power_on]
    for use in uses:
        with pytest.raises(NoReader):
            use()
    card.power_off()
    with pytest.raises(NoReader):
        card.power_on()
    card.script = FaultScript()
    card.power_on()
    assert card.transmit(COMMAND) == ANSWER
    assert inner.events == ["off", "on", "command"]


def test_latency_is_slept_in_the_clock_that_was_given() -> None:
    slept: list[float] = []
    card = FaultyCard(Card(), [Latency(0.5), Latency(per_byte=0.25), StatusAt(2, 0x9000)], sleep=slept.append)
    card.power_on()
    card.transmit(COMMAND)
    card.transmit(COMMAND)
    assert slept == [0.5 + 0.25 * (len(COMMAND) + len(ANSWER)), 0.5 + 0.25 * (len(COMMAND) + 2)]


def test_link_latency_is_the_time_of_the_link() -> None:
    slept: list[float] = []
    inner = Card()
    inner.protocol = CardProtocol.T0
    card = FaultyCard(inner, [LinkLatency()], sleep=slept.append)
    card.power_on()
    card.transmit(COMMAND)
    characters = 5 + 1 + 4 + 2  # header, procedure byte, data, status word; 12 bits each, 372 clocks a bit, 4 MHz
    assert slept == [pytest.approx(characters * 12 * 372 / 4_000_000, rel=0.1)]


def test_faults_of_one_exchange_are_played_in_the_order_of_the_list() -> None:
    card, inner = powered(ResetAt(1), TruncateAt(1, 2), ExtraAt(1, b"\xee"))
    assert card.transmit(COMMAND) == b"\xee" + ANSWER[:2]
    assert inner.events == ["reset", "command"]
    card, _ = powered(ExtraAt(1, b"\xee"), TruncateAt(1, 5), StatusAt(1, 0x6A82))
    assert card.transmit(COMMAND) == bytes.fromhex("ee6a82")


def test_other_faults_count_anew() -> None:
    card, _ = powered(StatusAt(1, 0x6F00))
    card.transmit(COMMAND)
    card.script = FaultScript([StatusAt(1, 0x6A82)])
    assert card.transmit(COMMAND) == b"\x6a\x82"
    assert card.transmit(COMMAND) == ANSWER


def test_faults_in_the_wrong_place_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="FaultyDisk"):
        FaultyCard(Card(), [PowerCutAt(1, 0)])
    with pytest.raises(UsageError, match="FaultyCard"):
        FaultyDisk([PowerCutAt(1, 0), RemoveAt(1)])


# In a reader of this process


def test_a_removal_leaves_the_reader_empty() -> None:
    card = FaultyCard(Card(), [RemoveAt(1)])
    reader = VirtualReader(card)
    transport = reader.connect()
    for _ in range(2):
        with pytest.raises(CardRemoved):
            transport.transmit(COMMAND)
    assert reader.card is None
    with pytest.raises(NoCard):
        reader.connect()
    reader.insert(card)
    assert reader.connect().transmit(COMMAND) == ANSWER


@pytest.mark.parametrize(
    ("fault", "error"),
    [(MuteAt(0), CardMute), (MuteAt(2), CardMute), (OtherResetAt(2), CardReset), (ReaderGoneAt(2), NoReader)],
)
def test_other_faults_reach_the_reader_of_a_card_as_errors(fault: Fault, error: type[TransportError]) -> None:
    reader = VirtualReader(FaultyCard(virtual_card("somchai"), [fault]))
    with pytest.raises(error):
        read_card(reader)


@pytest.mark.parametrize("persona", sorted(installed_personas()))
def test_removal_at_every_exchange_of_a_read_then_a_clean_one(persona: str) -> None:
    whole = read_card(VirtualReader(virtual_card(persona)))
    card = FaultyCard(virtual_card(persona))
    for at in range(1, whole.link.exchanges + 1):
        reader = VirtualReader(card)
        card.script = FaultScript([RemoveAt(at)])
        with pytest.raises(CardRemoved):
            read_card(reader)
        reader.insert(card)
        assert read_card(reader) == whole


# Power cuts

OLD: Sections = {"s": {"a": 1, "b": "old"}}
NEW: Sections = {"s": {"a": 2, "b": "new", "c": b"\x01"}}


def change(image: CardImage) -> None:
    with image.transaction() as edit:
        for key, value in NEW["s"].items():
            edit.put("s", key, value)


def stored(path: Path) -> dict[str, dict[str, object]]:
    with CardImage.open(path) as image:
        return {name: dict(image.read(name)) for name in image.sections()}


def test_power_cut_at_every_byte_of_a_write_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    found = []
    for byte in range(10_000):
        path = tmp_path / f"{byte}.json"
        CardImage.create(path, OLD).close()
        disk = FaultyDisk([PowerCutAt(1, byte)])
        with pytest.raises(CardRemoved), CardImage.open(path, disk=disk) as image:
            change(image)
        journal_len = path.with_name(path.name + ".journal").stat().st_size
        found.append(stored(path))
        if journal_len < byte:
            break  # the cut came when all was written
        assert journal_len == byte
    assert found[0] == OLD
    assert found[-1] == NEW
    assert all(state in (OLD, NEW) for state in found)


@pytest.mark.parametrize("byte", [0, 1, 100, 10_000])
def test_power_cut_while_the_journal_is_folded(tmp_path: Path, byte: int) -> None:
    path = tmp_path / "card.json"
    CardImage.create(path, OLD).close()
    with pytest.raises(CardRemoved), CardImage.open(path, disk=FaultyDisk([PowerCutAt(2, byte)])) as image:
        change(image)  # the first write; the second is the snapshot at the end of the block
    assert stored(path) == NEW


def test_without_a_power_cut_it_is_a_disk(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    disk = FaultyDisk([PowerCutAt(4, 0)])
    with CardImage.create(path, OLD, disk=disk) as image:
        change(image)
    assert disk.script.writes == 3
    assert stored(path) == NEW


def test_without_power_nothing_is_written_any_more(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    with pytest.raises(CardRemoved):
        CardImage.create(path, OLD, disk=(disk := FaultyDisk([PowerCutAt(1, 5)])))
    left = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert left["card.json.tmp"] == b'{\n  "'[:5]
    with pytest.raises(ImageError, match="power is off"):
        CardImage.create(path, OLD, disk=disk)
    uses: list[Use] = [
        lambda: disk.write(-1, b""),
        lambda: disk.truncate(-1, 0),
        lambda: disk.replace(str(path), str(path)),
        lambda: disk.create(str(path)),
    ]
    for use in uses:
        with pytest.raises(OSError, match="power is off"):
            use()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == left


def test_a_power_cut_while_the_card_writes_is_a_removal_for_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    CardImage.create(path, OLD).close()
    script = FaultScript([PowerCutAt(2, 30), StatusAt(1, 0x6985)])
    with CardImage.open(path, disk=FaultyDisk(script)) as image:

        def write(_: bytes) -> bytes:
            change(image)
            return b"\x90\x00"

        inner = Card(write)
        reader = VirtualReader(FaultyCard(inner, script))
        transport = reader.connect()
        assert transport.transmit(COMMAND) == b"\x69\x85"
        assert transport.transmit(COMMAND) == b"\x90\x00"
        with pytest.raises(CardRemoved):
            transport.transmit(COMMAND)
        assert reader.card is None
        assert (script.exchanges, script.writes) == (3, 2)
    assert stored(path) == NEW
    assert inner.events == ["on", "command", "command", "off", "off"]


# The page about them

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")


def test_the_page_has_every_fault_and_every_command_of_the_control() -> None:
    forms = [row.split("|")[1].strip(" `") for row in PAGE.splitlines() if row.startswith("| `")]
    assert forms == list(FORMS)
    for kind in {type(fault).__name__ for fault in TEXTS.values()}:
        assert f"`{kind}(" in PAGE
    for name in COMMANDS:
        assert f"ecitizen emulator control run/control {name}" in PAGE
    assert f"A line has at most {MAX_LINE_LEN:,} bytes, and {MAX_CONNECTIONS} programs" in PAGE
