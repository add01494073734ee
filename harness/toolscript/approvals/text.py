"""Decides what a person reads before consenting: one request as sections, plain lines or Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toolscript.approvals.request import ApprovalRequest
from toolscript.approvals.visible import LINE_END, one_line, punycode_hosts, shown, visible
from toolscript.errors import Json
from toolscript.registry.classification import Classification, Effect, PathEffect

HEAD_LINES = 40
TAIL_LINES = 20
HEAD_CHARS = 1_200
TAIL_CHARS = 600
ANYTHING = " …"
"""Ends the name of a program and its subcommand in what may be remembered: with any ordinary arguments."""
BODY = re.compile(r"[\n\r]")
WHAT = "What it would do"
WHY = "Why it asks"
SCOPE = "Allowing it for this conversation would allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of a request as people see it; ``text`` is safe to show as it stands.

    ``kind`` says how: ``fact`` (one line), ``code`` (verbatim lines), ``diff``, ``warning``. ``cut`` counts the
    characters that are hidden in this view; the full view hides none.
    """

    title: str
    text: str
    kind: str = "fact"
    cut: int = 0


def sections(request: ApprovalRequest, *, full: bool = False) -> tuple[Section, ...]:
    """Return a request in the order in which people should read it; ``full`` cuts nothing."""
    return tuple(_sections(request, full))


def as_text(request: ApprovalRequest, *, full: bool = False) -> str:
    """Return a request as plain lines for terminals and logs, free of control characters."""
    return lines(sections(request, full=full))


def lines(shown: Iterable[Section]) -> str:
    """Return sections as plain lines; no line of a text can pass for a title."""
    told: list[str] = []
    for section in shown:
        if section.kind in ("code", "diff"):
            told.append(f"{section.title}:")
            told += [f"  | {line}" for line in section.text.split("\n")]
        else:
            told.append(f"{section.title}: {section.text}")
    return "\n".join(told)


def as_markdown(request: ApprovalRequest, *, full: bool = False) -> str:
    """Return a request as Markdown in which nothing of the request acts as Markdown or HTML."""
    return "\n\n".join(_markdown(section) for section in sections(request, full=full))


def _markdown(section: Section) -> str:
    if section.kind in ("code", "diff"):
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", section.text)), default=0))
        return (
            f"**{section.title}**\n\n{fence}{section.kind if section.kind == 'diff' else ''}\n{section.text}\n{fence}"
        )
    return f"**{section.title}**: {_inline(section.text)}"


def _inline(text: str) -> str:
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks} {text} {ticks}" if text else ""


def _sections(request: ApprovalRequest, full: bool) -> Iterator[Section]:
    classification = request.classification
    yield Section(title="Tool", text=one_line(request.tool))
    if request.why:
        yield Section(title=WHY, text=one_line(request.why))
    if classification.summary:
        yield Section(title=WHAT, text=one_line(classification.summary))
    yield from _warnings(request)
    yield from _arguments(request, full)
    yield from _effects(classification, request.why)
    if classification.diff:
        yield _verbatim("Diff", classification.diff, full, kind="diff")
    yield from _origin(request)
    if scope := conversation_scope(request):
        yield Section(title=SCOPE, text=scope)
    yield Section(title="Digest", text=request.digest)


def conversation_scope(request: ApprovalRequest) -> str:
    """Return, on one line, all that "allow for this conversation" would cover; empty where it is not offered."""
    remembered = request.classification.remember
    if remembered is None or request.extra.get("question") or request.extra.get("unknown"):
        return ""
    if remembered == request.tool:
        return f"every call of {one_line(request.tool)}"
    shown = one_line(remembered.removesuffix(ANYTHING))
    return f"{one_line(request.tool)}: {shown}{ANYTHING if remembered.endswith(ANYTHING) else ''}"


def _origin(request: ApprovalRequest) -> Iterator[Section]:
    classification = request.classification
    if classification.justification:
        yield Section(title="Justification by the script", text=one_line(classification.justification))
    if request.cwd:
        yield Section(title="Working directory", text=one_line(request.cwd))
    if classification.environment:
        pairs = ", ".join(f"{name}={value}" for name, value in sorted(classification.environment.items()))
        yield Section(title="Environment added", text=one_line(pairs))
    if classification.effect is Effect.EXECUTE:
        confined = "yes" if classification.confined else "no: it may do whatever you may do"
        yield Section(
            title="Confined by the operating system", text=f"{confined}; sandbox mode {request.sandbox or 'none'}"
        )
    where = f", line {request.line}, column {request.column}" if request.line is not None else ""
    yield Section(title="Script", text=f"{request.script_hash or 'none'}{where}, call {request.operation}")
    if request.allowed_tools:
        yield Section(title="Tools this run may use", text=one_line(", ".join(request.allowed_tools)))


def _effects(classification: Classification, why: str) -> Iterator[Section]:
    level = f"{classification.effect.value}, {classification.danger.value.replace('_', ' ')}"
    yield Section(title="Effect", text=level + (", escalated" if classification.escalated else ""))
    for reason in classification.reasons:
        if reason in why:
            continue  # said already, as the reason for asking
        yield Section(title="Because", text=one_line(reason))
    for path in classification.paths[:50]:
        yield Section(title="Path", text=_path(path))
    if len(classification.paths) > 50:
        yield Section(title="Path", text=f"and {len(classification.paths) - 50} more", kind="warning")
    if not classification.undoable:
        yield Section(title="Undo", text="cannot be undone", kind="warning")


def _path(effect: PathEffect) -> str:
    marks = [] if effect.inside else ["outside the workspace"]
    marks += ["protected"] if effect.protected else []
    return f"{effect.kind} {spelled(str(effect.path))}" + (f" ({', '.join(marks)})" if marks else "")


def _warnings(request: ApprovalRequest) -> Iterator[Section]:
    texts = list(_strings(request.arguments))
    marked = sum(shown(text, strict=not BODY.search(text)).marked for text in texts)
    if marked:
        yield Section(
            title="Warning", text=f"{marked} characters that could mislead are shown as <U+…>", kind="warning"
        )
    longest = max((text.count("\n") + (not text.endswith("\n")) for text in texts), default=0)
    if longest > 1:
        yield Section(title="Length", text=f"{longest} lines in the longest argument")
    hosts = sorted({host for text in texts for host in punycode_hosts(text)})
    if hosts:
        yield Section(title="Warning", text=f"hosts in ASCII: {', '.join(hosts)}", kind="warning")


def _strings(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield key
                yield from _strings(item)
        case list() | tuple():
            for item in value:
                yield from _strings(item)


def _arguments(request: ApprovalRequest, full: bool) -> Iterator[Section]:
    """Yield what the call says for itself at length, and what it leaves at its defaults on one line."""
    arguments = request.arguments
    if not isinstance(arguments, dict):
        yield _verbatim("Arguments", _value(arguments), full)
        return
    usual = [name for name in request.extra.get("at_default", ()) if name in arguments]
    for name, value in arguments.items():
        if name not in usual:
            yield _verbatim(f"Argument {one_line(name)}", _value(value), full)
    if usual:
        pairs = ", ".join(f"{name} {json.dumps(arguments[name], ensure_ascii=True)}" for name in usual)
        yield Section(title="At their defaults", text=one_line(pairs))


def _value(value: Json) -> str:
    """Return a decoded value as it would be executed, one line for each line of a text."""
    if isinstance(value, str):
        return _body(value) if BODY.search(value) else spelled(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return "\n".join(f"[{index}] {_value(item)}" for index, item in enumerate(value)) or "[]"
    return visible(json.dumps(value, ensure_ascii=False, indent=1, default=repr))


def _body(text: str) -> str:
    return visible(text).replace("\n", f"{LINE_END}\n")


def spelled(text: str) -> str:
    """Return one line of text in ASCII; where other scripts are innocent, readable first and spelled behind."""
    strict = visible(text, strict=True)
    readable = visible(text)
    return strict if readable != text or strict == text else f"{readable}  = {strict}"


def _verbatim(title: str, text: str, full: bool, *, kind: str = "code") -> Section:
    safe = visible(text) if kind == "diff" else text
    view, cut = (safe, 0) if full else _cut(safe)
    counted = f"{title} ({cut} characters hidden; the full view shows them)" if cut else title
    return Section(title=counted, text=view, kind=kind, cut=cut)


def _cut(text: str) -> tuple[str, int]:
    lines = text.split("\n")
    if len(lines) > HEAD_LINES + TAIL_LINES:
        head, tail = "\n".join(lines[:HEAD_LINES]), "\n".join(lines[-TAIL_LINES:])
    else:
        head, tail = text, ""
    if len(head) > HEAD_CHARS + TAIL_CHARS or tail:
        tail = (tail or text)[-TAIL_CHARS:]
        head = head[:HEAD_CHARS]
        hidden = len(text) - len(head) - len(tail)
        return f"{head}\n[… {hidden} characters hidden …]\n{tail}", hidden
    return text, 0
