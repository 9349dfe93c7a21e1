from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.usecases.read_plan import BRIDGE, Span, SparseBytes, plan_reads, widen

SPANS = st.lists(
    st.builds(lambda start, length: Span(start, start + length), st.integers(0, 2000), st.integers(1, 600)), max_size=8
)
LONGEST = st.integers(1, BRIDGE)


def bytes_of(spans: list[Span]) -> set[int]:
    return {at for start, end in spans for at in range(start, end)}


def fewest(wanted: set[int], longest: int) -> int:
    """The least number of windows of `longest` bytes that cover all: each begins at the first byte not yet covered."""
    count, covered = 0, -1
    for at in sorted(wanted):
        if at > covered:
            count, covered = count + 1, at + longest - 1
    return count


def test_neighbours_are_read_together() -> None:
    assert plan_reads([Span(4, 17), Span(17, 117), Span(117, 217)], 255) == [Span(4, 217)]
    assert plan_reads([Span(0, 4), Span(217, 225)], 255) == [Span(0, 225)]


def test_what_is_too_far_away_is_read_apart() -> None:
    assert plan_reads([Span(0, 4), Span(300, 308)], 255) == [Span(0, 4), Span(300, 308)]
    assert plan_reads([Span(0, 377), Span(5497, 5671)], 32767) == [Span(0, 377), Span(5497, 5671)]


def test_the_thai_record() -> None:
    """All text of layout 0003: three reads of at most 255 bytes (thai-card.md, 3.2)."""
    assert plan_reads([Span(0, 377), Span(5497, 5671)], 255) == [Span(0, 255), Span(255, 377), Span(5497, 5671)]
    photo = Span(379, 5497)
    reads = widen([Span(0, 255), Span(255, 377), Span(5497, 5671)], photo, 255)
    assert reads == [Span(0, 255), Span(255, 510), Span(5416, 5671)]
    assert plan_reads([*reads, photo], 255)[-1].end == 5671
    assert len(plan_reads([Span(510, 5416)], 255)) == 20


def test_nothing_wanted_is_nothing_read() -> None:
    assert plan_reads([], 255) == []
    assert widen([], Span(0, 10), 255) == []


@settings(deadline=None)
@given(SPANS, LONGEST)
def test_the_plan_covers_all_in_the_fewest_reads(wanted: list[Span], longest: int) -> None:
    reads = plan_reads(wanted, longest)
    assert bytes_of(wanted) <= bytes_of(reads)
    assert all(0 < end - start <= longest for start, end in reads)
    assert reads == sorted(reads)
    assert sum(end - start for start, end in reads) == len(bytes_of(reads))  # no byte twice
    assert len(reads) == fewest(bytes_of(wanted), longest)


@settings(deadline=None)
@given(SPANS, st.integers(1, 40000))
def test_long_reads_cover_all_too_and_bridge_only_small_gaps(wanted: list[Span], longest: int) -> None:
    reads = plan_reads(wanted, longest)
    assert bytes_of(wanted) <= bytes_of(reads)
    assert all(0 < end - start <= longest for start, end in reads)
    assert len(bytes_of(reads) - bytes_of(wanted)) <= BRIDGE * max(len(wanted) - 1, 0)


@settings(deadline=None)
@given(SPANS, st.integers(0, 2000), st.integers(1, 900), LONGEST)
def test_widening_costs_no_read(wanted: list[Span], start: int, length: int, longest: int) -> None:
    reads, bonus = plan_reads(wanted, longest), Span(start, start + length)
    wider = widen(reads, bonus, longest)
    assert len(wider) == len(reads)
    for read, grown in zip(reads, wider, strict=True):
        assert grown.start <= read.start
        assert read.end <= grown.end
        assert grown.end - grown.start <= longest
        assert bytes_of([grown]) - bytes_of([read]) <= set(
            range(min(read.start, bonus.start), max(read.end, bonus.end))
        )


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=20)), max_size=8), st.integers(0, 80), st.integers(1, 30)
)
def test_a_sparse_record_is_a_table_of_known_bytes(pieces: list[tuple[int, bytes]], start: int, length: int) -> None:
    record, table = SparseBytes(), dict[int, int]()
    for offset, data in pieces:
        record.put(offset, data)
        table.update(enumerate(data, offset))
    span = Span(start, start + length)
    known = [at for at in range(*span) if at in table]
    assert record.get(span) == (bytes(table[at] for at in known) if len(known) == length else None)
    first_gap = next((at for at in range(*span) if at not in table), span.end)
    assert record.prefix(span) == bytes(table[at] for at in range(start, first_gap))
    gaps = record.gaps(span)
    assert bytes_of(gaps) == set(range(*span)) - table.keys()
    assert all(before.end < after.start for before, after in pairwise(gaps))
