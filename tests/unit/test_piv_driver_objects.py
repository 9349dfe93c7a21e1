"""Data objects as cards of several makers have them."""

import zlib

import pytest

from cardapps.piv.driver_objects import certificate_in
from cardapps.piv.layout import ObjectId, Slot
from cardapps.piv.objects import Chuid, Discovery, KeyHistory
from ecitizen.errors import CardProtocolError, DecodeError, SecurityStatusNotSatisfied, StatusError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CardProtocol
from tests.unit.piv_scripts import playing

GET = "> 00 CB 3F FF 05 5C 03 5F C1 05 00"
PUT = "> 00 DB 3F FF"
DER = bytes.fromhex("300430020500")


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ("53 03 01 02 03 90 00", b"\1\2\3"),
        ("53 83 00 00 03 01 02 03 90 00", b"\1\2\3"),
        ("53 03 01 02 03 00 00 90 00", b"\1\2\3"),
        ("53 03 01 02 03 53 03 01 02 03 90 00", b"\1\2\3"),
        ("53 03 01 02 03 62 82", b"\1\2\3"),
        ("53 00 90 00", None),
        ("90 00", None),
        ("6A 82", None),
        ("6A 88", None),
        ("6A 83", None),
    ],
)
def test_read(answer: str, content: bytes | None) -> None:
    with playing(f"{GET}\n< {answer}") as piv:
        assert piv.read_object(ObjectId.AUTHENTICATION_CERTIFICATE) == content


@pytest.mark.parametrize("answer", ["53 04 01 02 03 90 00", "53 90 00", "53 82 01 90 00", "70 01 00 90 00", "00 90 00"])
def test_read_of_what_is_no_object(answer: str) -> None:
    with playing(f"{GET}\n< {answer}") as piv, pytest.raises(DecodeError):
        piv.read_object(ObjectId.AUTHENTICATION_CERTIFICATE)


def test_read_that_is_refused() -> None:
    with (
        playing(f"{GET}\n< 69 82") as piv,
        pytest.raises(SecurityStatusNotSatisfied, match="reading data object 5FC105"),
    ):
        piv.read_object(ObjectId.AUTHENTICATION_CERTIFICATE)
    with playing(f"{GET}\n< 62 82") as piv, pytest.raises(StatusError):
        piv.read_object(ObjectId.AUTHENTICATION_CERTIFICATE)


def test_long_objects_come_in_pieces() -> None:
    pieces = "< 53 82 01 60 11*252 61 64\n> 00 C0 00 00 64\n< 11*100 90 00"
    with playing(f"{GET}\n{pieces}") as piv:
        assert piv.read_object(0x5FC105) == b"\x11" * 352
    with playing(f"{GET.removesuffix(' 00')}\n< 61 00\n> 00 C0 00 00 00\n{pieces}", CardProtocol.T0) as piv:
        assert piv.read_object(0x5FC105) == b"\x11" * 352


def test_a_card_on_t1_that_answers_as_on_t0() -> None:
    with playing(f"{GET}\n< 61 05\n> 00 C0 00 00 05\n< 53 03 01 02 03 90 00") as piv:
        assert piv.read_object(0x5FC105) == b"\1\2\3"
    with playing(f"{GET}\n< 6C 05\n> 00 CB 3F FF 05 5C 03 5F C1 05 05\n< 53 03 01 02 03 90 00") as piv:
        assert piv.read_object(0x5FC105) == b"\1\2\3"


def test_pieces_of_odd_sizes() -> None:
    """Cards that promise less than there is, or say 61xx in the middle with another number."""
    script = f"""
        {GET}
        < 53 0A 01 02 03 61 02
        > 00 C0 00 00 02
        < 04 05 61 05
        > 00 C0 00 00 05
        < 06 07 08 09 0A 90 00
        """
    with playing(script) as piv:
        assert piv.read_object(0x5FC105) == bytes(range(1, 11))


def test_a_promise_that_is_not_kept() -> None:
    with (
        playing(f"{GET}\n< 61 05\n> 00 C0 00 00 05\n< 61 05") as piv,
        pytest.raises(CardProtocolError, match="does not give"),
    ):
        piv.read_object(0x5FC105)
    with playing(f"{GET}\n< 53 0A 01 02 61 08\n> 00 C0 00 00 08\n< 03 04 90 00") as piv, pytest.raises(DecodeError):
        piv.read_object(0x5FC105)


def test_objects_with_tags_of_their_own() -> None:
    with playing("> 00 CB 3F FF 03 5C 01 7E 00\n< 7E 05 5F 2F 02 60 10 90 00") as piv:
        assert piv.discovery() == Discovery(application_pin=True, global_pin=True, aid=b"")
    with playing("> 00 CB 3F FF 03 5C 01 7E 00\n< 53 07 7E 05 5F 2F 02 40 00 90 00") as piv:
        assert piv.discovery() == Discovery(aid=b"")
    with playing("> 00 CB 3F FF 04 5C 02 7F 61 00\n< 7F 61 03 02 01 00 90 00") as piv:
        assert piv.read_object(ObjectId.BIOMETRIC_GROUP_TEMPLATE) == b"\2\1\0"
    for answer in ("6A 82", "6A 88"):
        with playing(f"> 00 CB 3F FF 03 5C 01 7E 00\n< {answer}") as piv:
            assert piv.discovery() is None


def test_cardholder_identifier_and_key_history() -> None:
    chuid = Chuid(bytes(16), "20310101")
    content = chuid.encode()
    with playing(f"> 00 CB 3F FF 05 5C 03 5F C1 02 00\n< 53 {len(content):02X} {content.hex()} 90 00") as piv:
        assert piv.chuid() == chuid
    with playing("> 00 CB 3F FF 05 5C 03 5F C1 02 00\n< 6A 82") as piv:
        assert piv.chuid() is None
    with playing("> 00 CB 3F FF 05 5C 03 5F C1 0C 00\n< 53 06 C1 01 02 C2 01 01 90 00") as piv:
        assert piv.key_history() == KeyHistory(2, 1)


def test_write_and_delete() -> None:
    with playing(f"{PUT} 09 5C 03 5F C1 09 53 02 AB CD\n< 90 00\n{PUT} 07 5C 03 5F C1 09 53 00\n< 90 00") as piv:
        piv.write_object(ObjectId.PRINTED_INFORMATION, b"\xab\xcd")
        piv.delete_object(ObjectId.PRINTED_INFORMATION)
    with playing(f"{PUT} 04 7E 02 AB CD\n< 90 00\n{PUT} 05 7F 61 02 AB CD\n< 90 00") as piv:
        piv.write_object(ObjectId.DISCOVERY, b"\xab\xcd")
        piv.write_object(ObjectId.BIOMETRIC_GROUP_TEMPLATE, b"\xab\xcd")
    with playing(f"{PUT} 07 5C 03 5F C1 09 53 00\n< 69 82") as piv, pytest.raises(SecurityStatusNotSatisfied):
        piv.delete_object(ObjectId.PRINTED_INFORMATION)


def test_a_long_object_is_written_in_a_chain() -> None:
    script = """
        > 10 DB 3F FF FF 5C 03 5F C1 05 53 82 01 00 11*246
        < 90 00
        > 00 DB 3F FF 0A 11*10
        < 90 00
        """
    with playing(script) as piv:
        piv.write_object(0x5FC105, b"\x11" * 256)


# --- certificates ---


def gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    "content",
    [
        tlv.encode(0x70, DER) + b"\x71\x01\x00\xfe\x00",
        tlv.encode(0x70, DER) + b"\x71\x01\x00",
        tlv.encode(0x70, DER) + b"\xfe\x00",
        tlv.encode(0x70, DER),
        tlv.encode(0x70, DER) + b"\x71\x01\x00\x72\x00\xfe\x00",
        tlv.encode(0x70, gzipped(DER)) + b"\x71\x01\x01\xfe\x00",
        tlv.encode(0x70, gzipped(DER)) + b"\x71\x01\x01",
        tlv.encode(0x70, gzipped(DER)),
        tlv.encode(0x70, gzipped(DER)) + b"\x71\x01\x00\xfe\x00",
        tlv.encode(0x70, zlib.compress(DER)) + b"\x71\x01\x01\xfe\x00",
    ],
    ids=["whole", "no-fe", "no-71", "bare", "mscuid", "gzip", "gzip-no-fe", "gzip-bare", "gzip-said-plain", "zlib"],
)
def test_certificates_in_all_their_wrappings(content: bytes) -> None:
    assert certificate_in(content) == DER


def test_a_place_for_a_certificate() -> None:
    assert certificate_in(bytes.fromhex("7000710100FE00")) is None


@pytest.mark.parametrize(
    "content", [b"\xfe\x00", b"\x70\x05\x30", tlv.encode(0x70, b"\x1f\x8b\x08\x00"), b"\x70\x01\x30\x71\x01\x80"]
)
def test_damaged_certificates(content: bytes) -> None:
    with pytest.raises(DecodeError):
        certificate_in(content)


RETIRED_WRITTEN = f"{PUT} 12 5C 03 5F C1 0F 53 0B 70 04 30 02 01 00 71 01 00 FE 00\n< 90 00"
HISTORY_ASKED = "> 00 CB 3F FF 05 5C 03 5F C1 0C 00"


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("6A 82", "C1 01 03 C2 01 00 FE 00"),
        ("53 08 C1 01 01 C2 01 02 FE 00 90 00", "C1 01 03 C2 01 02 FE 00"),
        ("53 03 C1 7F 01 90 00", "C1 01 03 C2 01 00 FE 00"),
        ("53 08 C1 01 03 C2 01 00 FE 00 90 00", None),
        ("53 08 C1 01 14 C2 01 00 FE 00 90 00", None),
        ("6A 86", None),
    ],
    ids=["none", "less", "damaged", "as-many", "more", "no-such-object"],
)
def test_with_the_certificate_of_a_retired_key_the_history_counts_it(told: str, written: str | None) -> None:
    """OpenSC, for one, looks for as many retired keys as the key history says."""
    update = f"\n{PUT} 0F 5C 03 5F C1 0C 53 08 {written}\n< 90 00" if written else ""
    with playing(f"{RETIRED_WRITTEN}\n{HISTORY_ASKED}\n< {told}{update}") as piv:
        piv.write_certificate(Slot.RETIRED_3, bytes.fromhex("30020100"))


def test_a_card_that_keeps_no_history_has_the_certificate_all_the_same() -> None:
    refused = f"{PUT} 0F 5C 03 5F C1 0C 53 08 C1 01 03 C2 01 00 FE 00\n< 6A 82"
    with playing(f"{RETIRED_WRITTEN}\n{HISTORY_ASKED}\n< 6A 82\n{refused}") as piv:
        piv.write_certificate(Slot.RETIRED_3, bytes.fromhex("30020100"))


def test_the_certificate_of_a_slot() -> None:
    with playing("> 00 CB 3F FF 05 5C 03 5F C1 0D 00\n< 53 08 70 06 300430020500 90 00\n" + f"{GET}\n< 6A 82") as piv:
        assert piv.certificate(Slot.RETIRED_1) == DER
        assert piv.certificate(Slot.AUTHENTICATION) is None


def put(content: bytes) -> str:
    data = b"\x5c\x03\x5f\xc1\x05" + tlv.encode(0x53, content)
    return f"{PUT} {len(data):02X} {data.hex()}\n"


PLAIN = put(tlv.encode(0x70, DER) + b"\x71\x01\x00\xfe\x00")
PACKED = put(tlv.encode(0x70, gzipped(DER)) + b"\x71\x01\x01\xfe\x00")


def test_a_certificate_is_packed_only_if_it_must_be() -> None:
    with playing(PLAIN + "< 90 00") as piv:
        piv.write_certificate(Slot.AUTHENTICATION, DER)
    for full in ("6A 84", "67 00"):
        with playing(PLAIN + f"< {full}\n" + PACKED + "< 90 00") as piv:
            piv.write_certificate(Slot.AUTHENTICATION, DER)
    with playing(PLAIN + "< 6A 84\n" + PACKED + "< 6A 84") as piv, pytest.raises(StatusError, match="6A84"):
        piv.write_certificate(Slot.AUTHENTICATION, DER)


def test_the_caller_may_say_how() -> None:
    with playing(PACKED + "< 90 00") as piv:
        piv.write_certificate(Slot.AUTHENTICATION, DER, compress=True)
    with playing(PLAIN + "< 6A 84") as piv, pytest.raises(StatusError, match="writing the certificate of slot 9A"):
        piv.write_certificate(Slot.AUTHENTICATION, DER, compress=False)
    with playing(PLAIN + "< 69 82") as piv, pytest.raises(SecurityStatusNotSatisfied):
        piv.write_certificate(Slot.AUTHENTICATION, DER)
    with playing(f"{PUT} 07 5C 03 5F C1 05 53 00\n< 90 00") as piv:
        piv.delete_certificate(Slot.AUTHENTICATION)
