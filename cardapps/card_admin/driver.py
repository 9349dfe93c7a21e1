"""Host side of card administration: laser number from the ADM applet, chip serial from the card manager."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from ecitizen.errors import AppNotFound, CardError, CardProtocolError, EcitizenError, EncodeError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.model import BilingualText, CardAdmin, Problem
from ecitizen.ports import ApplicationResult, PhotoCache, Reading
from ecitizen.session import CardSession

from ..fields import decode_field
from ..seal_files_words import seal_words
from . import contents, layout

_SERIAL = "chip_serial"


class CardAdminDriver:
    """Reads the two applications that know the card's own numbers."""

    name: ClassVar[str] = layout.NAME
    title: ClassVar[BilingualText] = BilingualText("ข้อมูลบัตร", "Card")
    rank: ClassVar[int] = 40
    aid: ClassVar[bytes] = layout.AID
    fields: ClassVar[Mapping[str, BilingualText]] = MappingProxyType(
        {
            "laser_number": BilingualText("เลขหลังบัตร", "Laser number"),
            "chip_serial": BilingualText("หมายเลขชิป", "Chip serial"),
        }
    )
    photo_field: ClassVar[str | None] = None
    data_groups: ClassVar[Mapping[int, tuple[str, ...]]] = layout.DATA_GROUPS
    expiry_field: ClassVar[str | None] = None

    def expected_exchanges(self, fields: frozenset[str], protocol: CardProtocol) -> int:  # noqa: ARG002 - the same on both
        """SELECT and one command for each number."""
        return 2 * len(fields)

    def command_words(self, command: CommandApdu) -> str | None:
        """Its two commands, whatever length they ask for."""
        known = {
            layout.get_state(): "the card's state, with the laser number",
            layout.get_cplc(): "the chip's production data, with its serial number",
        }
        if (found := seal_words(command)) is not None:
            return found
        head = (command.cla, command.ins, command.p1, command.p2, command.data)
        return next(
            (words for each, words in known.items() if (each.cla, each.ins, each.p1, each.p2, each.data) == head), None
        )

    def read(self, session: CardSession, fields: frozenset[str], photos: PhotoCache) -> Reading:  # noqa: ARG002 - has no photo
        """Laser number and chip serial; one without the other where the card fails on one.

        Raise AppNotFound if the card has no ADM applet and gives no serial either.
        """
        problems: list[Problem] = []
        raw: dict[str, bytes] = {}
        absent: AppNotFound | None = None
        laser_number = serial = None
        if layout.LASER_NUMBER.name in fields:
            try:
                session.select(layout.AID)
                state = session.command(layout.get_state(), "reading the card's state")
                yield None
                raw[layout.LASER_NUMBER.name] = state[layout.LASER_NUMBER.offset : layout.LASER_NUMBER.end]
                laser_number, problem = decode_field(layout.NAME, layout.LASER_NUMBER, raw[layout.LASER_NUMBER.name])
                problems += [problem] if problem else []
            except (CardError, CardProtocolError) as error:
                absent = error if isinstance(error, AppNotFound) else None
                problems.append(_problem(layout.LASER_NUMBER.name, error))
        if _SERIAL in fields:
            try:
                _select_card_manager(session)
                answer = session.command(layout.get_cplc(), "reading the chip serial")
                yield None
                raw[_SERIAL] = answer[layout.CHIP_SERIAL]
                if len(answer) == layout.CPLC_ANSWER_LEN:
                    serial = raw[_SERIAL].hex().upper()
                else:
                    message = "the card's production data (CPLC) have another length than 45 bytes"
                    problems.append(Problem(layout.NAME, _SERIAL, "not_decodable", message))
            except (CardError, CardProtocolError) as error:
                problems.append(_problem(_SERIAL, error))
        if absent and serial is None:
            raise absent
        yield ApplicationResult(CardAdmin(laser_number, serial, raw), tuple(problems))

    # What goes into the card when it is issued or changed; satisfies `ecitizen.ports.IssuableDriver`

    record_type: ClassVar[type[CardAdmin]] = CardAdmin

    def check(self, record: CardAdmin, moment: datetime) -> tuple[Problem, ...]:  # noqa: ARG002 - it has no dates
        """All that is wrong with a record that is to be on a card."""
        return tuple(contents.problems(record))

    def contents(self, record: CardAdmin) -> dict[int, bytes]:
        """The state, by the identifier that it is written under; raise EncodeError for what it can't hold."""
        return {layout.FID_STATE: contents.state(record)}

    def changed(self, before: Mapping[int, bytes], changes: Mapping[str, Any]) -> dict[int, bytes]:
        """The same state with these fields changed; raise EncodeError for the chip's serial, which is the chip's."""
        if _SERIAL in changes:
            raise EncodeError(f"{_SERIAL}: this is the chip's own number, which nobody can change")
        return {layout.FID_STATE: contents.changed(before[layout.FID_STATE], changes)}

    def record_of(self, found: Mapping[int, bytes]) -> CardAdmin:
        """What a reader makes of the state, but for the chip serial, which it asks the card manager for."""
        return contents.record_of(found[layout.FID_STATE])

    def read_contents(self, session: CardSession, *, selected: bytes | None = None) -> dict[int, bytes]:
        """Ask for the state."""
        if selected is None:
            session.select(layout.AID)
        return {layout.FID_STATE: session.command(layout.get_state(), "reading the card's state")}


def _select_card_manager(session: CardSession) -> None:
    """Select by the empty name, which means the default application, or by the name that the authority uses."""
    try:
        session.select(b"")
    except CardError:
        session.select(layout.NAME_CARD_MANAGER)


def _problem(field: str, error: EcitizenError) -> Problem:
    return Problem(layout.NAME, field, error.code, str(error))
