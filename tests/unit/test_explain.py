"""Bytes in words."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import ConfigError, UsageError
from ecitizen.explain import Explanation, Kind, Narrator, Part, Vocabulary, explain
from ecitizen.iso7816.atr import Atr, Convention
from ecitizen.ports import CommandWords

STANDARDS = Vocabulary()
INSTALLED = Vocabulary.installed()


def leaves(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield part
        yield from leaves(part.parts)


def meanings(found: Explanation) -> dict[str, str]:
    return {part.name: part.meaning for part in leaves(found.parts)}


# --- guessing ---


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("6A82", Kind.SW),
        ("9000", Kind.SW),
        ("610A", Kind.SW),
        ("3B799600005448204E4944203137", Kind.ATR),
        ("3B00", Kind.ATR),
        ("3B9B118131FE4580F9A0000003080000100043", Kind.ATR),
        ("00A4040008A000000054480001", Kind.COMMAND),
        ("80B0000402000D", Kind.COMMAND),
        ("00C0000010", Kind.COMMAND),
        ("80CA9F7F2D", Kind.COMMAND),
        ("8000000017", Kind.COMMAND),
        ("0020008008313233343536FFFF", Kind.COMMAND),
        ("00B0009000", Kind.COMMAND),  # ends like a response
        ("8408A0000000544800019000", Kind.RESPONSE),
        ("303030339000", Kind.RESPONSE),
        ("6F0A8408A000000054480001", Kind.TLV),
        ("E003C00101", Kind.TLV),
        ("5FC10200", Kind.TLV),
    ],
)
def test_the_first_guess_is_the_likely_one(text: str, kind: Kind) -> None:
    found = explain(text)
    assert (found.kind, found.fits) == (kind, True)
    assert found.kind not in {other.kind for other in found.alternatives}


def test_other_readings_are_named_without_their_parts() -> None:
    found = explain("9000", known=STANDARDS)
    assert [other.kind for other in found.alternatives] == [Kind.RESPONSE, Kind.TLV]
    assert {other.parts for other in found.alternatives} == {()}


def test_what_fits_nothing_is_said_to_be_nothing() -> None:
    found = explain(b"\xff", known=STANDARDS)
    assert (found.fits, found.summary) == (False, "1 byte that no message of a card looks like")


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (Kind.COMMAND, "00A404", "at least four bytes"),
        (Kind.COMMAND, "00900000", "no such class or instruction"),
        (Kind.COMMAND, "FFCA000000", "no such class or instruction"),
        (Kind.RESPONSE, "90", "two bytes of a status word"),
        (Kind.RESPONSE, "00001234", "1234 at its end"),
        (Kind.TLV, "0000", "nothing but padding"),
        (Kind.TLV, "8405AA", "claims 5 bytes"),
        (Kind.ATR, "3B6800", "ends before"),
        (Kind.SW, "90", "two bytes"),
        (Kind.SW, "1234", "61xx"),
    ],
)
def test_bytes_that_are_not_what_they_are_said_to_be(kind: Kind, text: str, why: str) -> None:
    found = explain(text, kind, STANDARDS)
    assert (found.kind, found.fits) == (kind, False)
    assert why in found.summary


@pytest.mark.parametrize("text", ["6A 82", "6a:82", "0x6A 0x82", "0x6A82", " 6A\n82 "])
def test_hex_is_taken_as_people_write_it(text: str) -> None:
    assert explain(text, known=STANDARDS).summary == "status word 6A82: file or application not found"


@pytest.mark.parametrize("text", ["6A8", "hello", "6A82!", "๖๗", "", " "])
def test_what_is_not_hex_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        explain(text, known=STANDARDS)


@given(st.binary(min_size=1, max_size=300), st.sampled_from([None, *Kind]))
def test_any_bytes_are_explained(data: bytes, kind: Kind | None) -> None:
    found = explain(data, kind, INSTALLED)
    assert found.summary.isprintable()
    if not found.fits:
        assert found.parts == ()
    for part in leaves(found.parts):
        assert part.data in data
        assert part.meaning.isprintable()


COMMAND_HEADS = st.tuples(
    st.sampled_from([0x00, 0x01, 0x0C, 0x10, 0x40, 0x60, 0x80, 0x84, 0xC1]),
    st.integers(0, 255),
    st.binary(min_size=2, max_size=2),
)


@given(COMMAND_HEADS, st.binary(max_size=40), st.sampled_from([b"", b"\x00", b"\x05"]))
def test_any_command_is_explained(head: tuple[int, int, bytes], data: bytes, le: bytes) -> None:
    cla, ins, p1_p2 = head
    raw = bytes((cla, ins)) + p1_p2 + (bytes((len(data),)) + data if data else b"") + le
    found = explain(raw, Kind.COMMAND, INSTALLED)
    assert found.fits == (ins & 0xF0 not in {0x60, 0x90})
    hidden = any(part.name == "data" and not part.data for part in found.parts)
    assert not found.fits or hidden or b"".join(part.data for part in found.parts) == raw
    assert Narrator(INSTALLED).words(raw).isprintable()


def test_deep_data_objects_end_somewhere() -> None:
    data = b"\xe0\x00"
    while len(data) < 120:
        data = b"\xe0" + bytes([len(data)]) + data
    found = explain(data, Kind.TLV, STANDARDS)
    assert found.fits
    assert len(list(leaves(found.parts))) == 16


# --- commands ---


def test_a_select_names_the_application() -> None:
    found = explain("00A4040008A000000054480001", known=INSTALLED)
    assert found.summary == "SELECT, A000000054480001 (citizen_id, Citizen ID card)"
    assert found.parts == (
        Part("CLA", b"\x00", "interindustry, logical channel 0"),
        Part("INS", b"\xa4", "SELECT"),
        Part("P1-P2", b"\x04\x00", "application by DF name, first or only occurrence, answer FCI"),
        Part("Lc", b"\x08", "8 bytes of data"),
        Part("data", bytes.fromhex("A000000054480001"), "citizen_id, Citizen ID card"),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("00A4040009A00000030800001000", "SELECT, A00000030800001000 (PIV)"),
        ("00A4040008A000000151000000", "SELECT, A000000151000000 (GlobalPlatform issuer security domain)"),
        ("00A4040005A000000054", "SELECT, A000000054 (beginning of citizen_id, Citizen ID card)"),
        ("00A4040002434D", "SELECT, 434D"),
        ("00A40400", "SELECT, the default application"),
        (
            "00A4020C020001",
            "SELECT, EF under the current DF by file identifier, first or only occurrence, answer nothing",
        ),
        ("00B2010C00", "READ RECORD, EF of short identifier 1, record 1, expects up to 256 bytes"),
        ("00B2020000", "READ RECORD, current EF, record of identifier 2, expects up to 256 bytes"),
        ("00D60010 02AABB", "UPDATE BINARY, current EF, from byte 16, 2 bytes of data"),
        ("00200000", "VERIFY, reference data that the card implies"),
        ("0020008008313233343536FFFF", "VERIFY, piv: check the PIN"),
        ("002C010004 31323334", "RESET RETRY COUNTER, reference data that the card implies, P1 01, 4 bytes of data"),
        (
            "00CB3FFF055C035FC10200",
            "GET DATA, piv: cardholder unique identifier (CHUID), expects up to 256 bytes",
        ),
        ("00CB3FFF045C027F5100", "GET DATA, piv: object 7F51, expects up to 256 bytes"),
        ("0070000001", "MANAGE CHANNEL, open a channel that the card chooses, expects up to 1 byte"),
        ("00708002", "MANAGE CHANNEL, close channel 2"),
        (
            "0087039B047C028000",
            "GENERAL AUTHENTICATE, piv: key 9B (management), 3DES: mutual authentication, ask for a witness",
        ),
        ("00870305047C028000", "GENERAL AUTHENTICATE, algorithm 03, key 05, 4 bytes of data"),
        ("00FE0000", "TERMINATE CARD USAGE"),
        ("00FE119A220620" + "11" * 32, "piv: import a key to 9A (authentication), P-256"),
        ("0084000008", "GET CHALLENGE, expects up to 8 bytes"),
        ("00C000010D", "GET RESPONSE, in the form of the oldest Thai chips, expects up to 13 bytes"),
        ("80500000081122334455667788", "INITIALIZE UPDATE (proprietary class), 8 bytes of data"),
        ("80F1000000", "instruction F1 (proprietary class), expects up to 256 bytes"),
        # what drivers know
        ("8000000017", "card_admin: the card's state, with the laser number, expects up to 23 bytes"),
        (
            "80CA9F7F2D",
            "GET DATA, card_admin: the chip's production data, with its serial number, expects up to 45 bytes",
        ),
    ],
)
def test_commands_in_one_line(text: str, words: str) -> None:
    assert explain(text, Kind.COMMAND, INSTALLED).summary == words


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("80B0000402000D", "citizen_id: block 0, bytes 4 to 16: cid"),
        ("80B000000200FF", "citizen_id: block 0, bytes 0 to 254: layout_version to part of issue_place, 8 fields"),
        ("80B00167020010", "citizen_id: block 0, bytes 359 to 374: issue_date, expiry_date"),
        ("80B0017B0200FF", "citizen_id: block 0, bytes 379 to 633: part of photo"),
        ("80B015790200AE", "citizen_id: block 0, bytes 5497 to 5670: address, photo_number"),
        ("80B0162702000A", "citizen_id: block 0, bytes 5671 to 5680: no known field"),
        ("80B000110201 64".replace(" ", ""), "citizen_id: block 1, bytes 17 to 116: name_th"),  # layout 0002
        ("81B0000402000D", "citizen_id: block 0, bytes 4 to 16: cid"),  # logical channel 1
        ("00B081040D", "citizen_id: block 0, bytes 4 to 16: cid"),  # the T=1 form
        ("00B000040D", "citizen_id: block 0, bytes 4 to 16: cid"),
        ("80B0000402003C", "health_insurance: block 0, bytes 4 to 63: main_scheme"),
        ("80B0015D020001", "health_insurance: block 0, bytes 349 to 349: hospital_changes"),
        ("00B0810000", "civil_servant: the officer's file from byte 0"),
        ("00B0010000", "civil_servant: the officer's file from byte 256"),
    ],
)
def test_a_read_names_the_fields_that_it_brings(text: str, field: str) -> None:
    found = explain(text, known=INSTALLED)
    assert field in found.summary.replace(", expects up to", "; or expects up to").split(", ", 1)[1].split("; or ")


@pytest.mark.parametrize("text", ["80B00004020000", "80B0000403000D00", "00D6000001AA", "80B0000401AA", "00A40400"])
def test_other_commands_are_no_reads(text: str) -> None:
    assert "block" not in explain(text, Kind.COMMAND, INSTALLED).summary


@pytest.mark.parametrize(
    "text",
    [
        "0020008008 3132333435363738",
        "0024008008 3132333435363738",
        "002C008008 3132333435363738",
        "80D8000108 3132333435363738",
        "0087039B08 3132333435363738",
    ],
)
@pytest.mark.parametrize("kind", [None, Kind.COMMAND])
def test_passwords_and_keys_are_not_repeated(text: str, kind: Kind | None) -> None:
    found = explain(text, kind, INSTALLED)
    assert found.kind is Kind.COMMAND
    assert meanings(found)["data"] in {"8 bytes, not shown: PIN", "8 bytes, not shown: key"}
    assert "12345678" not in repr(found)
    assert all("3132" not in part.data.hex() for part in leaves(found.parts))


@pytest.mark.parametrize(
    ("cla", "words"),
    [
        ("00", "interindustry, logical channel 0"),
        ("03", "interindustry, logical channel 3"),
        ("0C", "interindustry, logical channel 0, secure messaging"),
        ("10", "interindustry, logical channel 0, not the last of a chain"),
        ("4F", "interindustry, logical channel 19"),
        ("60", "interindustry, logical channel 4, secure messaging"),
        ("30", "reserved class"),
        ("84", "proprietary, logical channel 0, secure messaging"),
        ("C0", "proprietary, logical channel 4, coded as GlobalPlatform does"),
    ],
)
def test_class_bytes(cla: str, words: str) -> None:
    assert meanings(explain(f"{cla}A40400", Kind.COMMAND, STANDARDS))["CLA"] == words


def test_extended_lengths() -> None:
    found = explain("00B00000001000", Kind.COMMAND, STANDARDS)
    assert found.parts[-1] == Part("Le", bytes.fromhex("001000"), "expects up to 4096 bytes")
    found = explain("00D60000000002AABB0000", Kind.COMMAND, STANDARDS)
    assert [(part.name, part.data.hex()) for part in found.parts[3:]] == [
        ("Lc", "000002"),
        ("data", "aabb"),
        ("Le", "0000"),
    ]


def test_command_data_are_taken_apart() -> None:
    found = explain("00CB3FFF055C035FC10200", Kind.COMMAND, STANDARDS)
    assert found.parts[4].parts == (Part("5C tag list", bytes.fromhex("5FC102"), "3 bytes"),)
    assert meanings(explain("00A4020C020001", Kind.COMMAND, STANDARDS))["data"] == "file identifiers"
    assert meanings(explain("0CA4040002AABB", Kind.COMMAND, STANDARDS))["data"] == "under secure messaging"


# --- answers, data objects, answers to reset ---


def test_an_answer_has_data_and_a_status() -> None:
    found = explain("8408A0000000544800019000", known=INSTALLED)
    assert found.summary == "response with 10 bytes of data, 9000: no error"
    assert meanings(found) == {
        "data": "10 bytes",
        "84 DF name": "citizen_id, Citizen ID card",
        "SW1-SW2": "no error",
    }
    assert (
        explain("6A82", Kind.RESPONSE, STANDARDS).summary
        == "response without data, 6A82: file or application not found"
    )


def test_text_in_an_answer_is_shown() -> None:
    assert meanings(explain("303030339000", known=STANDARDS))["data"] == 'text "0003"'
    thai = "นาย#สมชาย".encode("cp874").ljust(20)
    assert meanings(explain(thai + b"\x90\x00", Kind.RESPONSE, STANDARDS))["data"] == 'Thai text "นาย#สมชาย"'
    long = explain(b"a" * 300 + b"\x90\x00", Kind.RESPONSE, STANDARDS)
    assert meanings(long)["data"] == f'text "{"a" * 200}"…'


def test_data_objects_are_a_tree_of_names() -> None:
    found = explain("6F148408A000000054480001A5045F50016185020001", Kind.TLV, INSTALLED)
    assert found.summary == "a data object: file control information (FCI)"
    (fci,) = found.parts
    assert [part.name for part in fci.parts] == ["84 DF name", "A5 proprietary information", "85 object of its context"]
    assert [(part.name, part.meaning) for part in fci.parts[1].parts] == [("5F50 URL", 'text "a"')]
    assert meanings(explain("E003C00101", Kind.TLV, STANDARDS)) == {
        "E0 private object": "3 bytes",
        "C0 private object": "1 byte",
    }
    assert meanings(explain("7C028000", Kind.TLV, STANDARDS))["80 witness"] == "0 bytes"


def test_a_template_that_holds_no_data_objects_is_said_to_be_broken() -> None:
    assert meanings(explain("6F02840A", Kind.TLV, STANDARDS)) == {
        "6F file control information (FCI)": "should hold data objects, but does not"
    }


def test_an_answer_to_reset() -> None:
    found = explain("3B799600005448204E4944203137", known=STANDARDS)
    assert found.summary == 'answer to reset, T=0, 250,000 bit/s at 4 MHz, text "TH NID 17"'
    assert meanings(found) == {
        "TS": "direct convention",
        "T0": "9 historical bytes",
        "TA1": "Fi 512, Di 32, clock up to 5 MHz",
        "TB1": "programming voltage, no longer in use",
        "TC1": "no extra guard time",
        "historical bytes": 'text "TH NID 17"',
    }


def test_an_answer_to_reset_of_many_parts() -> None:
    interface = {"TA1": 0x70, "TB1": 0x25, "TC1": 255, "TD1": 0x70, "TA2": 0x00, "TB2": 0x40, "TC2": 0x0A}
    atr = Atr.build(interface, b"\xff\x00", Convention.INVERSE)
    found = explain(atr.raw, Kind.ATR, STANDARDS)
    assert found.summary == "answer to reset, T=0"
    assert meanings(found) == {
        "TS": "inverse convention",
        "T0": "2 historical bytes",
        "TA1": "a reserved value",
        "TB1": "programming voltage, no longer in use",
        "TC1": "shortest guard time",
        "TD1": "offers T=0",
        "TA2": "insists on T=0",
        "TB2": "programming voltage, no longer in use",
        "TC2": "T=0 waiting time integer 10",
        "historical bytes": "category FF",
    }


@pytest.mark.parametrize(
    ("interface", "words"),
    [
        ("8131FE45", {"TA3": "T=1 information field of the card: 254 bytes"}),
        ("8131FE45", {"TB3": "T=1 waiting times: block 4, character 5"}),
        ("814101", {"TC3": "T=1 check by CRC"}),
        ("814100", {"TC3": "T=1 check by LRC"}),
        ("801F03", {"TD2": "global interface bytes follow", "TA3": "clock stop and classes of voltage"}),
        ("802F00", {"TB3": "use of contact SPU"}),
        ("801E07", {"TD2": "offers T=14", "TA3": "specific to T=14"}),
    ],
)  # fmt: skip
def test_interface_bytes_of_protocols(interface: str, words: dict[str, str]) -> None:
    data = bytes.fromhex("3B80" + interface)
    check = 0
    for byte in data[1:]:
        check ^= byte
    found = meanings(explain(data + bytes([check]), Kind.ATR, STANDARDS))
    assert words.items() <= found.items()


def test_historical_bytes_of_the_standard_are_taken_apart() -> None:
    found = explain("3B9B118131FE4580F9A0000003080000100043", known=STANDARDS)
    assert meanings(found)["historical bytes"] == "category 80"
    assert meanings(found)["F"] == "application identifier"
    broken = explain("3B028045", Kind.ATR, STANDARDS)  # an object that claims more bytes than there are
    assert broken.parts[-1] == Part("historical bytes", bytes.fromhex("8045"), "category 80")


# --- vocabulary and narrator ---


def test_every_installed_driver_has_words_for_its_commands() -> None:
    from ecitizen.apps import installed_drivers

    assert [driver.name for driver in installed_drivers() if not isinstance(driver, CommandWords)] == []


def test_without_applications_the_standards_still_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise ConfigError("no card applications are installed")

    monkeypatch.setattr("ecitizen.explain.vocabulary.installed_drivers", none)
    assert explain("00A4040008A000000054480001").summary == "SELECT, A000000054480001"


def test_a_narrator_knows_which_application_is_selected() -> None:
    narrator = Narrator(INSTALLED)
    read = bytes.fromhex("80B0000402000D")
    both = narrator.words(read)
    assert "citizen_id" in both
    assert "health_insurance" in both
    narrator.words(bytes.fromhex("00A4040008A000000054480083"))
    assert narrator.words(read) == "READ BINARY, health_insurance: block 0, bytes 4 to 16: part of main_scheme"
    narrator.words(bytes.fromhex("00A4040008A000000054480001"))
    assert narrator.words(read) == "READ BINARY, citizen_id: block 0, bytes 4 to 16: cid"
    narrator.words(bytes.fromhex("01A4040008A000000054480083"))  # another logical channel
    assert narrator.words(read) == "READ BINARY, citizen_id: block 0, bytes 4 to 16: cid"
    narrator.words(bytes.fromhex("00A4040005A000000308"))
    assert narrator.words(read) == "READ BINARY (proprietary class), 2 bytes of data"
    narrator.words(bytes.fromhex("00A40400"))
    assert narrator.words(read) == both
    assert narrator.words(b"\x00") == "not a command APDU"
