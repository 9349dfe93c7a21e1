"""Host side of the Thai record form: reading pieces of blocks, by the Thai command or by standard READ BINARY."""

from collections.abc import Iterable, Iterator, Mapping

from ecitizen.errors import CardError, CardProtocolError, StatusError, TransmitFailed
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.iso7816.command import OFFSET_MAX
from ecitizen.iso7816.files import FileInfo
from ecitizen.session import CardSession
from ecitizen.usecases.read_plan import Span, SparseBytes, plan_reads, widen

from .fields import Field
from .thai_record import READ_LEN_MAX, read_command, sfi_of

_SFI_OFFSET_MAX = 0xFF


class RecordReader:
    """The record of one selected application, as far as it has been read.

    `refusals` are the status words that the card gave in place of data; what could be read is there all the same.
    """

    def __init__(self, session: CardSession, aid: bytes, selected: bytes | None = None) -> None:
        """Select the application, unless it is: then `selected` is what SELECT told of it."""
        self._session = session
        self._blocks: dict[int, SparseBytes] = {}
        self._current: int | None = None
        self.refusals: list[StatusError] = []
        info = FileInfo.parse(session.select(aid) if selected is None else selected)
        announced = session.protocol is CardProtocol.T1 and info.extended_length
        if announced and session.link.extended_length is None:
            session.link.extended_length = True
        self._standard = announced and session.link.extended_length is True
        self._record_len = info.data_len

    @property
    def longest(self) -> int:
        """The most that one read brings, in bytes."""
        return OFFSET_MAX if self._standard else READ_LEN_MAX

    def block(self, number: int) -> SparseBytes:
        """What is known of a block."""
        return self._blocks.setdefault(number, SparseBytes())

    def field(self, field: Field) -> bytes | None:
        """A field's bytes, or None if the card did not give them all."""
        return self.block(field.block).get(Span(field.offset, field.end))

    def fetch_fields(self, fields: Iterable[Field], bonus: Field | None = None) -> Iterator[None]:
        """Read what is missing of the fields; yield after each piece.

        A card may give less than it was asked for, so this goes on while something is missing and something came.
        `bonus` is a field to be read later: where a read has room, it takes along a piece of it.
        """
        table, before = list(fields), -1
        while (missing := self._missing(table)) and (left := _len_of(missing)) != before:
            before = left
            for number, spans in missing.items():
                reads = plan_reads(spans, self.longest)
                if bonus is not None and bonus.block == number and not self._standard:
                    reads = widen(reads, Span(bonus.offset, bonus.end), READ_LEN_MAX)
                for span in reads:
                    yield from self.fetch(number, span)

    def _missing(self, fields: Iterable[Field]) -> dict[int, list[Span]]:
        """What is not known of the fields, by block."""
        missing: dict[int, list[Span]] = {}
        for field in fields:
            if gaps := self.block(field.block).gaps(Span(field.offset, field.end)):
                missing.setdefault(field.block, []).extend(gaps)
        return missing

    def fetch(self, number: int, span: Span) -> Iterator[None]:
        """Read a span of a block; yield after each piece. A refusal ends it and stands in `refusals`."""
        try:
            if self._standard:
                yield from self._fetch_standard(number, span)
            if not self._standard:
                for gap in self.block(number).gaps(span):
                    yield from self._fetch_short(number, gap)
        except StatusError as error:
            self.refusals.append(error)

    def _fetch_standard(self, number: int, span: Span) -> Iterator[None]:
        """READ BINARY with extended length. A refusal makes it the last time, and leaves the rest to short reads."""
        try:
            for start, end in self.block(number).gaps(self._within_file(number, span)):
                position = start
                while position < end:
                    switch = number != self._current
                    if switch:  # a short identifier leaves one byte for the offset
                        position = min(position, _SFI_OFFSET_MAX)
                    data = self._session.read_binary(position, end - position, sfi=sfi_of(number) if switch else None)
                    self._current = number
                    self.block(number).put(position, data)
                    position += len(data)
                    yield
        except (CardError, CardProtocolError, TransmitFailed):
            self._session.require_whole_channel()
            self._standard = False
            self._session.link.extended_length = False

    def _within_file(self, number: int, span: Span) -> Span:
        """What of the span lies inside the file that SELECT told the length of."""
        if number or self._record_len is None:
            return span
        return Span(span.start, min(span.end, max(self._record_len, span.start)))

    def _fetch_short(self, number: int, span: Span) -> Iterator[None]:
        for start in range(span.start, span.end, READ_LEN_MAX):
            length = min(READ_LEN_MAX, span.end - start)
            data = self._session.command(read_command(number, start, length), "reading the record")
            self.block(number).put(start, data)
            yield
            if len(data) < length:
                return  # the record ends here, or the card gives less at a time


def read_blocks(reader: RecordReader, lengths: Mapping[int, int]) -> dict[int, bytes]:
    """Whole blocks of `lengths` bytes, or what there is of a shorter one; raise StatusError for one that is refused."""
    found = {}
    for number, length in lengths.items():
        span = Span(0, length)
        for _ in reader.fetch(number, span):
            pass
        found[number] = reader.block(number).prefix(span)
        if not found[number] and reader.refusals:
            raise reader.refusals[-1]
    return found


def _len_of(missing: dict[int, list[Span]]) -> int:
    """How many bytes are missing."""
    return sum(span.end - span.start for spans in missing.values() for span in spans)
