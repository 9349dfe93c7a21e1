"""The card manager, in the bytes of thai-card.md, sections 2 and 3.4."""

from ecitizen.emulator.card import Card
from ecitizen.emulator.issuer_domain import IssuerSecurityDomain
from ecitizen.iso7816.apdu import CardProtocol

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


def test_everything_else_is_refused() -> None:
    chip = card(CardProtocol.T1)
    for command, sw in {
        "80CA006600": "6A88",
        "00A4000C023F00": "6A82",
        "80F28000024F0000": "6D00",
        "00B0000000": "6D00",
        "A0CA9F7F00": "6E00",
    }.items():
        assert ask(chip, command) == sw
