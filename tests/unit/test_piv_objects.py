"""The contents of PIV data objects, by bytes written from SP 800-73-5 part 1, and by bytes that no card should send."""

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardapps.piv.objects import (
    CERTIFICATE_MAX_LEN,
    CertificateObject,
    Chuid,
    Discovery,
    KeyHistory,
    PrintedInformation,
    capability_container,
    facial_image,
    security_object,
)
from ecitizen.errors import DecodeError, EncodeError

FASC_N = "D4E739DA739CED39CE739D836858210842108421C84210C3EB"
GUID = bytes(range(16))


def h(text: str) -> bytes:
    return bytes.fromhex(text)


# --- certificates ---

DER = h("3003020105")


def test_a_plain_certificate() -> None:
    assert CertificateObject(DER).encode() == h("70053003020105 710100 FE00")
    assert CertificateObject.parse(h("70053003020105 710100 FE00")) == CertificateObject(DER)


@pytest.mark.parametrize(
    "content",
    ["70053003020105", "70053003020105 FE00", "FE00 710100 70053003020105", "710100 70053003020105 720100"],
    ids=["alone", "without CertInfo", "another order", "more than we know"],
)
def test_certificates_as_other_cards_have_them(content: str) -> None:
    assert CertificateObject.parse(h(content)).certificate == DER


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_packed_certificate(pack: Callable[[bytes], bytes]) -> None:
    certificate = DER * 200
    packed = pack(certificate)
    content = b"\x70\x82" + len(packed).to_bytes(2) + packed + h("710101FE00")
    assert CertificateObject.parse(content).certificate == certificate


def test_what_is_packed_here_others_unpack() -> None:
    certificate = DER * 200
    content = CertificateObject(certificate).encode(compress=True)
    assert content[0] == 0x70
    assert content.endswith(h("710101FE00"))
    assert gzip.decompress(content[2:-5] if content[1] < 0x80 else content[3:-5]) == certificate
    assert CertificateObject.parse(content).certificate == certificate


def packed_object(packed: bytes) -> bytes:
    return b"\x70\x83" + len(packed).to_bytes(3) + packed + h("710101FE00")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (h("7000710100FE00"), "empty"),
        (h("710100FE00"), "empty"),
        (h("7001"), "ends|claims"),
        (h("70053003020105 710108"), "does not know"),
        (h("70053003020105 71020001"), "does not know"),
        (h("70053003020105 7100"), "does not know"),
        (h("70053003020105 710101"), "damaged"),
        (packed_object(gzip.compress(DER, mtime=0)[:-9]), "cut off|damaged"),
        (packed_object(gzip.compress(DER, mtime=0)[:12]), "cut off|damaged"),
        (packed_object(gzip.compress(bytes(CERTIFICATE_MAX_LEN + 1), mtime=0)), "too long"),
        (packed_object(gzip.compress(bytes(50_000_000), mtime=0)), "too long"),
    ],
)
def test_certificate_objects_that_are_none(content: bytes, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        CertificateObject.parse(content)


def test_the_longest_certificate_that_is_unpacked() -> None:
    longest = bytes(CERTIFICATE_MAX_LEN)
    assert CertificateObject.parse(packed_object(gzip.compress(longest, mtime=0))).certificate == longest


# --- CHUID ---

CHUID = h(f"3019{FASC_N} 3410{GUID.hex()} 35083230333130343134 3E00 FE00")


def test_chuid() -> None:
    chuid = Chuid(GUID, "20310414")
    assert chuid.encode() == CHUID
    assert Chuid.parse(CHUID) == chuid


def test_a_chuid_with_all_parts() -> None:
    content = h(f"3019{FASC_N} 3410{GUID.hex()} 35083230333130343134 3610{GUID[::-1].hex()} 3E023000 FE00")
    chuid = Chuid(GUID, "20310414", cardholder_uuid=GUID[::-1], signature=h("3000"))
    assert chuid.encode() == content
    assert Chuid.parse(content) == chuid


def test_a_chuid_of_another_maker() -> None:
    """With a buffer length in front, an agency code, and without expiration date, signature or error detection code."""
    chuid = Chuid.parse(h(f"EE020040 3019{FASC_N} 310430303030 3410{GUID.hex()}"))
    assert (chuid.guid, chuid.expiration_date, chuid.signature) == (GUID, "", b"")


@pytest.mark.parametrize("content", [b"", h(f"3019{FASC_N}"), h("340F" + "00" * 15), h("3411" + "00" * 17), h("3410")])
def test_a_chuid_without_a_number_is_none(content: bytes) -> None:
    with pytest.raises(DecodeError):
        Chuid.parse(content)


@pytest.mark.parametrize(
    "chuid",
    [
        Chuid(GUID, "2031041"),
        Chuid(GUID, "2031-4-1"),
        Chuid(GUID, "２０３１０４１４"),
        Chuid(GUID[1:], "20310414"),
        Chuid(GUID, "20310414", fasc_n=bytes(24)),
        Chuid(GUID, "20310414", cardholder_uuid=bytes(15)),
    ],
)
def test_a_chuid_that_cannot_be_written(chuid: Chuid) -> None:
    with pytest.raises(EncodeError):
        chuid.encode()


# --- the others ---


def test_capability_container() -> None:
    number = bytes(range(14))
    content = h(f"F015A000000116FF02{number.hex()} F10121 F20121 F300 F40100 F50110 F600 F700 FA00 FB00 FC00 FD00 FE00")
    assert capability_container(number) == content
    with pytest.raises(EncodeError):
        capability_container(number[1:])


@pytest.mark.parametrize(
    ("content", "application", "either"),
    [("5F2F024000", True, False), ("5F2F026010", True, True), ("5F2F026020", True, True), ("5F2F022010", False, True)],
)
def test_discovery(content: str, application: bool, either: bool) -> None:
    discovery = Discovery.parse(h("4F0BA000000308000010000100" + content))
    assert (discovery.application_pin, discovery.global_pin) == (application, either)
    assert discovery.aid == h("A000000308000010000100")


def test_discovery_written() -> None:
    assert Discovery().encode() == h("4F0BA000000308000010000100 5F2F024000")
    for content in (b"", h("5F2F0140"), h("4F00"), h("5F2F03400000")):
        with pytest.raises(DecodeError):
            Discovery.parse(content)


def test_key_history() -> None:
    assert KeyHistory().encode() == h("C10100 C20100 FE00")
    assert KeyHistory(2, 1, "http://x").encode() == h("C10102 C20101 F308687474703A2F2F78 FE00")
    assert KeyHistory.parse(h("C10102 C20101 F308687474703A2F2F78 FE00")) == KeyHistory(2, 1, "http://x")
    assert KeyHistory.parse(b"") == KeyHistory.parse(h("C100C200")) == KeyHistory()
    assert KeyHistory.parse(h("C101FF F304687474E9")) == KeyHistory(0xFF, 0, "htt")
    for history in (KeyHistory(on_card=256), KeyHistory(off_card=-1), KeyHistory(url="http://ก")):
        with pytest.raises(EncodeError):
            history.encode()


def test_printed_information() -> None:
    printed = PrintedInformation("ABC", "D", "2031JAN05", "1", "E", "F", "G")
    content = h("0103414243 020144 0409323033314A414E3035 050131 060145 070146 080147 FE00")
    assert printed.encode() == content
    assert PrintedInformation.parse(content) == printed
    assert PrintedInformation().encode() == h("FE00")
    assert "ABC" not in repr(printed)
    with pytest.raises(EncodeError, match="Latin"):
        PrintedInformation("สมชาย").encode()


def test_facial_image_and_security_object() -> None:
    assert facial_image(b"\1\2") == h("BC020102 FE00")
    assert security_object(b"\1\2\3", b"\x30\0") == h("BA03010203 BB023000 FE00")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for kind in (CertificateObject, Chuid, Discovery, KeyHistory, PrintedInformation):
        with suppress(DecodeError):
            kind.parse(content)
