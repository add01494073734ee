"""Reads the corpus of replies and tells what a detector made of one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolscript.language.detector import Detector, FormatProblem, Piece, Prose, ScriptFound, ScriptOpened

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Reply:
    """A reply and what is in it: ``run:SOURCE`` for a script, ``problem:REASON`` for what is none."""

    name: str
    reply: str
    found: list[str]


def replies() -> list[Reply]:
    return [Reply(**row) for row in json.loads((CORPUS / "replies.json").read_text("utf-8"))]


def in_chunks(chunks: Iterable[str]) -> list[Piece]:
    """Return the pieces of a reply that comes in chunks, neighbouring prose joined."""
    detector = Detector()
    pieces = [piece for chunk in chunks for piece in detector.feed(chunk)]
    return joined([*pieces, *detector.finish()])


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    whole: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Prose) and whole and isinstance(whole[-1], Prose):
            whole[-1] = Prose(whole[-1].text + piece.text)
        else:
            whole.append(piece)
    return whole


def told(pieces: Iterable[Piece]) -> list[str]:
    """Return scripts and problems in the corpus's notation."""
    found = []
    for piece in pieces:
        match piece:
            case ScriptFound():
                found.append(f"run:{piece.source}")
            case FormatProblem():
                found.append(f"problem:{piece.error.reason}")
    return found


def comparable(pieces: Iterable[Piece]) -> list[object]:
    """Return the pieces with errors as texts, so that two readings of a reply can be compared."""
    return [
        (p.error.to_json(), p.source, p.offset, p.tag) if isinstance(p, FormatProblem) else p for p in joined(pieces)
    ]


def rebuilt(pieces: Iterable[Piece]) -> str:
    """Return the reply that these pieces came from."""
    text = ""
    for piece in pieces:
        match piece:
            case Prose():
                text += piece.text
            case ScriptFound():
                text += f"<{piece.tag}>{piece.source}</{piece.tag}>"
            case FormatProblem() if piece.tag:
                closed = "" if piece.error.reason == "unclosed" else f"</{piece.tag}>"
                text += f"<{piece.tag}>{piece.source}{closed}"
            case FormatProblem() | ScriptOpened():
                pass
    return text
