"""Decides which output of a tool is shown as a picture: a bitmap that is in the page already, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from toolscript.errors import Json

LARGEST = 512 * 1024
"""Characters of a data URL; a larger picture is only named."""
_URL = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


def picture(output: Json) -> str | None:
    """Return the data URL of a bitmap that ``viewImage`` gave; None for what is none, or too large."""
    url = output.get("imageUrl") if isinstance(output, Mapping) else None
    return url if isinstance(url, str) and len(url) <= LARGEST and _URL.fullmatch(url) else None


def named(output: Json) -> str:
    """Return what the picture is, ``image/png, 640 × 480``; empty for what is none."""
    if not isinstance(output, Mapping) or not {"mimeType", "width", "height"} <= output.keys():
        return ""
    return f"{output['mimeType']}, {output['width']} × {output['height']}"
