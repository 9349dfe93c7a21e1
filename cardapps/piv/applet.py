"""Card side of PIV: a signing card as NIST SP 800-73 has it, with the extensions that make cards manageable.

The commands are in the modules beside this one: `applet_pin`, `applet_objects`, `applet_authenticate`,
`applet_generate`, `applet_extensions`. What they share is `applet_state`.
"""

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ecitizen.emulator.applet import Applet, Refusal, Selection
from ecitizen.emulator.image import Section, Value
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.iso7816.command import Ins as CommonIns
from ecitizen.iso7816.status import StatusWord

from . import applet_authenticate, applet_extensions, applet_generate, applet_objects, applet_pin, layout
from .applet_state import PivMemory, Use
from .layout import AlgorithmId, ExtensionIns, Ins

if TYPE_CHECKING:
    from ecitizen.emulator.persona import Persona

    from .record import PivRecord  # brings `cryptography`, which a saved card does without until a key is used

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


class PivApplet(Applet):
    """The PIV application. Its memory is described in `applet_state`; `random_bytes` makes challenges."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID
    chaining: ClassVar[bool] = True

    def __init__(
        self,
        memory: Section,
        protocol: CardProtocol,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(memory, protocol)
        self._memory = PivMemory(memory)
        self._random_bytes = random_bytes
        self._parsed: dict[bytes, Any] = {}

    @classmethod
    def personalise(cls, record: "PivRecord") -> dict[str, Value]:
        """The applet's memory for this record."""
        return record.memory()

    @classmethod
    def record_for(cls, persona: "Persona", **options: Any) -> "PivRecord":
        """Fresh keys with test certificates for this holder; `options` are those of `record.record_for`."""
        from .record import record_for  # late, as above

        return record_for(persona, **options)

    def fci(self) -> bytes:
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

    def open(self) -> Selection:
        """A new use: nothing is verified."""
        return _PivSelection(Use(self._memory, self._random_bytes, self._parsed))

    def reopen(self, selection: Selection) -> Selection:
        """Selected again: the security status stays (part 2, 3.1.1), a challenge that waits does not."""
        assert isinstance(selection, _PivSelection)
        selection.use.pending = None
        return selection


class _PivSelection:
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
