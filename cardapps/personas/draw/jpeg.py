"""A baseline JPEG encoder, small enough to say where every byte comes to lie.

Standard: ITU-T T.81 | ISO/IEC 10918-1 (sections are given where they matter), in the JFIF 1.02 wrapping, with the
colour halved in both directions. An encoder of our own rather than Pillow's because the pictures must have exact
sizes, come out the same with every version of Pillow, and one of them needs its entropy-coded bytes chosen
(`edges`).
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image

from ecitizen.errors import UsageError

from .sheet import HEIGHT, WIDTH

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
APP0, COM, DQT, SOF0, DHT, SOS = 0xE0, 0xFE, 0xDB, 0xC0, 0xC4, 0xDA

END_OF_BLOCK, SIXTEEN_ZEROS = 0x00, 0xF0
"""AC symbols with a meaning of their own (T.81 F.1.2.2)."""

# Quantisation for quality 50, row by row: T.81 Annex K, tables K.1 (light) and K.2 (colour).
LIGHT_STEPS = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
COLOUR_STEPS = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)

# T.81 figure A.6: the diagonals, walked to and fro.
ZIGZAG = tuple(sorted(range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8)))

COSINES = tuple(
    tuple((math.sqrt(0.125) if u == 0 else 0.5) * math.cos((2 * x + 1) * u * math.pi / 16) for x in range(8))
    for u in range(8)
)

Spectrum = Sequence[tuple[int, Sequence[float]]]
"""The blocks of a picture in the order of the scan: component (0 light, 1 and 2 colour), 64 values in zigzag order."""

Bits = tuple[int, int]
"""A bit string: its value and its length."""


@dataclass(frozen=True, slots=True)
class Block:
    """Eight by eight samples of one component, transformed and rounded to quantisation steps."""

    component: int
    values: tuple[int, ...]
    """64 numbers in zigzag order; the first is the mean."""

    @property
    def family(self) -> int:
        """Which tables the block uses: 0 light, 1 colour."""
        return min(self.component, 1)


def spectrum(image: Image.Image) -> Spectrum:
    """Transform a picture whose sides are multiples of 16."""
    light, *colours = image.convert("YCbCr").split()
    halves = [plane.reduce(2) for plane in colours]
    blocks = []
    for top in range(0, image.height, 16):
        for left in range(0, image.width, 16):
            for y, x in ((top, left), (top, left + 8), (top + 8, left), (top + 8, left + 8)):
                blocks.append((0, _transform(light, x, y)))
            for number, plane in enumerate(halves, 1):
                blocks.append((number, _transform(plane, left // 2, top // 2)))
    return blocks


def _transform(plane: Image.Image, left: int, top: int) -> list[float]:
    """The two-dimensional DCT of one block (T.81 A.3.3), rows first, then columns."""
    samples = plane.crop((left, top, left + 8, top + 8)).tobytes()
    rows = [[sum((samples[8 * y + x] - 128) * wave[x] for x in range(8)) for wave in COSINES] for y in range(8)]
    values = [sum(rows[y][u] * wave[y] for y in range(8)) for wave in COSINES for u in range(8)]
    return [values[at] for at in ZIGZAG]


def quantisation(quality: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The step sizes (light, colour) in zigzag order for a quality of 1 to 100, scaled as everybody does."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    light, colour = (
        tuple(max(1, min(255, (steps[at] * scale + 50) // 100)) for at in ZIGZAG)
        for steps in (LIGHT_STEPS, COLOUR_STEPS)
    )
    return light, colour


def quantised(blocks: Spectrum, steps: Sequence[Sequence[int]]) -> list[Block]:
    """Round a spectrum to quantisation steps."""
    return [
        Block(component, tuple(round(v / s) for v, s in zip(values, steps[min(component, 1)], strict=True)))
        for component, values in blocks
    ]


# Entropy coding


def magnitude(value: int) -> Bits:
    """The extra bits that tell a value from the others of its size (T.81 F.1.2.1); their number is that size."""
    size = abs(value).bit_length()
    return (value if value >= 0 else value + (1 << size) - 1), size


def ac_symbols(values: Sequence[int]) -> Iterator[tuple[int, Bits]]:
    """The symbols, each with its extra bits, of all values of a block but the first."""
    zeros = 0
    for value in values[1:]:
        if not value:
            zeros += 1
            continue
        for _ in range(zeros // 16):
            yield SIXTEEN_ZEROS, (0, 0)
        extra = magnitude(value)
        yield zeros % 16 << 4 | extra[1], extra
        zeros = 0
    if zeros:
        yield END_OF_BLOCK, (0, 0)


@dataclass(frozen=True, slots=True)
class HuffmanTable:
    """A prefix code for the symbols that a picture has."""

    lengths: Mapping[int, int]
    """Code length in bits by symbol, 16 at most."""
    codes: Mapping[int, Bits]

    @classmethod
    def fitted(cls, counts: Counter[int]) -> "HuffmanTable":
        """Make the best code for symbols of the given frequencies."""
        while max((lengths := _code_lengths(counts)).values()) > 16:
            counts = Counter({symbol: (count + 1) // 2 for symbol, count in counts.items()})
        codes, code, previous = {}, 0, 0
        for symbol, length in sorted(lengths.items(), key=lambda item: (item[1], item[0])):
            code <<= length - previous
            codes[symbol] = (code, length)
            code, previous = code + 1, length
        return cls(lengths, codes)

    def code(self, symbol: int, extra: Bits) -> Bits | None:
        """A symbol and its extra bits as they stand in the scan, or None if the table has no such symbol."""
        found = self.codes.get(symbol)
        return found and (found[0] << extra[1] | extra[0], found[1] + extra[1])

    def described(self) -> bytes:
        """The table as a DHT segment has it: how many codes of each length, then the symbols in that order."""
        per_length = Counter(self.lengths.values())
        return bytes(per_length[length] for length in range(1, 17)) + bytes(self.codes)


def _code_lengths(counts: Counter[int]) -> dict[int, int]:
    """Huffman's algorithm, with one symbol more so that no code is all ones (T.81 K.2)."""
    spare = -1
    heap: list[tuple[int, list[int]]] = [(count, [symbol]) for symbol, count in sorted(counts.items())]
    heap.append((0, [spare]))
    heapq.heapify(heap)
    lengths = dict.fromkeys([*counts, spare], 0)
    while len(heap) > 1:
        (less, rare), (more, common) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in (*rare, *common):
            lengths[symbol] += 1
        heapq.heappush(heap, (less + more, rare + common))
    del lengths[spare]  # it was one of the longest, so its code was the last: the one that is all ones
    return lengths


@dataclass(frozen=True, slots=True)
class Tables:
    """The four codes of a picture: by family (0 light, 1 colour), for means and for the rest."""

    dc: tuple[HuffmanTable, HuffmanTable]
    ac: tuple[HuffmanTable, HuffmanTable]

    @classmethod
    def fitted(cls, blocks: Sequence[Block]) -> "Tables":
        """Make the best codes for these blocks."""
        dc: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        always = (END_OF_BLOCK, SIXTEEN_ZEROS)
        ac: tuple[Counter[int], Counter[int]] = (Counter(always), Counter(always))
        for component in range(3):
            means = [0, *(block.values[0] for block in blocks if block.component == component)]
            dc[min(component, 1)].update(magnitude(after - before)[1] for before, after in pairwise(means))
        for block in blocks:
            ac[block.family].update(symbol for symbol, _ in ac_symbols(block.values))
        return cls(
            (HuffmanTable.fitted(dc[0]), HuffmanTable.fitted(dc[1])),
            (HuffmanTable.fitted(ac[0]), HuffmanTable.fitted(ac[1])),
        )

    def dc_code(self, family: int, difference: int) -> Bits | None:
        """The code for the step from one mean to the next, or None if these tables have none."""
        extra = magnitude(difference)
        return self.dc[family].code(extra[1], extra)

    def ac_code(self, family: int, values: Sequence[int]) -> Bits | None:
        """The code for all values of a block but the first, or None if these tables have none."""
        bits, length = 0, 0
        for symbol, extra in ac_symbols(values):
            code = self.ac[family].code(symbol, extra)
            if code is None:
                return None
            bits, length = bits << code[1] | code[0], length + code[1]
        return bits, length


def scan(blocks: Sequence[Block], tables: Tables) -> bytes:
    """The entropy-coded bytes of a picture, with the zero byte stuffed after each FF (T.81 F.1.2.3)."""
    bits: list[str] = []
    means = [0, 0, 0]
    for block in blocks:
        difference = block.values[0] - means[block.component]
        means[block.component] = block.values[0]
        for code in (tables.dc_code(block.family, difference), tables.ac_code(block.family, block.values)):
            assert code is not None, "the tables were made for these blocks"
            value, length = code
            bits.append(f"{value:0{length}b}" if length else "")
    joined = "".join(bits)
    joined += "1" * (-len(joined) % 8)
    return int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\x00")


# The file


def segment(marker: int, body: bytes) -> bytes:
    """A marker segment: FF, the marker, a two-byte length that counts itself, the body (T.81 B.1.1.4)."""
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


JFIF = segment(APP0, b"JFIF\0" + bytes((1, 2, 0, 0, 1, 0, 1, 0, 0)))
"""JFIF 1.02: pixels are square, there is no thumbnail."""

SCAN_HEADER = segment(SOS, bytes((3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0)))


def table_segments(steps: Sequence[Sequence[int]], tables: Tables) -> list[bytes]:
    """All that a decoder has to know before the scan, a segment for each table."""
    size = HEIGHT.to_bytes(2, "big") + WIDTH.to_bytes(2, "big")
    return [
        *(segment(DQT, bytes((family, *steps[family]))) for family in (0, 1)),
        segment(SOF0, b"\x08" + size + bytes((3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1))),
        *(segment(DHT, bytes((family,)) + tables.dc[family].described()) for family in (0, 1)),
        *(segment(DHT, bytes((0x10 | family,)) + tables.ac[family].described()) for family in (0, 1)),
    ]


def compressed(image: Image.Image, size: int, comment: bytes) -> bytes:
    """Compress a picture as well as `size` bytes allow, filling up to exactly that with spaces after the comment.

    `image` has the size `sheet.CANVAS`; the comment becomes a COM segment before all tables. Raise UsageError if
    the picture doesn't fit.
    """
    blocks = spectrum(image)
    for quality in range(96, 20, -1):
        steps = quantisation(quality)
        rounded = quantised(blocks, steps)
        tables = Tables.fitted(rounded)
        after = [*table_segments(steps, tables), SCAN_HEADER, scan(rounded, tables), EOI]
        room = size - len(SOI + JFIF + segment(COM, b"")) - sum(map(len, after))
        if room >= len(comment):
            return b"".join([SOI, JFIF, segment(COM, comment.ljust(room)), *after])
    raise UsageError(f"this picture needs more than {size} bytes; make it plainer")
