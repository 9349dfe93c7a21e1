"""Names: of instructions and data objects from the standards, of all that applications have from the applications."""

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from ..apps import installed_drivers
from ..entry_points import entry_points
from ..errors import ConfigError
from ..iso7816.apdu import CommandApdu
from ..model import BilingualText
from ..ports import CommandWords

GROUP_WORDS = "ecitizen.words"
"""Entry points of what tells of applications that have no Driver: makes an `Application`, under its name."""

CLA_PROPRIETARY = 0x80
INS_TERMINATE_CARD_USAGE = 0xFE
TAG_AUTHENTICATION = 0x7C
"""Dynamic authentication data: challenges, what answers them, and secrets that were agreed or deciphered."""

# ISO/IEC 7816-4:2020, 5.4.2; ISO/IEC 7816-8:2021, 5 (2A, 46, 47); ISO/IEC 7816-9:2017, 7 (04, 44, E0, E4 to E8, FE).
_INSTRUCTIONS = {
    0x04: "DEACTIVATE FILE",
    0x0C: "ERASE RECORD",
    0x0E: "ERASE BINARY",
    0x0F: "ERASE BINARY",
    0x20: "VERIFY",
    0x21: "VERIFY",
    0x22: "MANAGE SECURITY ENVIRONMENT",
    0x24: "CHANGE REFERENCE DATA",
    0x25: "CHANGE REFERENCE DATA",
    0x26: "DISABLE VERIFICATION REQUIREMENT",
    0x28: "ENABLE VERIFICATION REQUIREMENT",
    0x2A: "PERFORM SECURITY OPERATION",
    0x2C: "RESET RETRY COUNTER",
    0x2D: "RESET RETRY COUNTER",
    0x44: "ACTIVATE FILE",
    0x46: "GENERATE ASYMMETRIC KEY PAIR",
    0x47: "GENERATE ASYMMETRIC KEY PAIR",
    0x70: "MANAGE CHANNEL",
    0x82: "EXTERNAL AUTHENTICATE",
    0x84: "GET CHALLENGE",
    0x86: "GENERAL AUTHENTICATE",
    0x87: "GENERAL AUTHENTICATE",
    0x88: "INTERNAL AUTHENTICATE",
    0xA0: "SEARCH BINARY",
    0xA1: "SEARCH BINARY",
    0xA2: "SEARCH RECORD",
    0xA4: "SELECT",
    0xB0: "READ BINARY",
    0xB1: "READ BINARY",
    0xB2: "READ RECORD",
    0xB3: "READ RECORD",
    0xC0: "GET RESPONSE",
    0xC2: "ENVELOPE",
    0xC3: "ENVELOPE",
    0xCA: "GET DATA",
    0xCB: "GET DATA",
    0xD0: "WRITE BINARY",
    0xD1: "WRITE BINARY",
    0xD2: "WRITE RECORD",
    0xD6: "UPDATE BINARY",
    0xD7: "UPDATE BINARY",
    0xDA: "PUT DATA",
    0xDB: "PUT DATA",
    0xDC: "UPDATE RECORD",
    0xDD: "UPDATE RECORD",
    0xE0: "CREATE FILE",
    0xE2: "APPEND RECORD",
    0xE4: "DELETE FILE",
    0xE6: "TERMINATE DF",
    0xE8: "TERMINATE EF",
    INS_TERMINATE_CARD_USAGE: "TERMINATE CARD USAGE",
}

# GlobalPlatform Card Specification 2.3.1, 11.1 and D.4: most multi-application cards leave the proprietary class to it.
_GLOBALPLATFORM_INSTRUCTIONS = {
    0x50: "INITIALIZE UPDATE",
    0x78: "END R-MAC SESSION",
    0x7A: "BEGIN R-MAC SESSION",
    0x82: "EXTERNAL AUTHENTICATE",
    0xCA: "GET DATA",
    0xD8: "PUT KEY",
    0xE2: "STORE DATA",
    0xE4: "DELETE",
    0xE6: "INSTALL",
    0xE8: "LOAD",
    0xF0: "SET STATUS",
    0xF2: "GET STATUS",
}

# Beginnings of application identifiers: GlobalPlatform Card Specification 2.3.1, 6.4.1 (the second is an older form in
# the field); NIST SP 800-73-4, part 1, 2.2; ICAO Doc 9303-10, 4.6; ISO/IEC 7816-15:2016, 7.4; OpenPGP card 3.4, 4.2.1.
_APPLICATIONS = {
    bytes.fromhex("A000000151000000"): "GlobalPlatform issuer security domain",
    bytes.fromhex("A000000003000000"): "card manager (older form)",
    bytes.fromhex("A000000308"): "PIV",
    bytes.fromhex("A0000002471001"): "travel document (ICAO)",
    bytes.fromhex("A000000063504B43532D3135"): "PKCS#15",
    bytes.fromhex("D27600012401"): "OpenPGP",
}

# ISO/IEC 7816-4:2020, 8.2 (application), 7.4 (file), 12.2 (card); ISO/IEC 7816-6:2016, table 1; for 9F65, 9F6E and 9F7F
# GlobalPlatform Card Specification 2.3.1, 11.9.3 and H.
_OBJECTS = {
    0x06: "object identifier",
    0x42: "issuer identification number",
    0x43: "card service data",
    0x45: "card issuer's data",
    0x46: "pre-issuing data",
    0x47: "card capabilities",
    0x4D: "extended header list",
    0x4F: "application identifier",
    0x50: "application label",
    0x51: "file reference",
    0x53: "discretionary data",
    0x5C: "tag list",
    0x61: "application template",
    0x62: "file control parameters (FCP)",
    0x64: "file management data (FMD)",
    0x66: "card data",
    0x6F: "file control information (FCI)",
    0x73: "discretionary data objects",
    0x79: "tag allocation authority",
    TAG_AUTHENTICATION: "dynamic authentication data",
    0x7E: "interindustry data objects",
    0x5F20: "name of the holder",
    0x5F50: "URL",
    0x7F21: "certificate",
    0x7F49: "public key",
    0x7F66: "extended length information",
    0xAC: "cryptographic mechanism",
    0x9F65: "maximum length of command data",
    0x9F6E: "application production life cycle data",
    0x9F7F: "card production life cycle data (CPLC)",
}

# ISO/IEC 7816-4:2020, 7.4.3: inside FCP or FCI, and bare in what Thai chips answer to SELECT.
_FILE_OBJECTS = {
    0x80: "number of data bytes in the file",
    0x81: "number of data bytes with structure",
    0x82: "file descriptor",
    0x83: "file identifier",
    0x84: "DF name",
    0x86: "security attribute, proprietary",
    0x88: "short EF identifier",
    0x8A: "life cycle status",
    0x8B: "security attribute, referenced",
    0x8C: "security attribute, compact",
    0xA5: "proprietary information",
}
_FILE_TEMPLATES = frozenset({0x62, 0x6F})

# Inside other templates: ISO/IEC 7816-4:2020, 11.5.5 (7C); ISO/IEC 7816-8:2021, table 3 (7F49).
_TEMPLATES = {
    TAG_AUTHENTICATION: {
        0x80: "witness",
        0x81: "challenge",
        0x82: "response",
        0x83: "committed challenge",
        0x84: "authentication code",
        0x85: "exponential",
    },
    0x7F49: {
        0x80: "algorithm",
        0x81: "modulus, or prime",
        0x82: "public exponent, or coefficient",
        0x86: "public point",
    },
    0xAC: {0x80: "algorithm"},
}


class Application(Protocol):
    """What the names of an application are found by; every Driver is one.

    It may satisfy CommandWords and ObjectWords besides.
    """

    @property
    def name(self) -> str:
        """The application's short name."""
        ...

    @property
    def title(self) -> BilingualText:
        """What people call it."""
        ...

    @property
    def aid(self) -> bytes:
        """Its application identifier."""
        ...


@runtime_checkable
class ObjectWords(Protocol):
    """Names of an application's own data objects."""

    def object_words(self, tag: int, parent: int | None) -> str | None:
        """The name of the object `tag` inside `parent` (None: at the top); None if it is not the application's."""
        ...


def instruction(command: CommandApdu) -> str | None:
    """The name of a command's instruction, or None if no standard that we know names it."""
    if command.cla & CLA_PROPRIETARY and command.ins in _GLOBALPLATFORM_INSTRUCTIONS:
        return _GLOBALPLATFORM_INSTRUCTIONS[command.ins]
    if command.ins == INS_TERMINATE_CARD_USAGE and (command.p1 or command.p2 or command.data):
        return None  # that command has none of these (ISO/IEC 7816-9:2017, 7.8); tokens import keys so
    return _INSTRUCTIONS.get(command.ins)


def data_object(tag: int, parent: int | None) -> str | None:
    """The name of a data object inside `parent` (None: at the top), or None if no standard that we know names it."""
    if parent in _TEMPLATES:
        return _TEMPLATES[parent].get(tag) or _OBJECTS.get(tag)
    if parent is None or parent in _FILE_TEMPLATES:
        return _FILE_OBJECTS.get(tag) or _OBJECTS.get(tag)
    return _OBJECTS.get(tag)


class Vocabulary:
    """The names that applications bring."""

    def __init__(self, applications: Iterable[Application] = ()) -> None:
        self._applications = tuple(applications)

    @classmethod
    def installed(cls) -> "Vocabulary":
        """That of all installed applications."""
        try:
            drivers: tuple[Application, ...] = installed_drivers()
        except ConfigError:
            drivers = ()  # none are installed: the standards still say much
        return cls((*drivers, *(entry.load()() for entry in entry_points(GROUP_WORDS))))

    def selected_by(self, name: bytes) -> str | None:
        """The name of the installed application that SELECT takes for this identifier, or the beginning of one."""
        return next((each.name for each in self._applications if each.aid.startswith(name)), None)

    def application(self, aid: bytes) -> str | None:
        """What is known of an application identifier, or of the beginning of one."""
        if not aid:
            return "the default application"
        for each in self._applications:
            if each.aid == aid:
                return f"{each.name}, {each.title.en}"
        for beginning, name in _APPLICATIONS.items():
            if aid.startswith(beginning):
                return name
        for each in self._applications:
            if each.aid.startswith(aid):
                return f"beginning of {each.name}, {each.title.en}"
        return None

    def command_words(self, command: CommandApdu, application: str | None = None) -> tuple[tuple[str, str], ...]:
        """What the command asks of each application that knows it: name and words; or of `application` alone."""
        found = []
        for each in self._applications:
            if application in {None, each.name} and isinstance(each, CommandWords):
                words = each.command_words(command)
                if words:
                    found.append((each.name, words))
        return tuple(found)

    def object_words(self, tag: int, parent: int | None) -> str | None:
        """The name of a data object inside `parent` (None: at the top): from a standard, or from an application."""
        standard = data_object(tag, parent)
        if standard:
            return standard
        return next((f"{each.name}: {words}" for each, words in self._object_words(tag, parent)), None)

    def is_object_of_an_application(self, tag: int, parent: int) -> bool:
        """Whether an installed application has the object `tag` inside `parent`."""
        return any(True for _ in self._object_words(tag, parent))

    def _object_words(self, tag: int, parent: int | None) -> Iterator[tuple[Application, str]]:
        for each in self._applications:
            if isinstance(each, ObjectWords) and (words := each.object_words(tag, parent)):
                yield each, words
