"""The card manager: the bytes of thai-card.md, sections 2 and 3.4, and GlobalPlatform's life cycles."""

import pytest

from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage, Value
from ecitizen.emulator.issuer_domain import IssuerSecurityDomain
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.iso7816.globalplatform import CardLifeCycle
from ecitizen.secure_channel.handshake import initialize_update
from tests.unit.gp_host import CHALLENGE, Host, blank_image, published_keys, sections_with

SERIAL = bytes.fromhex("1122334455667788")
CPLC_ANSWER = "9F7F2A" + "00" * 10 + "1122334455667788" + "00" * 24


def card(protocol: CardProtocol) -> Card:
    domain = IssuerSecurityDomain({"cplc": IssuerSecurityDomain.cplc(SERIAL)}, protocol)
    made = Card([domain], atr=b"\x3b\x00", protocol=protocol)
    made.power_on()
    return made


def ask(to: Card, command: str) -> str:
    return to.transmit(bytes.fromhex(command)).hex().upper()


def test_production_data_hold_the_serial_where_readers_look_for_it() -> None:
    answer = bytes.fromhex(CPLC_ANSWER)
    assert (len(answer), answer[13:21]) == (45, SERIAL)


def test_the_published_ways_to_the_serial_on_t0() -> None:
    chip = card(CardProtocol.T0)
    assert ask(chip, "00A40400") == "6112"
    assert ask(chip, "00A4040002434D") == "6112"
    assert ask(chip, "80CA9F7F") == "6C2D"
    assert ask(chip, "80CA9F7F2D") == CPLC_ANSWER + "9000"
    assert ask(chip, "00CA9F7F2D") == CPLC_ANSWER + "9000"


def test_the_same_on_t1() -> None:
    chip = card(CardProtocol.T1)
    assert ask(chip, "00A4040000") == "6F10" + "8408A000000151000000" + "A504" + "9F6501FF" + "9000"
    assert ask(chip, "80CA9F7F00") == CPLC_ANSWER + "9000"


def test_it_is_selected_by_name() -> None:
    chip = card(CardProtocol.T1)
    assert ask(chip, "00A4040008A000000151000000") == "9000"
    assert ask(chip, "00A404000143") == "6A82"


def test_random_bytes() -> None:
    domain = IssuerSecurityDomain({"cplc": bytes(42)}, CardProtocol.T1, lambda count: bytes(range(count)))
    chip = Card([domain], atr=b"\x3b\x00", protocol=CardProtocol.T1)
    chip.power_on()
    assert ask(chip, "0084000004") == "000102039000"
    assert ask(chip, "008400010400") == "6700"
    assert ask(chip, "0084000104") == "6A86"
    assert ask(chip, "00840000020000") == "6700"


def test_everything_else_is_refused_by_a_card_without_keys() -> None:
    chip = card(CardProtocol.T1)
    for command, sw in {
        "80CA006600": "6A88",
        "00A4000C023F00": "6A82",
        "80F28000024F0000": "6D00",
        "80503000080001020304050607" + "00": "6D00",
        "8482330010" + "00" * 16: "6882",
        "00B0000000": "6D00",
        "A0CA9F7F00": "6E00",
    }.items():
        assert ask(chip, command) == sw


CITIZEN_ID = bytes.fromhex("A000000054480001")
ISSUER = "A000000151000000"
SELECT_CITIZEN_ID = CommandApdu(0x00, 0xA4, 0x04, 0x00, CITIZEN_ID)
GET_CPLC = CommandApdu(0x80, 0xCA, 0x9F, 0x7F, ne=256)


@pytest.fixture
def image() -> CardImage:
    return sections_with(sections_for(find_persona("somchai"), CardProtocol.T1), published_keys())


def host_at(image: CardImage) -> Host:
    return Host(card_from_image(image))


LOAD_FILE = b"\xf0ECITIZEN-APPS".hex().upper()


def entry(aid: str, state: str, privileges: str = "000000", load_file: str = LOAD_FILE) -> str:
    source = f"C4{len(load_file) // 2:02X}{load_file}" if load_file else ""
    content = f"4F{len(aid) // 2:02X}{aid}9F7001{state}C503{privileges}{source}CC08{ISSUER}"
    return f"E3{len(content) // 2:02X}{content}"


def test_status_of_the_card_manager_and_the_applications(image: CardImage) -> None:
    host = host_at(image).open()
    assert host.ask("80F280024F00") == entry(ISSUER, "0F", "9CCC00", "") + "9000"
    applications = [applet.aid.hex().upper() for applet in host.card.applets[1:]]
    assert CITIZEN_ID.hex().upper() in applications
    assert host.ask("80F240024F00", 1000) == "".join(entry(aid, "07") for aid in applications) + "9000"
    assert host.ask("80F240024F08" + CITIZEN_ID.hex()) == entry(CITIZEN_ID.hex().upper(), "07") + "9000"
    listed = host.ask("80F280024F005C054F9F70C4CC")
    assert listed == f"E3184F08{ISSUER}9F70010FCC08{ISSUER}9000"


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("80F220024F03D00000", "6A88"),
        ("80F210024F03D00000", "6A88"),
        ("80F240024F" + "11" + "A0" * 17, "6A80"),
        ("80F240024F03D00000", "6A88"),
        ("80F240044F00", "6A86"),
        ("80F240034F00", "6985"),  # the next entries, where none were the first
        ("80F230024F00", "6A86"),
        ("80F24002", "6A80"),
        ("80F240024F", "6A80"),
        ("80F240024F04A000", "6A80"),
        ("80F24002500100", "6A80"),
        ("80F240024F0099", "6A80"),
        ("80F240024F005C02C5", "6A80"),
        ("80F240024F005C019F", "6A80"),
    ],
)
def test_status_of_nothing(image: CardImage, command: str, sw: str) -> None:
    assert host_at(image).open().ask(command) == sw


def test_a_locked_application_is_gone_until_it_is_unlocked(image: CardImage) -> None:
    assert host_at(image).plain(SELECT_CITIZEN_ID).sw == 0x9000
    host = host_at(image).open()
    assert host.ask("80F04080" + CITIZEN_ID.hex()) == "9000"
    assert host.ask("80F04080" + CITIZEN_ID.hex()) == "9000"
    assert entry(CITIZEN_ID.hex().upper(), "87") in host.ask("80F240024F00", 1000)
    assert host_at(image).plain(SELECT_CITIZEN_ID).sw == 0x6A82
    assert host_at(image).plain(CommandApdu(0x00, 0xA4, 0x04, 0x00, b"CM")).sw == 0x9000
    assert host_at(image).open().ask("80F04000" + CITIZEN_ID.hex()) == "9000"
    assert host_at(image).plain(SELECT_CITIZEN_ID).sw == 0x9000


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("80F04080" + ISSUER, "6A88"),  # the card manager's state is the card's
        ("80F04080D0000000", "6A88"),
        ("80F02080" + CITIZEN_ID.hex(), "6A86"),
        ("80F08042", "6A86"),
        ("80F08001", "6A80"),
        ("80F0800F", "6A80"),
    ],
)
def test_states_that_there_are_not(image: CardImage, command: str, sw: str) -> None:
    assert host_at(image).open().ask(command) == sw


def test_a_card_grows_up_one_way() -> None:
    image = blank_image(life_cycle=1)
    host = Host.at(image).open()
    assert host.ask("80F0800F") == "6A80"
    for state in ("07", "0F"):
        assert host.ask("80F080" + state) == "9000"
        assert f"9F7001{state}" in host.ask("80F280024F00")
        assert host.ask("80F08001") == "6A80"


def test_a_locked_card_can_only_be_unlocked_or_ended(image: CardImage) -> None:
    assert host_at(image).open().ask("80F0807F") == "9000"
    host = host_at(image)
    assert host.plain(SELECT_CITIZEN_ID).sw == 0x6A82
    assert host.plain(GET_CPLC).sw == 0x9000
    assert host.plain(CommandApdu(0x00, 0x84, 0, 0, ne=8)).sw == 0x6985
    host.open()
    assert "9F70017F" in host.ask("80F280024F00")
    assert host.ask("80F04080" + CITIZEN_ID.hex()) == "6985"
    assert host.ask("80F0800F") == "9000"
    assert host_at(image).plain(SELECT_CITIZEN_ID).sw == 0x9000


def test_a_terminated_card_only_says_what_it_was(image: CardImage) -> None:
    host = host_at(image).open()
    assert host.ask("80F080FF") == "9000"
    assert host.plain(CommandApdu(0x84, 0xF2, 0x80, 0x02, bytes(16), 256)).sw == 0x6985
    after = host_at(image)
    assert after.plain(GET_CPLC).sw == 0x9000
    assert after.plain(initialize_update(CHALLENGE)).sw == 0x6985
    assert after.plain(SELECT_CITIZEN_ID).sw == 0x6A82


def test_numbers_of_issuer_and_card_where_there_are_any() -> None:
    bare = Host.at(blank_image())
    assert bare.plain(CommandApdu(0x80, 0xCA, 0x00, 0x42, ne=256)).sw == 0x6A88
    host = Host.at(blank_image(iin=bytes.fromhex("764123"), cin=b"card 1"))
    assert host.plain(CommandApdu(0x80, 0xCA, 0x00, 0x42, ne=256)).data.hex() == "4203764123"
    assert host.plain(CommandApdu(0x80, 0xCA, 0x00, 0x45, ne=256)).data == b"\x45\x06card 1"


@pytest.mark.parametrize("broken", [{"life_cycle": 2}, {"life_cycle": "new"}, {"life_cycle": b"\x0f"}], ids=str)
def test_a_broken_life_cycle_is_a_memory_failure(broken: dict[str, Value]) -> None:
    host = Host.at(blank_image(**broken))
    assert host.plain(initialize_update(CHALLENGE)).sw == 0x6581


def test_the_states_have_the_numbers_of_the_standard() -> None:
    assert [f"{state.name} {state:02X}" for state in CardLifeCycle] == [
        "OP_READY 01",
        "INITIALIZED 07",
        "SECURED 0F",
        "CARD_LOCKED 7F",
        "TERMINATED FF",
    ]
