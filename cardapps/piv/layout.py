"""What the PIV applet and its driver agree on.

Standards: NIST SP 800-73-5 (part 1: objects and keys, part 2: commands), SP 800-78-5 (algorithms). What these leave
open (key import, metadata, attestation and the like) follows the extensions of YubiKeys, which middleware knows
(card-stack.md, section 2).
"""

from enum import IntEnum, unique
from types import MappingProxyType

from ecitizen.algorithms import KeyAlgorithm

from . import names

NAME = names.NAME
AID = names.AID
RID = names.RID
PIX = names.PIX

# Commands (SP 800-73-5 part 2, table 2; ISO/IEC 7816-4 and -8)


@unique
class Ins(IntEnum):
    """Instructions of the standard."""

    VERIFY = 0x20
    CHANGE_REFERENCE_DATA = 0x24
    RESET_RETRY_COUNTER = 0x2C
    GENERATE_ASYMMETRIC_KEY_PAIR = 0x47
    GENERAL_AUTHENTICATE = 0x87
    GET_DATA = 0xCB
    PUT_DATA = 0xDB


@unique
class ExtensionIns(IntEnum):
    """Instructions of the extensions (YubiKey PIV, card-stack.md 2.1)."""

    MOVE_KEY = 0xF6
    GET_METADATA = 0xF7
    GET_SERIAL = 0xF8
    ATTEST = 0xF9
    SET_RETRIES = 0xFA
    RESET = 0xFB
    GET_VERSION = 0xFD
    IMPORT_KEY = 0xFE
    SET_MANAGEMENT_KEY = 0xFF


EXTENSION_VERSION = (5, 7, 0)
"""The level of extensions that the applet really has."""

P1_P2_OBJECTS = 0x3FFF
"""GET DATA and PUT DATA: the current application's objects."""
P1_VERIFY = 0x00
P1_END_VERIFICATION = 0xFF
"""VERIFY: forget that the PIN was verified (part 2, 3.2.1)."""
P1_DELETE_KEY = 0xFF
"""MOVE KEY to nowhere."""
P1_SET_MANAGEMENT_KEY = 0xFF
P2_SET_MANAGEMENT_KEY = 0xFF

# Application property template, the answer to SELECT (part 2, table 3)

TAG_APPLICATION_PROPERTIES = 0x61
TAG_APPLICATION_IDENTIFIER = 0x4F
TAG_TAG_ALLOCATION_AUTHORITY = 0x79
TAG_APPLICATION_LABEL = 0x50
TAG_ALGORITHMS_SUPPORTED = 0xAC
TAG_ALGORITHM = 0x80
TAG_ALGORITHM_OBJECT_IDENTIFIER = 0x06

APPLICATION_LABEL = b"ecitizen PIV"

# Key references (part 1, table 4b; part 2, table 4)


@unique
class KeyReference(IntEnum):
    """What P2 of a command names."""

    GLOBAL_PIN = 0x00
    APPLICATION_PIN = 0x80
    PUK = 0x81
    MANAGEMENT = 0x9B
    ATTESTATION = 0xF9
    """Extension: the key that vouches for keys made on the card."""


@unique
class Slot(IntEnum):
    """The places for asymmetric keys; the value is the key reference."""

    AUTHENTICATION = 0x9A
    SIGNATURE = 0x9C
    KEY_MANAGEMENT = 0x9D
    CARD_AUTHENTICATION = 0x9E
    RETIRED_1 = 0x82
    RETIRED_2 = 0x83
    RETIRED_3 = 0x84
    RETIRED_4 = 0x85
    RETIRED_5 = 0x86
    RETIRED_6 = 0x87
    RETIRED_7 = 0x88
    RETIRED_8 = 0x89
    RETIRED_9 = 0x8A
    RETIRED_10 = 0x8B
    RETIRED_11 = 0x8C
    RETIRED_12 = 0x8D
    RETIRED_13 = 0x8E
    RETIRED_14 = 0x8F
    RETIRED_15 = 0x90
    RETIRED_16 = 0x91
    RETIRED_17 = 0x92
    RETIRED_18 = 0x93
    RETIRED_19 = 0x94
    RETIRED_20 = 0x95
    ATTESTATION = 0xF9
    """Extension."""

    def __str__(self) -> str:
        return f"{self.value:02X}"

    @property
    def is_retired(self) -> bool:
        """Holds a key that once was in 9D."""
        return Slot.RETIRED_1 <= self <= Slot.RETIRED_20

    @property
    def certificate_object(self) -> "ObjectId":
        """The object that holds the certificate of this key."""
        if self.is_retired:
            return ObjectId(ObjectId.RETIRED_CERTIFICATE_1 + self - Slot.RETIRED_1)
        return _CERTIFICATE_OBJECTS[self]


# Algorithm identifiers, P1 of GENERAL AUTHENTICATE (SP 800-78-5, table 6-2; 16, E0 and E1 are YubiKey extensions)


@unique
class AlgorithmId(IntEnum):
    """How cards name algorithms."""

    TRIPLE_DES_DEFAULT = 0x00
    """3DES too; 03 is the usual name."""
    TRIPLE_DES = 0x03
    RSA_3072 = 0x05
    RSA_2048 = 0x07
    AES_128 = 0x08
    AES_192 = 0x0A
    AES_256 = 0x0C
    P_256 = 0x11
    P_384 = 0x14
    RSA_4096 = 0x16
    ED25519 = 0xE0
    X25519 = 0xE1


KEY_ALGORITHM_IDS = MappingProxyType(
    {
        KeyAlgorithm.RSA_2048: AlgorithmId.RSA_2048,
        KeyAlgorithm.RSA_3072: AlgorithmId.RSA_3072,
        KeyAlgorithm.RSA_4096: AlgorithmId.RSA_4096,
        KeyAlgorithm.P_256: AlgorithmId.P_256,
        KeyAlgorithm.P_384: AlgorithmId.P_384,
        KeyAlgorithm.ED25519: AlgorithmId.ED25519,
        KeyAlgorithm.X25519: AlgorithmId.X25519,
    }
)
"""The identifier of each kind of asymmetric key."""

MANAGEMENT_KEY_LENS = MappingProxyType(
    {
        AlgorithmId.TRIPLE_DES: 24,
        AlgorithmId.AES_128: 16,
        AlgorithmId.AES_192: 24,
        AlgorithmId.AES_256: 32,
    }
)
"""Bytes of a management key of each kind."""

CHALLENGE_LENS = MappingProxyType(
    {
        AlgorithmId.TRIPLE_DES: 8,
        AlgorithmId.AES_128: 16,
        AlgorithmId.AES_192: 16,
        AlgorithmId.AES_256: 16,
    }
)
"""Bytes of a challenge or witness: one block of the cipher."""

FIELD_LENS = MappingProxyType(
    {
        AlgorithmId.RSA_2048: 256,
        AlgorithmId.RSA_3072: 384,
        AlgorithmId.RSA_4096: 512,
        AlgorithmId.P_256: 32,
        AlgorithmId.P_384: 48,
        AlgorithmId.ED25519: 32,
        AlgorithmId.X25519: 32,
    }
)
"""Bytes of an RSA modulus, a curve's coordinate, or a 25519 public key."""

EC_POINT_UNCOMPRESSED = 0x04
"""First byte of a point (SEC 1, 2.3.3)."""

# Data of GENERAL AUTHENTICATE (part 2, table 7)

TAG_DYNAMIC_AUTHENTICATION = 0x7C
TAG_WITNESS = 0x80
TAG_CHALLENGE = 0x81
TAG_RESPONSE = 0x82
TAG_EXPONENTIATION = 0x85

# Data of GENERATE ASYMMETRIC KEY PAIR, and of IMPORT KEY (part 2, tables 10 and 11; ISO/IEC 7816-8)

TAG_GENERATE = 0xAC
TAG_GENERATE_ALGORITHM = 0x80
TAG_GENERATE_PARAMETER = 0x81
TAG_PUBLIC_KEY = 0x7F49
TAG_MODULUS = 0x81
TAG_PUBLIC_EXPONENT = 0x82
TAG_POINT = 0x86

TAG_PIN_POLICY = 0xAA
TAG_TOUCH_POLICY = 0xAB

TAG_IMPORT_PRIME_P = 0x01
TAG_IMPORT_PRIME_Q = 0x02
TAG_IMPORT_EXPONENT_P = 0x03
TAG_IMPORT_EXPONENT_Q = 0x04
TAG_IMPORT_COEFFICIENT = 0x05
TAG_IMPORT_EC_SCALAR = 0x06
TAG_IMPORT_ED25519 = 0x07
TAG_IMPORT_X25519 = 0x08

RSA_EXPONENT = 65537
"""The only public exponent (SP 800-78-5, 3.1)."""


@unique
class PinPolicy(IntEnum):
    """When the PIN must be verified before a key is used (extension; the defaults are the standard's)."""

    DEFAULT = 0x00
    NEVER = 0x01
    ONCE = 0x02
    ALWAYS = 0x03


@unique
class TouchPolicy(IntEnum):
    """When a finger must touch the token (extension); a card has nothing to touch, so never is all it takes."""

    DEFAULT = 0x00
    NEVER = 0x01
    ALWAYS = 0x02
    CACHED = 0x03


def default_pin_policy(slot: Slot) -> PinPolicy:
    """What the standard demands of a key (part 1, table 4b): 9C always, 9E never, all others once."""
    if slot is Slot.SIGNATURE:
        return PinPolicy.ALWAYS
    if slot in {Slot.CARD_AUTHENTICATION, Slot.ATTESTATION}:
        return PinPolicy.NEVER
    return PinPolicy.ONCE


# Metadata of a key (extension F7)

TAG_METADATA_ALGORITHM = 0x01
TAG_METADATA_POLICIES = 0x02
TAG_METADATA_ORIGIN = 0x03
TAG_METADATA_PUBLIC_KEY = 0x04
TAG_METADATA_IS_DEFAULT = 0x05
TAG_METADATA_RETRIES = 0x06

METADATA_ALGORITHM_OF_PIN = 0xFF
"""The algorithm that the metadata of a PIN or PUK names."""


@unique
class Origin(IntEnum):
    """Where a key came from."""

    GENERATED = 0x01
    IMPORTED = 0x02


# PIN and PUK (part 2, 2.4.3)

REFERENCE_DATA_LEN = 8
REFERENCE_DATA_MIN_LEN = 6
REFERENCE_DATA_PADDING = 0xFF

DEFAULT_PIN = "123456"
DEFAULT_PUK = "12345678"
DEFAULT_MANAGEMENT_KEY = bytes.fromhex("010203040506070801020304050607080102030405060708")
"""What tokens are delivered with: 3DES, and known to everybody."""
DEFAULT_RETRIES = 3

# Data groupings, by which an issuer sets what people and officers prove themselves with. The numbers are ours: the
# standard leaves them to the application (GlobalPlatform Card Specification 2.3.1, 11.11).

DGI_PIN = 0x8010
DGI_PUK = 0x8011
"""Eight bytes, padded with FF as in VERIFY."""
DGI_TRIES = 0x8012
"""How often PIN and PUK may be wrong in a row, a byte each."""
DGI_MANAGEMENT_KEY = 0x809B
"""Algorithm identifier and key."""
DGIS_SECRET = frozenset({DGI_PIN, DGI_PUK, DGI_MANAGEMENT_KEY})
"""Taken only encrypted under the data key of the channel."""

# Data objects (part 1, table 3 and section 3)

TAG_TAG_LIST = 0x5C
TAG_DATA = 0x53
TAG_BIOMETRIC_GROUP = 0x7F61
TAG_DISCOVERY = 0x7E


@unique
class ObjectId(IntEnum):
    """Tags of the data objects."""

    DISCOVERY = 0x7E
    BIOMETRIC_GROUP_TEMPLATE = 0x7F61
    CARD_AUTHENTICATION_CERTIFICATE = 0x5FC101
    CHUID = 0x5FC102
    FINGERPRINTS = 0x5FC103
    AUTHENTICATION_CERTIFICATE = 0x5FC105
    SECURITY_OBJECT = 0x5FC106
    CAPABILITY_CONTAINER = 0x5FC107
    FACIAL_IMAGE = 0x5FC108
    PRINTED_INFORMATION = 0x5FC109
    SIGNATURE_CERTIFICATE = 0x5FC10A
    KEY_MANAGEMENT_CERTIFICATE = 0x5FC10B
    KEY_HISTORY = 0x5FC10C
    RETIRED_CERTIFICATE_1 = 0x5FC10D
    RETIRED_CERTIFICATE_2 = 0x5FC10E
    RETIRED_CERTIFICATE_3 = 0x5FC10F
    RETIRED_CERTIFICATE_4 = 0x5FC110
    RETIRED_CERTIFICATE_5 = 0x5FC111
    RETIRED_CERTIFICATE_6 = 0x5FC112
    RETIRED_CERTIFICATE_7 = 0x5FC113
    RETIRED_CERTIFICATE_8 = 0x5FC114
    RETIRED_CERTIFICATE_9 = 0x5FC115
    RETIRED_CERTIFICATE_10 = 0x5FC116
    RETIRED_CERTIFICATE_11 = 0x5FC117
    RETIRED_CERTIFICATE_12 = 0x5FC118
    RETIRED_CERTIFICATE_13 = 0x5FC119
    RETIRED_CERTIFICATE_14 = 0x5FC11A
    RETIRED_CERTIFICATE_15 = 0x5FC11B
    RETIRED_CERTIFICATE_16 = 0x5FC11C
    RETIRED_CERTIFICATE_17 = 0x5FC11D
    RETIRED_CERTIFICATE_18 = 0x5FC11E
    RETIRED_CERTIFICATE_19 = 0x5FC11F
    RETIRED_CERTIFICATE_20 = 0x5FC120
    IRIS_IMAGES = 0x5FC121
    SECURE_MESSAGING_SIGNER = 0x5FC122
    PAIRING_CODE = 0x5FC123
    ATTESTATION_CERTIFICATE = 0x5FFF01
    """Extension."""


_CERTIFICATE_OBJECTS = MappingProxyType(
    {
        Slot.AUTHENTICATION: ObjectId.AUTHENTICATION_CERTIFICATE,
        Slot.SIGNATURE: ObjectId.SIGNATURE_CERTIFICATE,
        Slot.KEY_MANAGEMENT: ObjectId.KEY_MANAGEMENT_CERTIFICATE,
        Slot.CARD_AUTHENTICATION: ObjectId.CARD_AUTHENTICATION_CERTIFICATE,
        Slot.ATTESTATION: ObjectId.ATTESTATION_CERTIFICATE,
    }
)

PIN_PROTECTED_OBJECTS = frozenset(
    {
        ObjectId.FINGERPRINTS,
        ObjectId.FACIAL_IMAGE,
        ObjectId.PRINTED_INFORMATION,
        ObjectId.IRIS_IMAGES,
        ObjectId.PAIRING_CODE,
    }
)
"""Objects that are read after the PIN only (part 1, table 2)."""

VENDOR_OBJECTS = range(0x5FFF00, 0x5FFFFF + 1)
"""Objects of the extensions, which tools use for their own purposes."""

OBJECT_MAX_LEN = 0x4000
"""The longest object that the applet stores, in bytes with its tag 53; the standard's longest is 12,710 (table 2)."""
