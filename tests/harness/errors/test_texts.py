"""Messages speak in units that people read, and name a place in the author's own numbering, once."""

from __future__ import annotations

import pytest

from toolscript import units
from toolscript.errors import (
    CallsExceeded,
    ConfigError,
    GuestTimeExceeded,
    HeapExceeded,
    Position,
    ScriptFormatError,
    ScriptSyntaxError,
    SourceTooLarge,
    UnsupportedTypeScript,
)
from toolscript.language.blank import blank
from toolscript.language.parser import parse
from toolscript.limits import MIB, Limits


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1 KB"), (20 * 1024, "20 KB"), (1536 * 1024, "1.5 MB"),
        (16 * MIB, "16 MB"), (MIB - 1, "1 MB"), (3 * 1024**3, "3 GB"), (5_000 * 1024**4, "5,000 TB"),
    ],
)  # fmt: skip
def test_bytes_are_told_in_the_unit_that_fits(count, told):
    assert units.size(count) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (HeapExceeded(16 * MIB, 16 * MIB), "heap limit of 16 MB reached"),
        (SourceTooLarge(20 * 1024, 30_000), "source size limit of 20 KB reached (used 29.3 KB)"),
        (SourceTooLarge(20 * 1024, 20 * 1024 + 1), "source size limit of 20 KB reached (used 20,481 bytes)"),
        (GuestTimeExceeded(0.25, 1.5), "guest time limit of 0.25 s reached (used 1.5 s)"),
        (CallsExceeded(2_000_000), "tool calls limit of 2,000,000 reached"),
    ],
)
def test_a_limit_is_told_without_powers_of_ten(error, told):
    assert error.message == told


def test_a_limit_that_cannot_be_raised_is_told_in_its_unit():
    with pytest.raises(ConfigError, match="not raised: 32 MB > 16 MB"):
        Limits().tightened({"heap_bytes": 32 * MIB})


@pytest.mark.parametrize("source", ["", "// nothing\n", '{"tool": "exec"}', "Please list the files here"])
def test_whoever_writes_a_file_or_a_cell_hears_nothing_of_tags(source):
    with pytest.raises(ScriptFormatError) as caught:
        parse(source, Limits())

    assert "tools.exec(" in caught.value.message
    assert "tool-calls" not in caught.value.message
    assert "tags" not in caught.value.message


def test_a_place_is_told_once_so_that_a_face_can_number_lines_as_its_author_does():
    with pytest.raises(ScriptSyntaxError) as unclosed:
        blank("\n\nf(1, 2\nb()")
    with pytest.raises(UnsupportedTypeScript) as unsupported:
        blank("\n\nenum A { B }")

    assert unclosed.value.position == Position(4, 1)
    assert unsupported.value.position == Position(3, 1)
    assert " line 3" not in unclosed.value.message and " line 4" not in unclosed.value.message
    assert "line" not in unsupported.value.message
