"""One portrait that is hard on readers: a space (20) on both sides of every edge between two chunks.

A reader that strips padding from each chunk it gets, rather than from the whole photo, loses bytes of this picture.
Before the scan, comments full of spaces lie over the edges. Inside the scan there is no room for comments. There,
blocks end with a symbol for sixteen zeros that is not needed, until an edge falls where few values have to change
by few steps to make the code have spaces there. The search keeps many encodings alive at once, drops those that
miss an edge, and takes the one that changes the picture least (a beam search).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from PIL import Image

from ecitizen.errors import UsageError

from . import jpeg
from .jpeg import Bits, Block, HuffmanTable, Tables

CHUNK_LEN = 255
"""The most that one READ of the card gives."""
PHOTO_OFFSET = 379
"""Where the photo starts in the card's record (thai-card.md, section 3.2)."""
PHOTO_LEN = 5118
"""The photo field."""

SPACE = 0x20

QUALITIES = (72, 64, 56, 48)
"""What is tried, best first: fewer bytes of scan have fewer edges."""
BEAM = 150
"""How many encodings are kept alive."""
REACH = 2
"""How many bytes before an edge the picture may be changed."""
TAIL = 8
"""How many zeros after the last other value of a block may be changed."""
NEEDLESS_COST = 8
"""What a needless symbol costs, against the squared difference that a change makes."""


def chunk_edges(length: int) -> frozenset[int]:
    """The offsets next to an edge, in a photo of so many bytes.

    For chunks counted from the start of the photo, and for chunks counted from the start of the record.
    """
    firsts = [*range(CHUNK_LEN, length, CHUNK_LEN), *range(-PHOTO_OFFSET % CHUNK_LEN, length, CHUNK_LEN)]
    return frozenset(offset for first in firsts for offset in (first - 1, first))


EDGES = chunk_edges(PHOTO_LEN)


class Track(NamedTuple):
    """One way to encode the picture so far."""

    start: int
    """Where the scan begins in the file."""
    cost: int = 0
    """How far the picture was changed, in squared differences."""
    data: bytes = b""
    """The whole bytes of the scan."""
    pending: Bits = (0, 0)
    """The bits of the byte after them."""
    means: tuple[int, ...] = (0, 0, 0)
    """The last mean of each component."""
    zeros: int = 0
    """How many zeros wait for the value that ends their run."""

    @property
    def future(self) -> tuple[int, int, tuple[int, ...], int]:
        """Where the track stands; of two that stand at the same place, only the cheaper is worth following."""
        return len(self.data), self.pending[1], self.means, self.zeros

    def near_edge(self, reach: int) -> bool:
        """Is there an edge in the next bytes?"""
        position = self.start + len(self.data)
        return not EDGES.isdisjoint(range(position, position + reach))

    def appended(self, code: Bits | None, cost: int = 0) -> "Track | None":
        """Add a code; None if there is no such code, or if an edge doesn't get its space."""
        if code is None:
            return None
        bits, count = self.pending[0] << code[1] | code[0], self.pending[1] + code[1]
        fresh = bytearray()
        position = self.start + len(self.data)
        while count >= 8:
            count -= 8
            byte = bits >> count & 0xFF
            for written in (byte, 0) if byte == 0xFF else (byte,):
                if written != SPACE and position + len(fresh) in EDGES:
                    return None
                fresh.append(written)
        bits &= (1 << count) - 1
        if position + len(fresh) in EDGES and bits != SPACE >> (8 - count):
            return None
        data = self.data + fresh if fresh else self.data
        return Track(self.start, self.cost + cost, data, (bits, count), self.means, self.zeros)

    def with_mean(self, component: int, mean: int, tables: Tables, cost: int = 0) -> "Track | None":
        """Add the first value of a block."""
        code = tables.dc_code(min(component, 1), mean - self.means[component])
        means = (*self.means[:component], mean, *self.means[component + 1 :])
        return Track(self.start, self.cost, self.data, self.pending, means).appended(code, cost)

    def with_value(self, value: int, table: HuffmanTable, cost: int = 0) -> "Track | None":
        """Add one of the other values."""
        if not value:
            return Track(self.start, self.cost + cost, self.data, self.pending, self.means, self.zeros + 1)
        track: Track | None = Track(self.start, self.cost, self.data, self.pending, self.means)
        for _ in range(self.zeros // 16):
            track = track and track.appended(table.code(jpeg.SIXTEEN_ZEROS, (0, 0)))
        extra = jpeg.magnitude(value)
        return track and track.appended(table.code(self.zeros % 16 << 4 | extra[1], extra), cost)

    def ended(self, room: int, table: HuffmanTable) -> Iterator["Track"]:
        """End a block that has `room` values to go, all zero: at once, or after some needless symbols."""
        whole = Track(self.start, self.cost, self.data, self.pending, self.means)
        if not room:
            yield whole
        track: Track | None = whole
        while room > 0 and track:
            ended = track.appended(table.code(jpeg.END_OF_BLOCK, (0, 0)))
            if ended:
                yield ended
            track = track.appended(table.code(jpeg.SIXTEEN_ZEROS, (0, 0)), NEEDLESS_COST)
            room -= 16


def portrait_with_edges(image: Image.Image, size: int) -> bytes:
    """Compress a picture to about `size` bytes, with spaces around all edges; raise UsageError if that can't be.

    `image` has the size `sheet.CANVAS`. Takes about half a minute.
    """
    blocks = jpeg.spectrum(image)
    for quality in QUALITIES:
        steps = jpeg.quantisation(quality)
        rounded = jpeg.quantised(blocks, steps)
        tables = Tables.fitted(rounded)
        scan_len = len(jpeg.scan(rounded, tables)) * 8 // 7  # needless symbols make it longer
        head = _head(jpeg.table_segments(steps, tables), size - scan_len - len(jpeg.EOI))
        scan = head and _steered_scan(rounded, tables, steps, len(head))
        if head and scan:
            data = head + scan + jpeg.EOI
            if len(data) <= PHOTO_LEN and all(data[offset] == SPACE for offset in chunk_edges(len(data))):
                return data
    raise UsageError("no quality gives this picture spaces at all chunk edges; make it plainer")


def _head(tables: Sequence[bytes], scan_at: int) -> bytes | None:
    """Everything before the scan, which shall begin near `scan_at`; None if that is too early for the tables."""
    head = jpeg.SOI
    for segment in (jpeg.JFIF, *tables):
        placed = _placed(head, segment)
        if placed is None:
            return None
        head = placed
    room = scan_at - len(head + jpeg.SCAN_HEADER + jpeg.segment(jpeg.COM, b""))
    if room < 0:
        return None
    return _placed(head + jpeg.segment(jpeg.COM, b" " * room), jpeg.SCAN_HEADER)


def _placed(head: bytes, segment: bytes) -> bytes | None:
    """Add a segment, after a comment over the next edge if the segment would lie on it.

    Each segment leaves the four bytes before the edge that the start of such a comment needs; None if the segment
    is too long for the space between two edges.
    """
    comment_start = len(jpeg.segment(jpeg.COM, b""))
    for _ in range(2):
        if not EDGES.intersection(range(len(head), len(head + segment) + comment_start)):
            return head + segment
        edge = min(offset for offset in EDGES if offset >= len(head))
        head += jpeg.segment(jpeg.COM, b" " * (edge + 2 - len(head) - comment_start))
    return None


def _steered_scan(blocks: Sequence[Block], tables: Tables, steps: Sequence[Sequence[int]], start: int) -> bytes | None:
    """Encode the scan so that it has a space at every edge; None if the search runs dry."""
    tracks = [Track(start)]
    for block in blocks:
        tracks = _with_block(tracks, block, tables, steps[block.family])
    for track in tracks:
        padding = -track.pending[1] % 8
        ended = track.appended(((1 << padding) - 1, padding))
        if ended:
            return ended.data
    return None


def _with_block(tracks: Sequence[Track], block: Block, tables: Tables, steps: Sequence[int]) -> list[Track]:
    """Add a block to all tracks: as it is where no edge is near, and in many ways where one is."""
    table = tables.ac[block.family]
    last = max((place for place in range(64) if block.values[place]), default=0)
    code = tables.ac_code(block.family, block.values[: last + 1])
    assert code is not None, "the tables were made for this block"
    reach = code[1] // 8 + 4
    done: list[Track] = []
    near = []
    for track in tracks:
        if track.near_edge(reach):
            near.append(track)
            continue
        whole = track.with_mean(block.component, block.values[0], tables)
        whole = whole and whole.appended(code)
        if whole:
            done += whole.ended(63 - last, table)
    done += _step_by_step(near, block, tables, steps, min(63, last + TAIL))
    return _cheapest(done)


def _step_by_step(
    tracks: Sequence[Track], block: Block, tables: Tables, steps: Sequence[int], last: int
) -> Iterator[Track]:
    """Add a block value by value, changing those that come to lie on an edge; the values after `last` stay zero."""
    table = tables.ac[block.family]
    for place, value in enumerate(block.values[: last + 1]):
        following = []
        for track in tracks:
            for other in _choices(value) if track.near_edge(REACH) else (value,):
                cost = ((other - value) * steps[place]) ** 2
                if place:
                    added = track.with_value(other, table, cost)
                else:
                    added = track.with_mean(block.component, other, tables, cost)
                if added:
                    following.append(added)
        tracks = _cheapest(following)
    for track in tracks:
        yield from track.ended(63 - last + track.zeros, table)


def _choices(value: int) -> Iterable[int]:
    """What to write in place of a value: one near it, or one whose code is short."""
    return {*range(value - 2, value + 3), *range(-3, 4)}


def _cheapest(tracks: Iterable[Track]) -> list[Track]:
    """The best track to each place, and of these the `BEAM` best."""
    best: dict[tuple[int, int, tuple[int, ...], int], Track] = {}
    for track in tracks:
        future = track.future
        if future not in best or track.cost < best[future].cost:
            best[future] = track
    return sorted(best.values(), key=lambda track: track.cost)[:BEAM]
