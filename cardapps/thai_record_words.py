"""Reads of the Thai record form in words: which fields a command brings. For traces and `ecitizen explain`."""

from collections.abc import Iterable

from ecitizen.iso7816.apdu import CommandApdu
from ecitizen.iso7816.command import P1_SFI, Ins

from .fields import Field
from .thai_record import CLA_READ, sfi_of

_CHANNEL_BITS = 0x03
_NAMED_MAX = 4
"""More fields than this are named by the first and the last."""


def read_words(command: CommandApdu, fields: Iterable[Field]) -> str | None:
    """Which of the fields a READ or READ BINARY brings; None for any other command.

    A READ BINARY without a short identifier is taken to be of block 0: the command alone does not tell.
    """
    place = _place(command)
    if place is None:
        return None
    block, start, end = place
    found = sorted(
        (field for field in fields if field.block == block and field.offset < end and start < field.end),
        key=lambda field: field.offset,
    )
    names = [field.name if start <= field.offset and field.end <= end else f"part of {field.name}" for field in found]
    if len(names) > _NAMED_MAX:
        listed = f"{names[0]} to {names[-1]}, {len(names)} fields"
    else:
        listed = ", ".join(names) or "no known field"
    return f"block {block}, bytes {start} to {end - 1}: {listed}"


def _place(command: CommandApdu) -> tuple[int, int, int] | None:
    """Block, first byte, and the byte behind the last that a read asks for."""
    cla = command.cla & ~_CHANNEL_BITS
    if command.ins != Ins.READ_BINARY:
        return None
    if cla == CLA_READ and len(command.data) == 2:
        start, (block, length) = command.p1 << 8 | command.p2, command.data
    elif cla == 0x00 and not command.data and command.ne:
        by_sfi = command.p1 & P1_SFI
        block = (command.p1 & ~P1_SFI) - sfi_of(0) if by_sfi else 0
        start, length = command.p2 if by_sfi else command.p1 << 8 | command.p2, command.ne
    else:
        return None
    return (block, start, start + length) if length and block >= 0 else None
