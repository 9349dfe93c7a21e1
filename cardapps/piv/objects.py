"""The contents of PIV data objects: what stands inside tag 53 (SP 800-73-5 part 1, section 3 and appendix A).

Each type reads liberally (`parse`: unknown elements are skipped, lengths may be odd) and writes what the standard has.
"""

import zlib
from dataclasses import dataclass, field

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.iso7816 import tlv

from . import layout

TAG_ERROR_DETECTION_CODE = 0xFE
"""Last in most objects, and empty."""

CERTIFICATE_MAX_LEN = 64 * 1024
"""A certificate of more bytes than this is not unpacked: nothing honest is as long."""

# Certificate (table 10 and those like it)

TAG_CERTIFICATE = 0x70
TAG_CERTIFICATE_INFO = 0x71
CERTIFICATE_PLAIN = 0x00
CERTIFICATE_GZIP = 0x01


@dataclass(frozen=True, slots=True)
class CertificateObject:
    """An X.509 certificate, DER."""

    certificate: bytes

    @classmethod
    def parse(cls, content: bytes) -> "CertificateObject":
        """Read and, if CertInfo says so, unpack; raise DecodeError for what is no such object, or too long."""
        values = _values(content)
        certificate = values.get(TAG_CERTIFICATE, b"")
        info = values.get(TAG_CERTIFICATE_INFO, b"\x00")
        if not certificate:
            raise DecodeError("the certificate object on the card is empty; write a certificate to it")
        if len(info) != 1 or info[0] & ~0x07:
            raise DecodeError("the certificate object on the card is packed in a way that the standard does not know")
        return cls(_unpacked(certificate) if info[0] & CERTIFICATE_GZIP else certificate)

    def encode(self, *, compress: bool = False) -> bytes:
        """The object's content, gzip-compressed if asked."""
        if not compress:
            return _object((TAG_CERTIFICATE, self.certificate), (TAG_CERTIFICATE_INFO, bytes((CERTIFICATE_PLAIN,))))
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        packed = packer.compress(self.certificate) + packer.flush()
        return _object((TAG_CERTIFICATE, packed), (TAG_CERTIFICATE_INFO, bytes((CERTIFICATE_GZIP,))))


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip, or zlib as some cards have it
    try:
        certificate = unpacker.decompress(packed, CERTIFICATE_MAX_LEN + 1)
    except zlib.error:
        raise DecodeError("the compressed certificate on the card is damaged; write it again") from None
    if len(certificate) > CERTIFICATE_MAX_LEN or not unpacker.eof:
        raise DecodeError("the compressed certificate on the card is cut off, or too long to be one")
    return certificate


# Cardholder unique identifier (table 9)

TAG_FASC_N = 0x30
TAG_GUID = 0x34
TAG_EXPIRATION_DATE = 0x35
TAG_CARDHOLDER_UUID = 0x36
TAG_ISSUER_SIGNATURE = 0x3E
FASC_N_LEN = 25
FASC_N_NON_FEDERAL = bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB")
"""Agency 9999, system 9999, credential 999999: for issuers outside the US government (part 1, 3.1.2)."""
UUID_LEN = 16


@dataclass(frozen=True, slots=True)
class Chuid:
    """Cardholder unique identifier: who issued the card, its number, and how long it is valid.

    `expiration_date` is YYYYMMDD; `guid` 16 bytes; `signature` the issuer's CMS signature, empty if there is none.
    """

    guid: bytes
    expiration_date: str
    fasc_n: bytes = FASC_N_NON_FEDERAL
    cardholder_uuid: bytes = b""
    signature: bytes = b""

    @classmethod
    def parse(cls, content: bytes) -> "Chuid":
        """Read; raise DecodeError if the card's number is not there."""
        values = _values(content)
        guid = values.get(TAG_GUID, b"")
        if len(guid) != UUID_LEN:
            raise DecodeError("the cardholder unique identifier on the card has no GUID of 16 bytes")
        date = values.get(TAG_EXPIRATION_DATE, b"").decode("latin-1")
        return cls(
            guid,
            date,
            values.get(TAG_FASC_N, b""),
            values.get(TAG_CARDHOLDER_UUID, b""),
            values.get(TAG_ISSUER_SIGNATURE, b""),
        )

    def encode(self) -> bytes:
        """The object's content; raise EncodeError for a part of the wrong length."""
        date = self.expiration_date
        if not (len(date) == 8 and date.isascii() and date.isdigit()):
            raise EncodeError("the expiration date of a CHUID is eight digits, YYYYMMDD")
        if (
            len(self.guid) != UUID_LEN
            or len(self.fasc_n) != FASC_N_LEN
            or len(self.cardholder_uuid) not in {0, UUID_LEN}
        ):
            raise EncodeError("a CHUID has a GUID of 16 bytes, a FASC-N of 25, and a cardholder UUID of 16 if any")
        holder = [(TAG_CARDHOLDER_UUID, self.cardholder_uuid)] if self.cardholder_uuid else []
        return _object(
            (TAG_FASC_N, self.fasc_n),
            (TAG_GUID, self.guid),
            (TAG_EXPIRATION_DATE, date.encode("ascii")),
            *holder,
            (TAG_ISSUER_SIGNATURE, self.signature),
        )


# Card capability container (table 8): old middleware wants it present and well formed

TAG_CARD_IDENTIFIER = 0xF0
TAG_CAPABILITY_VERSION = 0xF1
TAG_GRAMMAR_VERSION = 0xF2
TAG_REGISTERED_DATA_MODEL = 0xF5
CARD_IDENTIFIER_PREFIX = bytes.fromhex("A000000116FF02")
"""GSC-RID, manufacturer FF, card type 02 (Java Card); the card's own number follows, 14 bytes."""
CARD_IDENTIFIER_NUMBER_LEN = 14
CAPABILITY_VERSION = 0x21
DATA_MODEL_PIV = 0x10
_CAPABILITY_EMPTY = (0xF3, 0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD)
_CAPABILITY_PKCS15 = 0xF4


def capability_container(number: bytes) -> bytes:
    """The container of a card with this number of 14 bytes."""
    if len(number) != CARD_IDENTIFIER_NUMBER_LEN:
        raise EncodeError("the number in a capability container is 14 bytes")
    empty = dict.fromkeys(_CAPABILITY_EMPTY, b"")
    values = {
        TAG_CARD_IDENTIFIER: CARD_IDENTIFIER_PREFIX + number,
        TAG_CAPABILITY_VERSION: bytes((CAPABILITY_VERSION,)),
        TAG_GRAMMAR_VERSION: bytes((CAPABILITY_VERSION,)),
        _CAPABILITY_PKCS15: b"\x00",
        TAG_REGISTERED_DATA_MODEL: bytes((DATA_MODEL_PIV,)),
        **empty,
    }
    return _object(*sorted(values.items()))


# Discovery object (table 18): the whole object, since it stands without tag 53

TAG_PIN_USAGE_POLICY = 0x5F2F
PIN_USAGE_APPLICATION_PIN = 0x40
PIN_USAGE_GLOBAL_PIN = 0x20
PIN_USAGE_APPLICATION_PIN_FIRST = 0x10
"""In the second byte, where there are both PINs: the application's is the one that people use."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """Which PINs unlock the application."""

    application_pin: bool = True
    global_pin: bool = False
    aid: bytes = layout.AID

    @classmethod
    def parse(cls, content: bytes) -> "Discovery":
        """Read what stands inside tag 7E."""
        values = _values(content)
        policy = values.get(TAG_PIN_USAGE_POLICY, b"")
        if len(policy) != 2:
            raise DecodeError("the discovery object on the card has no PIN usage policy of two bytes")
        return cls(
            bool(policy[0] & PIN_USAGE_APPLICATION_PIN),
            bool(policy[0] & PIN_USAGE_GLOBAL_PIN),
            values.get(layout.TAG_APPLICATION_IDENTIFIER, b""),
        )

    def encode(self) -> bytes:
        """What stands inside tag 7E."""
        policy = PIN_USAGE_APPLICATION_PIN * self.application_pin | PIN_USAGE_GLOBAL_PIN * self.global_pin
        first = PIN_USAGE_APPLICATION_PIN_FIRST if self.application_pin and self.global_pin else 0
        return tlv.encode(layout.TAG_APPLICATION_IDENTIFIER, self.aid) + tlv.encode(
            TAG_PIN_USAGE_POLICY, bytes((policy, first))
        )


# Key history (table 19)

TAG_KEYS_WITH_CERTIFICATE = 0xC1
TAG_KEYS_WITH_CERTIFICATE_ELSEWHERE = 0xC2
TAG_KEY_HISTORY_URL = 0xF3


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """How many retired keys are on the card, with their certificates or with these at a URL.

    The keys of `on_card` are those in 82 and on; software that finds them by this count skips the empty ones.
    """

    on_card: int = 0
    off_card: int = 0
    url: str = ""

    @classmethod
    def parse(cls, content: bytes) -> "KeyHistory":
        """Read; absent counts are zero."""
        values = _values(content)
        counts = [values.get(tag, b"") for tag in (TAG_KEYS_WITH_CERTIFICATE, TAG_KEYS_WITH_CERTIFICATE_ELSEWHERE)]
        on_card, off_card = (int.from_bytes(count[:1], "big") for count in counts)
        return cls(on_card, off_card, values.get(TAG_KEY_HISTORY_URL, b"").decode("ascii", "ignore"))

    def encode(self) -> bytes:
        """The object's content; raise EncodeError for counts beyond a byte, or a URL in other characters than ASCII."""
        if not (0 <= self.on_card <= 0xFF and 0 <= self.off_card <= 0xFF and self.url.isascii()):
            raise EncodeError("a key history counts 0 to 255 keys, and its URL is in ASCII")
        return _object(
            (TAG_KEYS_WITH_CERTIFICATE, bytes((self.on_card,))),
            (TAG_KEYS_WITH_CERTIFICATE_ELSEWHERE, bytes((self.off_card,))),
            *([(TAG_KEY_HISTORY_URL, self.url.encode("ascii"))] if self.url else []),
        )


# Printed information (table 14)

_PRINTED = {
    "name": 0x01,
    "affiliation": 0x02,
    "expiration_date": 0x04,
    "serial_number": 0x05,
    "issuer": 0x06,
    "organisation": 0x07,
    "suborganisation": 0x08,
}


@dataclass(frozen=True, slots=True)
class PrintedInformation:
    """What is printed on the card, in ASCII; the date as YYYYMMMDD (2031JAN05)."""

    name: str = field(default="", repr=False)
    affiliation: str = ""
    expiration_date: str = ""
    serial_number: str = ""
    issuer: str = ""
    organisation: str = ""
    suborganisation: str = ""

    @classmethod
    def parse(cls, content: bytes) -> "PrintedInformation":
        """Read; what is absent is empty."""
        values = _values(content)
        return cls(**{name: values.get(tag, b"").decode("latin-1") for name, tag in _PRINTED.items()})

    def encode(self) -> bytes:
        """The object's content; raise EncodeError for other characters than ASCII."""
        texts = [(tag, getattr(self, name)) for name, tag in _PRINTED.items()]
        if not all(text.isascii() for _, text in texts):
            raise EncodeError("printed information on a PIV card is in ASCII; give the Latin form of names")
        return _object(*((tag, text.encode("ascii")) for tag, text in texts if text))


# Facial image (table 16) and security object (table 15)

TAG_IMAGE = 0xBC
TAG_DATA_GROUP_MAPPING = 0xBA
TAG_SECURITY_OBJECT = 0xBB


def facial_image(record: bytes) -> bytes:
    """The content of the facial image object: a CBEFF record."""
    return _object((TAG_IMAGE, record))


def security_object(mapping: bytes, signed_data: bytes) -> bytes:
    """The content of the security object: which data group is which object, and the CMS over their hashes."""
    return _object((TAG_DATA_GROUP_MAPPING, mapping), (TAG_SECURITY_OBJECT, signed_data))


def _object(*elements: tuple[int, bytes]) -> bytes:
    return b"".join(tlv.encode(tag, value) for tag, value in (*elements, (TAG_ERROR_DETECTION_CODE, b"")))


def _values(content: bytes) -> dict[int, bytes]:
    """Elements by tag; of a repeated one the first."""
    found: dict[int, bytes] = {}
    for element in tlv.parse(content):
        found.setdefault(element.tag, element.value)
    return found
