"""Decides what is offered on the lines that speak to toolscript itself: options of a script cell, and commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from toolscript.limits import limit_names
from toolscript_kernel.completion.complete import Offer, Offers

_LAST = re.compile(r"[^\s,=]*$")
OPTIONS = {
    "--param": "NAME=VALUE", "--in": "NAME", "--out": "NAME", "--dry-run": "", "--policy": "POLICY",
    "--limits": "NAME=VALUE,…", "--tools": "TOOL,…", "--plan": "", "--replay": "RUN|FILE",
}  # fmt: skip
POLICIES = ("untrusted", "on-request", "never", "always-ask")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The names that may stand on such a line."""

    verbs: Mapping[str, str] = field(default_factory=dict)
    tools: Iterable[str] = ()
    agents: Iterable[str] = ()
    values: Iterable[str] = ()
    """Names of Python values."""


def complete(line: str, known: Known) -> Offers | None:
    """Return what may stand at the end of this line; None for a line that is not ours."""
    words = line.split()
    typed = _LAST.search(line)
    start = typed.start() if typed else len(line)
    if not words or (len(words) == 1 and not line.endswith(" ")):
        return None
    before = words[:-1] if not line[-1].isspace() and words else words
    match words[0]:
        case "%%toolscript":
            found = _options(before, line[start:], known)
        case "%toolscript":
            found = _command(before[1:], known)
        case "%agent" | "%%agent":
            found = [Offer(name, "value") for name in known.agents]
        case _:
            return None
    fitting = tuple(o for o in found if o.text.startswith(line[start:]))
    return Offers(start, len(line), fitting)


def _options(before: list[str], typed: str, known: Known) -> list[Offer]:
    match before[-1] if len(before) > 1 else "":
        case "--policy":
            return [Offer(p, "value") for p in POLICIES]
        case "--limits" | "--limit":
            return [Offer(f"{name}=", "property") for name in limit_names()]
        case "--tools":
            return [Offer(t, "function") for t in known.tools]
        case "--in":
            return [Offer(v, "variable") for v in known.values if not v.startswith("_")]
        case "--param" | "--out":
            return []
    return [Offer(name, "keyword", takes) for name, takes in OPTIONS.items()]


def _command(before: list[str], known: Known) -> list[Offer]:
    match before:
        case []:
            return [Offer(name, "keyword", says) for name, says in known.verbs.items()]
        case ["allow"] | ["tools", *_]:
            return [Offer(t, "function") for t in known.tools]
        case ["answer"]:
            return [Offer(word, "value") for word in ("allow", "deny", "stop")]
        case ["approvals"]:
            return [Offer(word, "value") for word in ("revoke", "clear")]
    return []
