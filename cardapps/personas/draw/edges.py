"""One portrait that is hard on readers: a space (20) on both sides of every edge between two chunks.

A reader that strips padding from each chunk it gets, rather than from the whole photo, loses bytes of this picture.
Before the scan, comments full of spaces lie over the edges. Inside the scan there is no room for comments: there
the picture itself is changed, by single quantisation steps that nobody sees, until its code has spaces at the
edges. The search keeps many encodings alive at once and drops those that miss (a beam search).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
BEAM = 600
"""How many encodings are kept alive on the way to an edge."""
REACH = 70
"""How many bytes before an edge the picture may be changed."""
TAIL = 4
"""How many zeros after the last other value of a block may be changed."""


def chunk_edges(length: int) -> frozenset[int]:
    """The offsets next to an edge, in a photo of so many bytes.

    For chunks counted from the start of the photo, and for chunks counted from the start of the record.
    """
    firsts = [*range(CHUNK_LEN, length, CHUNK_LEN), *range(-PHOTO_OFFSET % CHUNK_LEN, length, CHUNK_LEN)]
    return frozenset(offset for first in firsts for offset in (first - 1, first))


EDGES = chunk_edges(PHOTO_LEN)


@dataclass(frozen=True, slots=True)
class Track:
    """One way to encode the picture so far."""

    cost: int = 0
    """How far the picture was changed: squared quantisation steps."""
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

    def appended(self, start: int, code: Bits | None) -> "Track | None":
        """Add a code to the scan that begins at offset `start`.

        None if there is no such code, or if an edge doesn't get its space.
        """
        if code is None:
            return None
        bits, count = self.pending[0] << code[1] | code[0], self.pending[1] + code[1]
        fresh = bytearray()
        position = start + len(self.data)
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
        return Track(self.cost, self.data + fresh if fresh else self.data, (bits, count), self.means, self.zeros)


def portrait_with_edges(image: Image.Image, size: int) -> bytes:
    """Compress a picture to about `size` bytes, with spaces around all edges; raise UsageError if that can't be."""
    blocks = jpeg.spectrum(image)
    for quality in range(88, 30, -4):
        steps = jpeg.quantisation(quality)
        rounded = jpeg.quantised(blocks, steps)
        tables = Tables.fitted(rounded)
        scan_len = len(jpeg.scan(rounded, tables))
        head = _head(jpeg.table_segments(steps, tables), size - scan_len - len(jpeg.EOI))
        scan = head and _steered_scan(rounded, tables, steps, len(head))
        if head and scan and not EDGES & {len(head + scan), len(head + scan) + 1}:
            return head + scan + jpeg.EOI
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
    tracks = [Track()]
    for block in blocks:
        position = start + min(len(track.data) for track in tracks)
        near = not EDGES.isdisjoint(range(position, position + REACH))
        tracks = _with_block(tracks if near else tracks[:1], block, tables, steps[block.family], start, free=near)
        if not tracks:
            print('died', position, len([v for v in block.values if v]), block.values); return None
    for track in tracks:
        padding = -track.pending[1] % 8
        ended = track.appended(start, ((1 << padding) - 1, padding))
        if ended:
            return ended.data
    return None


def _with_block(
    tracks: list[Track], block: Block, tables: Tables, steps: Sequence[int], start: int, *, free: bool
) -> list[Track]:
    """Add a block to all tracks: as it is, and if it is `free`, with each value one step off as well."""
    values, family = block.values, block.family
    last = max((place for place in range(64) if values[place]), default=0)
    reach = min(63, last + TAIL if free else last)
    for place in range(reach + 1):
        following = []
        was = values[place]
        choices = {was, was - 1, was + 1, *(range(-3, 4) if place else ())} if free else {was}
        for track in tracks:
            for value in choices:
                if place == 0:
                    added = _with_mean(track, block.component, value, tables, start)
                else:
                    added = _with_value(track, value, tables.ac[family], start)
                if added:
                    following.append(added if value == was else Track(added.cost + ((value - was) * steps[place]) ** 2, added.data, added.pending, added.means, added.zeros))
        tracks = _cheapest(following)
    if reach == 63:
        done = [track for track in tracks if not track.zeros]
        tracks = [track for track in tracks if track.zeros]
    else:
        done = []
    end = tables.ac[family].code(jpeg.END_OF_BLOCK, (0, 0))
    ended = (track.appended(start, end) for track in tracks)
    return _cheapest([*done, *(replace(track, zeros=0) for track in ended if track)])


def _with_mean(track: Track, component: int, mean: int, tables: Tables, start: int) -> Track | None:
    """Add the first value of a block."""
    added = track.appended(start, tables.dc_code(min(component, 1), mean - track.means[component]))
    means = (*track.means[:component], mean, *track.means[component + 1 :])
    return added and replace(added, means=means)


def _with_value(track: Track, value: int, table: HuffmanTable, start: int) -> Track | None:
    """Add one of the other values."""
    if not value:
        return Track(track.cost, track.data, track.pending, track.means, track.zeros + 1)
    added: Track | None = track
    for _ in range(track.zeros // 16):
        added = added and added.appended(start, table.code(jpeg.SIXTEEN_ZEROS, (0, 0)))
    extra = jpeg.magnitude(value)
    added = added and added.appended(start, table.code(track.zeros % 16 << 4 | extra[1], extra))
    return added and replace(added, zeros=0)


def _cheapest(tracks: Sequence[Track]) -> list[Track]:
    """The best track to each place, and of these the `BEAM` best."""
    best: dict[tuple[int, int, tuple[int, ...], int], Track] = {}
    for track in tracks:
        future = track.future
        if future not in best or track.cost < best[future].cost:
            best[future] = track
    return sorted(best.values(), key=lambda track: track.cost)[:BEAM]
