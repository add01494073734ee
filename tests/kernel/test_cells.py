from __future__ import annotations

import pytest

from toolscript.errors import ConfigError
from toolscript_kernel import namespace, options
from toolscript_kernel.cells import Cell, Command, Kind, is_injected, read


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("Find the TODOs", Kind.TURN),
        ("What is this?", Kind.TURN),
        ("Why?", Kind.TURN),
        ("# A heading\nthen a prompt", Kind.TURN),
        ("100% of it, please", Kind.TURN),
        ("% is a sign", Kind.TURN),
        ("! really", Kind.IPYTHON),
        ("!ls", Kind.IPYTHON),
        ("%pip list", Kind.IPYTHON),
        ("%%time\nx = 1", Kind.IPYTHON),
        ("?print", Kind.IPYTHON),
        ("known?", Kind.IPYTHON),
        ("known.attribute??", Kind.IPYTHON),
        ("%%toolscript\nreturn 1", Kind.SCRIPT),
        ("\n\n%%toolscript --dry-run\nreturn 1", Kind.SCRIPT),
        ("%%toolscripts\nreturn 1", Kind.IPYTHON),
        ("%%py\n1 + 1", Kind.PYTHON),
        ("%%agent critic\nlook", Kind.TURN),
        ("", Kind.EMPTY),
        ("  \n\t", Kind.EMPTY),
    ],
)
def test_the_first_line_says_who_takes_a_cell(code: str, kind: Kind):
    assert read(code, defined=lambda name: name == "known").kind is kind


@pytest.mark.parametrize(
    ("code", "injected"),
    [
        ("# Parameters\nx = 3\n", True),
        ('# Parameters\nx = {"a": [1, None]}\ny = float("nan")\nz: int = 4', True),
        ("\n# Parameters\nx = 3", True),
        ("# Parameters", False),
        ("# Parameters\nExplain them", False),
        ("# Parameters\nx = 3\nExplain why", False),
        ("# Parameters\nx == 3", False),
        ("# Parameters of the model\nx = 3", False),
        ("## Parameters\nx = 3", False),
        ("Take these:\n# Parameters\nx = 3", False),
        ("x = 3", False),
        ("%agent critic\n# Parameters\nx = 3", False),
        ("%%agent critic\n# Parameters\nx = 3", False),
        ("%%toolscript\n# Parameters\nx = 3", False),
        ("# Parameters\nx = '\0'", False),
        ("# Parameters\nx = " + "(" * 5_000, False),
    ],
)
def test_only_what_papermill_writes_is_taken_for_injected_parameters(code: str, injected: bool):
    assert is_injected(read(code)) is injected


def test_both_spellings_of_limits_mean_the_same():
    one, other = options.read("--limit calls=1 --limit wall_seconds=2"), options.read("--limits calls=1,wall_seconds=2")
    assert one.limits == other.limits == {"calls": 1, "wall_seconds": 2}


def test_a_script_keeps_its_options_and_where_it_stands_in_the_cell():
    assert read("\n%%toolscript --param a=1  \nx\ny") == Cell(
        kind=Kind.SCRIPT, magic="toolscript", body="x\ny", options="--param a=1", offset=2
    )


def test_python_keeps_the_line_numbers_of_the_cell():
    assert read("%%py\nx = 1\n").body == "\nx = 1\n"


def test_commands_above_a_prompt_are_taken_off_it():
    assert read("%agent critic\n%toolscript allow exec ls\n\nLook at this\n  and that") == Cell(
        kind=Kind.TURN,
        body="Look at this\n  and that",
        offset=3,
        commands=(
            Command(magic="agent", arguments="critic", line=1),
            Command(magic="toolscript", arguments="allow exec ls", line=2),
        ),
    )


def test_a_cell_of_commands_alone_is_nothing_else():
    assert read("%toolscript status\n").kind is Kind.EMPTY


def test_all_options_of_a_script_cell():
    text = """--param a=1 --param b=word --param 'c={"d": [true]}' --in x --in y --out z --dry-run --policy never
              --limits calls=5,guest-seconds=0.5 --limits wall_seconds=10 --tools readFile,mcp.git.*"""
    assert options.read(text) == options.ScriptOptions(
        params={"a": 1, "b": "word", "c": {"d": [True]}},
        inputs=("x", "y"),
        output="z",
        dry_run=True,
        policy="never",
        limits={"calls": 5, "guest_seconds": 0.5, "wall_seconds": 10},
        tools=("readFile", "mcp.git.*"),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("--parm a=1", "unrecognized arguments: --parm a=1"),
        ("--param a", "'a' is not NAME=VALUE"),
        ("--param 'a={'", "begins like JSON and is none"),
        ("--in 2x", "'2x' is not the name of a Python variable"),
        ("--out class", "'class' is not the name of a Python variable"),
        ("--out __builtins__:frame", "'__builtins__' is not the name of a Python variable"),
        ("--limits cals=1", "there is no limit 'cals'; limits are source_bytes"),
        ("--limits calls=many", "limit calls needs a number, got 'many'"),
        ("--policy maybe", "invalid choice: 'maybe'"),
        ("--param 'a=1", "no closing quotation"),
        ("extra", "unrecognized arguments: extra"),
    ],
)
def test_a_wrong_option_says_what_is_wrong(text: str, says: str):
    with pytest.raises(ConfigError) as error:
        options.read(text)
    assert error.value.message.startswith("%%toolscript: ")
    assert says in error.value.message


def test_python_values_cross_as_json():
    from dataclasses import dataclass
    from datetime import date
    from enum import Enum
    from pathlib import Path

    class Colour(Enum):
        RED = "red"

    @dataclass
    class Point:
        x: int

    value = {1: (True, None, 2.5), "d": date(2026, 1, 2), "p": Path("a/b"), "c": Colour.RED, "o": Point(3), "s": {2, 1}}
    assert namespace.taken({"v": value}, ["v"]) == {
        "v": {"1": [True, None, 2.5], "d": "2026-01-02", "p": "a/b", "c": "red", "o": {"x": 3}, "s": [1, 2]}
    }


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1, object()], "--in: v[1] is a object, which JSON cannot carry"),
        ({"a": float("nan")}, "--in: v['a'] is nan, which JSON cannot carry"),
        (2**60, "beyond what a script's numbers hold; pass a text"),
        ({(1, 2): 3}, "a key of v is a tuple"),
    ],
)
def test_a_value_that_cannot_cross_is_named(value: object, says: str):
    with pytest.raises(ConfigError) as error:
        namespace.taken({"v": value}, ["v"])
    assert says in error.value.message


def test_a_name_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="there is no Python value 'v'"):
        namespace.taken({}, ["v"])


def test_a_table_crosses_both_ways_with_its_types():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "n": [1, 2],
            "x": [0.5, 0.1],
            "t": pandas.to_datetime(["2026-01-02T03:04:05Z", None]),
            "s": ["a", None],
            "b": [True, False],
        }
    )
    records = namespace.to_json(frame, "frame")
    back = namespace.to_frame(records)

    assert records[1] == {"n": 2, "x": 0.1, "t": None, "s": None, "b": False}
    assert [str(back[name].dtype) for name in "nxsb"] == ["Int64", "Float64", "string", "boolean"]
    assert back["t"][0] == frame["t"][0]
    assert back["n"].sum() == 3


@pytest.mark.parametrize("value", [1, None, ["a"], {"a": 1}])
def test_what_is_no_table_is_not_made_one(value: object):
    with pytest.raises(ConfigError, match="a list of objects"):
        namespace.to_frame(value)
