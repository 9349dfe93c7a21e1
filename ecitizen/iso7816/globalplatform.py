"""What both sides of card management agree on: names, data objects, life cycles.

GlobalPlatform Card Specification 2.3.1. The card side is `emulator`, the host side `ecitizen.globalplatform`. How a
channel is opened is in `secure_channel`.
"""

from enum import IntEnum, unique
from typing import Final

AID_ISSUER_DOMAIN: Final = bytes.fromhex("A000000151000000")
"""Issuer security domain (H.6)."""
AID_LOAD_FILE_OF_DOMAINS: Final = bytes.fromhex("A0000001515350")
AID_MODULE_OF_DOMAINS: Final = bytes.fromhex("A000000151535041")
"""What supplementary security domains are made of on most cards."""

AID_MIN_LEN: Final = 5
AID_MAX_LEN: Final = 16
AID_LENS: Final = range(AID_MIN_LEN, AID_MAX_LEN + 1)
"""ISO/IEC 7816-4:2020, 12.2.3."""

TAG_IIN: Final = 0x42
TAG_CIN: Final = 0x45
TAG_CARD_RECOGNITION_DATA: Final = 0x66
TAG_KEY_INFORMATION: Final = 0xE0
TAG_SEQUENCE_COUNTER: Final = 0xC1
TAG_CPLC: Final = 0x9F7F
"""Data objects of GET DATA (11.3.3, table 11-26; the last is of the chip makers)."""
TAG_KEY: Final = 0xC0
"""One key in the key information (11.3.3.1)."""

TAG_REGISTRY_ENTRY: Final = 0xE3
TAG_AID: Final = 0x4F
TAG_LIFE_CYCLE: Final = 0x9F70
TAG_PRIVILEGES: Final = 0xC5
TAG_LOAD_FILE: Final = 0xC4
TAG_LOAD_FILE_VERSION: Final = 0xCE
TAG_DOMAIN: Final = 0xCC
TAG_MODULE: Final = 0x84
"""Data objects of a registry entry (11.4.3.1)."""


@unique
class CardLifeCycle(IntEnum):
    """The life cycle of the card (5.1 and 11.1.1, table 11-6)."""

    OP_READY = 0x01
    INITIALIZED = 0x07
    SECURED = 0x0F
    CARD_LOCKED = 0x7F
    TERMINATED = 0xFF


@unique
class ApplicationLifeCycle(IntEnum):
    """The life cycle of an application or a domain, unless it is locked (5.3.1, 5.3.2, tables 11-4 and 11-5)."""

    INSTALLED = 0x03
    SELECTABLE = 0x07
    PERSONALIZED = 0x0F


LOCKED: Final = 0x80
"""The bit beside an application's life cycle that says that nobody can select it (table 11-4)."""
