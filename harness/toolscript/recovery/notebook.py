"""Decides which recorded runs an executed notebook names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from toolscript.errors import ConfigError, Json


def recorded_runs(path: Path) -> tuple[str, ...]:
    """Return the ids of the runs in the output metadata of a notebook, in the order of its cells.

    The metadata names runs and holds what their calls gave, but not a whole tape (inputs, seed, clock, the order of
    settlements): the journals are needed too. Raises ConfigError for what is no notebook, or names no run.
    """
    try:
        notebook: Json = json.loads(path.read_bytes())
        cells = notebook["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no notebook: {error}") from None
    found = tuple(dict.fromkeys(_run_ids([output.get("metadata") for c in cells for output in c.get("outputs", ())])))
    if not found:
        raise ConfigError(f"{path} names no recorded run: execute it with the toolscript kernel first")
    return found


def _run_ids(value: Json) -> Iterator[str]:
    match value:
        case {"runId": str(run_id)} if run_id:
            yield run_id
        case dict():
            for item in value.values():
                yield from _run_ids(item)
        case list():
            for item in value:
                yield from _run_ids(item)
