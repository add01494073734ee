"""The static record of a cell: what stays in the saved notebook, in every form that a page may show."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from toolscript.errors import Json
from toolscript.journal.redact import Redactor, mapped, secret_values
from toolscript_kernel.record import html, inert, markdown, text
from toolscript_kernel.record.sheet import Sheet, sheet
from toolscript_kernel.record.transcript import Folder, Transcript, fold
from toolscript_kernel.record.volatile import details

MIME = "application/vnd.toolscript.run+json"
"""The media type of the record's data; its content is :meth:`Sheet.to_json`."""


def bundle(it: Sheet) -> dict[str, Any]:
    """Return the display data of a record: data, HTML, Markdown and text, all from the same stable facts."""
    return {
        MIME: inert.sound(it.to_json()),
        "text/html": html.render(it),
        "text/markdown": markdown.render(it),
        "text/plain": text.render(it),
    }


def record(
    transcript: Transcript, *, workspace: Path | None = None, offset: int = 0
) -> tuple[dict[str, Any], dict[str, Json]]:
    """Return the display data of a finished cell and its output metadata.

    The data holds only what a second run would say again; times, ids and outputs are in the metadata. Secrets of the
    environment stand in both as they do in journals, by their names: notebooks are passed on.
    """
    secrets = Redactor(secret_values(os.environ))
    data = bundle(sheet(transcript, workspace=workspace, offset=offset))
    return mapped(data, secrets.text), {MIME: inert.sound(details(transcript, secrets.json))}


__all__ = ["MIME", "Folder", "Sheet", "Transcript", "bundle", "details", "fold", "record", "sheet"]
