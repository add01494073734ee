"""Large and adversarial input costs work in proportion to its size; the work is counted, not timed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from toolscript.errors import ToolError
from toolscript_tools.patch import Chunk, StreamingParser, update
from toolscript_tools.patch.edits import Edit, refined, spliced
from toolscript_tools.patch.seek import Seeker
from toolscript_tools.patch.update import _Placer

Case = Callable[[int], tuple[list[bytes], list[Chunk]]]


def fuzzy_chunks_far_from_the_end(size: int) -> tuple[list[bytes], list[Chunk]]:
    # Each is found by the last pass only, right ahead; a plain search would read to the end three times for each.
    return [f" a–{n}".encode() for n in range(size)], [Chunk(None, (f"a-{n}",), ("x",)) for n in range(size)]


def almost_equal_lines(size: int) -> tuple[list[bytes], list[Chunk]]:
    # A plain search compares the whole block at every position.
    return [b"x"] * (2 * size) + [b"y"], [Chunk(None, ("x",) * size + ("y",), ("z",))]


def nested_blocks_that_stand_nowhere_ahead(size: int) -> tuple[list[bytes], list[Chunk]]:
    width = int(size**0.5)
    lines = [b"x"] * size + [b"y"] * width
    found = [Chunk(None, ("y",), ("z",)) for _ in range(width)]
    return lines, [*found[:-1], Chunk(None, ("x",) * width, ("z",))]


def many_contexts(size: int) -> tuple[list[bytes], list[Chunk]]:
    lines = [line for n in range(size) for line in (f"def f{n}():".encode(), b"  pass  ")]
    return lines, [Chunk(f"def f{n}():", ("  pass",), ("  return",)) for n in range(size)]


def blank_line_after_each_chunk(size: int) -> tuple[list[bytes], list[Chunk]]:
    return [f"{n}".encode() for n in range(size)], [Chunk(None, (f"{n}", ""), ("x", "")) for n in range(size)]


CASES: list[Case] = [
    fuzzy_chunks_far_from_the_end,
    almost_equal_lines,
    nested_blocks_that_stand_nowhere_ahead,
    many_contexts,
    blank_line_after_each_chunk,
]


def work(case: Case, size: int) -> tuple[int, int]:
    lines, chunks = case(size)
    placer = _Placer(lines, chunks, "f", preserve=True)
    try:
        placer.places()
    except ToolError:
        assert case is nested_blocks_that_stand_nowhere_ahead
    return placer.seeker.steps, len(lines) + sum(len(chunk.old) + 1 for chunk in chunks)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_work_is_bounded_by_a_multiple_of_the_input(case: Case) -> None:
    for size in (500, 8_000):
        steps, given = work(case, size)
        assert steps <= 24 * given


def test_a_block_that_is_known_ahead_is_found_without_looking_further() -> None:
    seeker = Seeker([b"a", b"b"] + [b"c"] * 1_000, [(b"b",)])
    seeker.find((b"b",), 0)
    swept = seeker.steps

    seeker.find((b"b",), 0)

    assert seeker.steps - swept < 10


def test_a_patch_that_streams_in_small_pieces_is_taken_line_by_line() -> None:
    parser = StreamingParser()
    for piece in ["*** Begin Patch\n", "*** Add File: a\n", *["+x\n"] * 50_000, "*** End Patch"]:
        parser.push(piece)

    (hunk,) = parser.finish()
    assert len(hunk.content) == 100_000  # type: ignore[union-attr]


def test_a_description_costs_no_more_than_its_budget() -> None:
    old = [b"%d\n" % (n % 7) for n in range(200)]
    new = [b"%d\n" % (n % 11) for n in range(200)]

    exact, rough = (
        refined(old, [Edit(0, len(old), tuple(new))]),
        refined(old, [Edit(0, len(old), tuple(new))], steps=99),
    )

    assert spliced(old, exact) == spliced(old, rough) == new
    assert len(rough) == 1 < len(exact)


@pytest.mark.slow
def test_a_large_patch_of_a_large_file_goes_through() -> None:
    # The sizes promised: 200 MB of file, 10 MB of patch.
    count = 2_500_000
    content = b"".join(b"%07d %s\n" % (n, b"." * 71) for n in range(count))
    chunks = [Chunk(None, (f"{n:07d} {'.' * 71}",), (f"{n:07d} {'!' * 20}",)) for n in range(0, count, 25)]

    updated = update(content, chunks, "f")

    assert len(content) >= 200_000_000
    assert len(updated.edits) == 100_000
    assert len(updated.content) == len(content) - 100_000 * 51
