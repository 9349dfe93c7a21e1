"""Card side of PIV: a signing card as NIST SP 800-73 has it, with the extensions that make cards manageable.

All that it does is in the modules beside this one, which are imported when it is selected: most programs only read
the other applications of a card. `applet_selection` has the table of commands, `applet_state` what these share.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ecitizen.emulator.applet import Applet, DataGrouping, Selection
from ecitizen.emulator.image import Section, Value
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu

from .names import AID, NAME

if TYPE_CHECKING:
    from ecitizen.emulator.persona import Persona
    from ecitizen.secure_channel.handshake import SecurityLevel

    from .applet_selection import PivSelection
    from .applet_state import PivMemory
    from .record import PivRecord


class PivApplet(Applet):
    """The PIV application. Its memory is described in `applet_state`; `random_bytes` makes challenges.

    Whether the memory is a PIV applet's shows when it is used: ImageDamaged then, which a card answers as 6581.
    """

    name: ClassVar[str] = NAME
    aid: ClassVar[bytes] = AID
    chaining: ClassVar[bool] = True
    managed: ClassVar[bool] = True

    def __init__(
        self,
        memory: Section,
        protocol: CardProtocol,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(memory, protocol)
        self._section = memory
        self._random_bytes = random_bytes
        self._parsed: dict[bytes, Any] = {}

    @cached_property
    def _memory(self) -> "PivMemory":
        from .applet_state import PivMemory

        return PivMemory(self._section)

    @classmethod
    def personalise(cls, record: "PivRecord") -> dict[str, Value]:
        """The applet's memory for this record."""
        return record.memory()

    @classmethod
    def record_for(cls, persona: "Persona", **options: Any) -> "PivRecord":
        """Fresh keys with test certificates for this holder; `options` are those of `record.record_for`."""
        from .record import record_for

        return record_for(persona, **options)

    @classmethod
    def blank_memory(cls, chip_serial: bytes) -> dict[str, Value]:
        """Nothing but a number, which is out of the chip's."""
        from .applet_state import SERIAL_OF_CHIP, blank_state

        return blank_state(int.from_bytes(chip_serial[SERIAL_OF_CHIP]))

    def store(self, groupings: Sequence[DataGrouping]) -> Mapping[str, Value]:
        """PIN, PUK, their tries, and the management key."""
        from .applet_personalising import changes

        return changes(self._memory, groupings)

    def secured_command(self, selection: Selection, command: CommandApdu, level: "SecurityLevel") -> ResponseApdu:
        """The domain may manage without the management key, and set a new PIN."""
        use = cast("PivSelection", selection).use
        use.channel = level
        try:
            return selection.process(command)
        finally:
            use.channel = None

    def fci(self) -> bytes:
        """The application property template."""
        from .applet_selection import application_template

        return application_template()

    def open(self) -> Selection:
        """A new use: nothing is verified."""
        from .applet_selection import PivSelection
        from .applet_state import Use

        return PivSelection(Use(self._memory, self._random_bytes, self._parsed))

    def reopen(self, selection: Selection) -> Selection:
        """Selected again: the security status stays (part 2, 3.1.1), a challenge that waits does not."""
        cast("PivSelection", selection).use.pending = None
        return selection
