"""A use of the PIV applet, from SELECT to the next: its commands, and what SELECT answers."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.emulator.applet import Refusal
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.command import Ins as CommonIns
from ecitizen.iso7816.status import StatusWord

from . import applet_authenticate, applet_extensions, applet_generate, applet_objects, applet_pin, layout
from .applet_state import Use
from .layout import AlgorithmId, ExtensionIns, Ins

Command = Callable[[Use, CommandApdu], ResponseApdu]

STANDARD_COMMANDS: Final[Mapping[int, Command]] = MappingProxyType(
    {
        Ins.VERIFY: applet_pin.verify,
        Ins.CHANGE_REFERENCE_DATA: applet_pin.change_reference_data,
        Ins.RESET_RETRY_COUNTER: applet_pin.reset_retry_counter,
        Ins.GENERATE_ASYMMETRIC_KEY_PAIR: applet_generate.generate,
        Ins.GENERAL_AUTHENTICATE: applet_authenticate.general_authenticate,
        Ins.GET_DATA: applet_objects.get_data,
        Ins.PUT_DATA: applet_objects.put_data,
    }
)
EXTENSION_COMMANDS: Final[Mapping[int, Command]] = MappingProxyType(
    {
        ExtensionIns.MOVE_KEY: applet_extensions.move_key,
        ExtensionIns.GET_METADATA: applet_extensions.get_metadata,
        ExtensionIns.GET_SERIAL: applet_extensions.get_serial,
        ExtensionIns.ATTEST: applet_extensions.attest,
        ExtensionIns.SET_RETRIES: applet_extensions.set_retries,
        ExtensionIns.RESET: applet_extensions.reset,
        ExtensionIns.GET_VERSION: applet_extensions.get_version,
        ExtensionIns.IMPORT_KEY: applet_extensions.import_key,
        ExtensionIns.SET_MANAGEMENT_KEY: applet_extensions.set_management_key,
    }
)


def application_template() -> bytes:
    """The application property template, which lists the algorithms (SP 800-73-5 part 2, table 3)."""
    authority = tlv.encode(layout.TAG_APPLICATION_IDENTIFIER, layout.RID)
    algorithms = [tlv.encode(layout.TAG_ALGORITHM, bytes((each,))) for each in AlgorithmId if each]
    algorithms.append(tlv.encode(layout.TAG_ALGORITHM_OBJECT_IDENTIFIER, b"\x00"))
    return tlv.encode(
        layout.TAG_APPLICATION_PROPERTIES,
        tlv.encode(layout.TAG_APPLICATION_IDENTIFIER, layout.PIX)
        + tlv.encode(layout.TAG_TAG_ALLOCATION_AUTHORITY, authority)
        + tlv.encode(layout.TAG_APPLICATION_LABEL, layout.APPLICATION_LABEL)
        + tlv.encode(layout.TAG_ALGORITHMS_SUPPORTED, b"".join(algorithms)),
    )


class PivSelection:
    """What one logical channel does with the applet."""

    def __init__(self, use: Use) -> None:
        self.use = use
        self._commands = {**STANDARD_COMMANDS, **EXTENSION_COMMANDS} if use.memory.extensions else STANDARD_COMMANDS

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command of the table."""
        if (command.cla, command.ins) != (0x00, Ins.GENERAL_AUTHENTICATE):
            self.use.pending = None
        if command.cla != 0x00:
            raise Refusal(StatusWord.CLASS_NOT_SUPPORTED)
        if command.ins == CommonIns.SELECT:  # of files, of which there are none
            raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
        if command.ins not in self._commands:
            raise Refusal(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        return self._commands[command.ins](self.use, command)
