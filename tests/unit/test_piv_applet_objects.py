"""GET DATA and PUT DATA on the card side, by hand-written commands (SP 800-73-5 part 2, 3.1.2 and 3.3.1)."""

import pytest

from tests.piv_card import VERIFY, Hand, memory, tlv

GET = "00CB3FFF"
PUT = "00DB3FFF"
DISCOVERY = "7E124F0BA0000003080000100001005F2F024000"


def test_get_an_object() -> None:
    hand = Hand()
    assert hand.send(GET, "5C035FC102") == (bytes.fromhex("531B3419") + bytes(25), 0x9000)
    hand.talk(
        "00CB3FFF055C035FC102 08 > 531B341900000000 6115 \n 00C0000015 > ..9000"
    )  # as OpenSC looks for the length


def test_discovery_is_there_without_being_stored_and_without_a_pin() -> None:
    assert Hand().send(GET, "5C017E") == (bytes.fromhex(DISCOVERY), 0x9000)


@pytest.mark.parametrize("tag", ["5FC103", "5FC108", "5FC109", "5FC121", "5FC123"])
def test_personal_objects_want_the_pin_whether_they_are_there_or_not(tag: str) -> None:
    hand = Hand()
    assert hand.sw(GET, f"5C03{tag}") == 0x6982
    hand.talk(f"{VERIFY} > 9000")
    assert hand.sw(GET, f"5C03{tag}") == (0x9000 if tag == "5FC109" else 0x6A82)


@pytest.mark.parametrize(
    "tag", ["035FC105", "035FC107", "035FC120", "035FC122", "027F61", "035FFF01", "035FFF10"], ids=lambda tag: tag[2:]
)
def test_an_object_that_is_not_there(tag: str) -> None:
    assert Hand().sw(GET, f"5C{tag}") == 0x6A82


@pytest.mark.parametrize(
    ("data", "sw"),
    [
        ("5C035FC104", 0x6A82),  # not assigned
        ("5C035FC124", 0x6A82),
        ("5C035FC100", 0x6A82),
        ("5C0153", 0x6A82),
        ("5C0101", 0x6A82),
        ("5C025FC1", 0x6A82),
        ("5C04005FC102", 0x6A82),  # the number of an object, but not its tag
        ("5C00", 0x6A82),
        ("5C065FC1025FC107", 0x6A82),  # a list of two
        ("5C035FC1025C035FC107", 0x6A80),
        ("5C035FC10253", 0x6A80),
        ("5C035FC1025300", 0x6A80),
        ("5C035FC1", 0x6A80),
        ("5FC102", 0x6A80),
        ("53035FC102", 0x6A80),
        ("", 0x6A80),
    ],
)
def test_tag_lists_that_name_no_object(data: str, sw: int) -> None:
    assert Hand().sw(GET, data) == sw


@pytest.mark.parametrize("head", ["00CB3F00", "00CB0000", "00CBFF3F", "00DB3F00", "00DB0000"])
def test_other_parameters_than_the_applications_own_objects(head: str) -> None:
    hand = Hand()
    hand.manage()
    assert hand.sw(head, "5C035FC1025301AA") == 0x6A86
    assert hand.contents() == memory()


# --- PUT DATA ---


def test_put_get_replace_remove() -> None:
    hand = Hand()
    hand.manage()
    for content in ("AABB", "70023000710100FE00", "CC"):
        value = bytes.fromhex(content)
        assert hand.send(PUT, bytes.fromhex("5C035FC105") + tlv("53", value)) == (b"", 0x9000)
        assert hand.send(GET, "5C035FC105") == (tlv("53", value), 0x9000)
    assert hand.sw(PUT, "5C035FC1055300") == 0x9000
    assert hand.sw(GET, "5C035FC105") == 0x6A82
    assert hand.sw(PUT, "5C035FC1055300") == 0x9000  # there is nothing any more, and that is what was asked for
    assert hand.contents() == memory()


def test_objects_with_a_tag_of_their_own() -> None:
    hand = Hand()
    hand.manage()
    biometric = "7F610A 020101 7F6004 A1028000"
    assert hand.sw(PUT, biometric) == 0x9000
    assert hand.send(GET, "5C027F61") == (bytes.fromhex(biometric), 0x9000)
    own = "7E124F0BA0000003080000100001005F2F026010"
    assert hand.sw(PUT, own) == 0x9000
    assert hand.send(GET, "5C017E") == (bytes.fromhex(own), 0x9000)
    for removed in ("7E00", "7F6100"):
        assert hand.sw(PUT, removed) == 0x9000
    assert hand.sw(GET, "5C027F61") == 0x6A82
    assert hand.send(GET, "5C017E") == (bytes.fromhex(DISCOVERY), 0x9000)
    assert hand.contents() == memory()


def test_put_data_is_for_who_has_the_management_key() -> None:
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000")
    for data in ("5C035FC1055301AA", "7E00", "5C035FC1025300", b"nonsense".hex()):
        assert hand.sw(PUT, data) == 0x6982
    assert hand.contents() == memory()


@pytest.mark.parametrize(
    ("data", "sw"),
    [
        ("5C035FC105", 0x6A80),
        ("5301AA", 0x6A80),
        ("5301AA5C035FC105", 0x6A80),
        ("5C035FC1055301AA5301BB", 0x6A80),
        ("5C035FC1055302AA", 0x6A80),
        ("5C035FC1057001AA", 0x6A80),
        ("7E007E00", 0x6A80),
        ("5C017E5301AA", 0x6A80),  # it has no tag 53
        ("5C027F615301AA", 0x6A80),
        ("", 0x6A80),
        ("5C035FC1045301AA", 0x6A82),
        ("5C025FC15301AA", 0x6A82),
    ],
)
def test_put_data_that_is_malformed_changes_nothing(data: str, sw: int) -> None:
    hand = Hand()
    hand.manage()
    assert hand.sw(PUT, data) == sw
    assert hand.contents() == memory()


def test_the_longest_object() -> None:
    hand = Hand()
    hand.manage()
    longest = bytes(0x4000 - 4)
    assert hand.sw(PUT, bytes.fromhex("5C035FC106") + tlv("53", longest)) == 0x9000
    assert hand.send(GET, "5C035FC106") == (tlv("53", longest), 0x9000)
    before = hand.contents()
    assert hand.sw(PUT, bytes.fromhex("5C035FC106") + tlv("53", longest + b"\0")) == 0x6A84
    assert hand.sw(PUT, tlv("7F61", longest + b"\0")) == 0x6A84
    assert hand.contents() == before


@pytest.mark.parametrize("tag", ["5FFF00", "5FFF01", "5FFF7F", "5FFFFF"])
def test_objects_of_the_extensions(tag: str) -> None:
    hand = Hand()
    hand.manage()
    assert hand.sw(PUT, f"5C03{tag}5301AA") == 0x9000
    assert hand.send(GET, f"5C03{tag}") == (b"\x53\x01\xaa", 0x9000)
    plain = Hand({"extensions": False, f"object {tag}": b"\xaa"})
    plain.manage()
    assert plain.sw(PUT, f"5C03{tag}5301AA") == 0x6A82
    assert plain.sw(GET, f"5C03{tag}") == 0x6A82
