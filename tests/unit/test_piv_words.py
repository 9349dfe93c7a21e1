"""PIV commands and data objects in words: names of what is asked for, and nothing of what is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardapps.piv import layout
from cardapps.piv.words import PivWords
from ecitizen.explain import Explanation, Kind, Narrator, Part, Vocabulary, explain
from ecitizen.explain.vocabulary import Application, ObjectWords
from ecitizen.iso7816.apdu import CommandApdu
from ecitizen.ports import CommandWords

PIV = PivWords()
KNOWN = Vocabulary([PIV])
AUTHENTICATE = "GENERAL AUTHENTICATE, piv: key "


def words(text: str) -> str | None:
    return PIV.command_words(CommandApdu.parse(bytes.fromhex(text)))


def flat(parts: tuple[Part, ...]) -> list[Part]:
    return [each for part in parts for each in (part, *flat(part.parts))]


def meanings(found: Explanation) -> dict[str, str]:
    return {part.name: part.meaning for part in flat(found.parts)}


def test_it_is_what_explanations_look_for() -> None:
    application: Application = PIV
    assert isinstance(application, CommandWords)
    assert isinstance(application, ObjectWords)
    assert application.aid == bytes.fromhex("A000000308000010000100")
    assert explain("00A404000BA000000308000010000100", known=KNOWN).summary == (
        "SELECT, A000000308000010000100 (piv, Signing card (PIV))"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00200080", "is the PIN verified, and how many tries are left"),
        ("0020008008313233343536FFFF", "check the PIN"),
        ("0020FF80", "forget that the PIN was verified"),
        ("0024008010" + "31" * 16, "change the PIN"),
        ("0024008110" + "31" * 16, "change the PUK"),
        ("002C008010" + "31" * 16, "set a new PIN with the PUK"),
        ("0047009A05AC0380011100", "make a key in 9A (authentication), P-256"),
        ("0047009C08AC068001077701AA", "make a key in 9C (signature), RSA-2048"),
        ("0047008505AC03800155", "make a key in 85 (retired key 4), algorithm 55"),
        ("0047009A", "make a key in 9A (authentication)"),
        ("00CB3FFF055C035FC10200", "cardholder unique identifier (CHUID)"),
        ("00CB3FFF055C035FC10500", "certificate of 9A (authentication)"),
        ("00CB3FFF055C035FC12000", "certificate of 95 (retired key 20)"),
        ("00CB3FFF035C017E00", "discovery object"),
        ("00CB3FFF045C027F6100", "biometric information templates"),
        ("00CB3FFF055C035FFF0100", "certificate of F9 (attestation)"),
        ("00CB3FFF055C035FFF1000", "object 5FFF10 of an extension"),
        ("00CB3FFF055C035FC17F00", "object 5FC17F"),
        ("00DB3FFF095C035FC1095302AABB", "write printed information"),
        ("00DB3FFF075C035FC1095300", "remove printed information"),
        ("00DB3FFF047E02AABB", "write the discovery object"),
        ("00DB3FFF057F6102AABB", "write the biometric templates"),
        ("10DB3FFF0A5C035FC10853820800FF", "write facial image, to be continued"),
        ("00DB3FFF02AABB", "write an object"),
        ("0087039B047C028000", "key 9B (management), 3DES: mutual authentication, ask for a witness"),
        ("00870C9B047C028000", "key 9B (management), AES-256: mutual authentication, ask for a witness"),
        (
            "0087039B167C148008" + "11" * 8 + "8108" + "22" * 8,
            "key 9B (management), 3DES: mutual authentication, answer and challenge",
        ),
        ("0087039B047C028100", "key 9B (management), 3DES: external authentication, ask for a challenge"),
        ("0087039B0C7C0A8208" + "11" * 8, "key 9B (management), 3DES: external authentication, answer"),
        ("0087119A067C0482008100", "key 9A (authentication), P-256: sign or decipher"),
        ("0087E1820A7C0882008504AABBCCDD", "key 82 (retired key 1), X25519: agree on a secret"),
        ("1087079C047C820106", "key 9C (signature), RSA-2048: more of its data, to be continued"),
        ("0087079C02AABB", "key 9C (signature), RSA-2048: more of its data"),
        ("00F6959D", "move key 9D (key management) to 95 (retired key 20)"),
        ("00F6FF9E", "delete key 9E (card authentication)"),
        ("00F7009B00", "metadata of key 9B (management)"),
        ("00F7008100", "metadata of PUK"),
        ("00F8000000", "serial number"),
        ("00F99A0000", "attest key 9A (authentication)"),
        ("00FA0503", "set the tries, PIN 5, PUK 3"),
        ("00FB0000", "reset the application"),
        ("00FD000000", "version of the extensions"),
        ("00FE169C02AABB", "import a key to 9C (signature), RSA-4096"),
        ("00FFFFFF02AABB", "set the management key"),
        ("0320008008313233343536FFFF", "check the PIN"),  # logical channel 3
        ("4020008008313233343536FFFF", "check the PIN"),  # logical channel 4
    ],
)
def test_commands(text: str, expected: str) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "00200005",  # a password of another application
        "00200180",
        "00240180",
        "002C0081",
        "002C0180",
        "00470005",
        "0047019A",
        "00870305047C028000",
        "00CB006100",
        "00FE0000",
        "00FE039A",
        "00B0000000",
        "80CB3FFF055C035FC10200",  # another class
        "20200080",  # reserved
        "0C20008008313233343536FFFF",  # secure messaging
    ],
)
def test_commands_that_piv_does_not_have(text: str) -> None:
    assert words(text) is None


@given(st.integers(0, 255), st.binary(min_size=2, max_size=2), st.binary(max_size=60))
def test_words_tell_nothing_of_the_data(ins: int, p1_p2: bytes, value: bytes) -> None:
    """Whatever an element holds, the words are the same: but for the tag of the object, and the kind of a new key."""
    tag_list = b"\x5c\x03\x5f\xc1\x02"
    for head, tail in ((b"\x7c", b""), (tag_list + b"\x53", b"")):
        long = head + bytes((len(value) + 2, 0x81, len(value))) + value + tail
        other = head + bytes((len(value) + 2, 0x81, len(value))) + bytes(byte ^ 0x55 for byte in value) + tail
        told = [PIV.command_words(CommandApdu(0, ins, p1_p2[0], p1_p2[1], data)) for data in (long, other)]
        assert told[0] == told[1]


def test_every_object_of_the_layout_has_a_name() -> None:
    names = {tag: PIV.object_words(tag, None) for tag in layout.ObjectId}
    assert all(names.values())
    assert len(set(names.values())) == len(names)


def test_every_command_of_the_layout_has_words() -> None:
    data = {layout.Ins.GET_DATA: bytes.fromhex("5C035FC102"), layout.Ins.PUT_DATA: bytes.fromhex("5C035FC1025300")}
    parameters = {
        layout.Ins.GET_DATA: (0x3F, 0xFF),
        layout.Ins.PUT_DATA: (0x3F, 0xFF),
        layout.ExtensionIns.IMPORT_KEY: (0x11, 0x9A),
        layout.Ins.GENERAL_AUTHENTICATE: (0x11, 0x9A),
        layout.Ins.GENERATE_ASYMMETRIC_KEY_PAIR: (0x00, 0x9A),
    }
    for ins in (*layout.Ins, *layout.ExtensionIns):
        command = CommandApdu(0x00, ins, *parameters.get(ins, (0x00, 0x80)), data.get(ins, b""))
        assert PIV.command_words(command)


def test_a_session_is_told_with_a_truncated_name() -> None:
    narrator = Narrator(KNOWN)
    narrator.words(bytes.fromhex("00A4040009A00000030800001000"))
    assert narrator.words(bytes.fromhex("00FD000000")) == "piv: version of the extensions, expects up to 256 bytes"
    assert narrator.words(bytes.fromhex("0087039B047C028000")).startswith(AUTHENTICATE)
    narrator.words(bytes.fromhex("00A4040008A000000054480001"))
    assert "piv" not in narrator.words(bytes.fromhex("00FD000000"))


# --- explain ---


def test_a_certificate_object_is_taken_apart() -> None:
    found = explain("530C70053003020105710100FE00", Kind.TLV, KNOWN)
    assert meanings(found) == {
        "53 discretionary data": "12 bytes",
        "70 piv: certificate": "5 bytes",
        "71 piv: CertInfo": "1 byte",
        "FE piv: error detection code": "0 bytes",
    }


@pytest.mark.parametrize(
    "text",
    [
        "5306710100810100",  # with an object that PIV does not have
        "5303710500",  # cut off
        "5302AA00",
        "5300",
    ],
)
def test_what_is_in_53_and_not_of_piv_is_left_whole(text: str) -> None:
    (part,) = explain(text, Kind.TLV, KNOWN).parts
    assert (part.name, part.parts) == ("53 discretionary data", ())


def test_a_discovery_object_and_a_tag_list() -> None:
    found = explain("7E124F0BA0000003080000100001005F2F024000", Kind.TLV, KNOWN)
    assert meanings(found)["5F2F piv: PIN usage policy"] == 'text "@"'
    assert meanings(found)["4F application identifier"] == "piv, Signing card (PIV)"
    command = explain("00CB3FFF055C035FC10200", known=KNOWN)
    assert meanings(command)["5C tag list"] == "piv: cardholder unique identifier (CHUID)"
    assert explain("5FC1020130", Kind.TLV, KNOWN).summary == (
        "a data object: piv: cardholder unique identifier (CHUID)"
    )


def test_a_select_answer_names_the_algorithms() -> None:
    whole = explain("61194F0600001000010079074F05A000000308AC06800111060100", Kind.TLV, KNOWN)
    assert meanings(whole)["80 algorithm"] == "1 byte"
    assert meanings(whole)["79 tag allocation authority"] == "7 bytes"


SECRET = "0102030405060708"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"7C0A8208{SECRET}9000", Kind.RESPONSE),
        (f"7C0A8208{SECRET}", Kind.TLV),
        (f"610C7C0A8208{SECRET}", Kind.TLV),
        (f"7C820104828201{SECRET}6108", Kind.RESPONSE),  # the first piece of a longer answer
        (f"0087039B0C7C0A8208{SECRET}", Kind.COMMAND),
        (f"1087079C0C7C0A8208{SECRET}", Kind.COMMAND),
        (f"00FE119A0A0608{SECRET}", Kind.COMMAND),
        (f"00FFFFFF0B039B08{SECRET}", Kind.COMMAND),
        (f"0020008008{SECRET}", Kind.COMMAND),
        (f"002C008010{SECRET}{SECRET}", Kind.COMMAND),
        (f"0024008110{SECRET}{SECRET}", Kind.COMMAND),
        (f"00DB3FFF0C7C0A8208{SECRET}", Kind.COMMAND),
    ],
)
@pytest.mark.parametrize("known", [KNOWN, Vocabulary()])
def test_pins_keys_and_what_proves_them_are_not_repeated(text: str, kind: Kind, known: Vocabulary) -> None:
    found = explain(text, kind, known)
    assert found.fits
    assert any("not shown" in part.meaning for part in flat(found.parts))
    assert not any(bytes.fromhex(SECRET) in part.data for part in flat(found.parts))


def test_what_is_in_authentication_data_is_named_all_the_same() -> None:
    found = explain(f"7C0C82008108{SECRET}9000", Kind.RESPONSE, KNOWN)
    assert meanings(found) == {
        "data": "14 bytes, not shown: key",
        "7C dynamic authentication data": "12 bytes",
        "82 response": "0 bytes",
        "81 challenge": "8 bytes, not shown: key",
        "SW1-SW2": "no error",
    }
