"""Decides what of the language and of the realm is offered beside the tools."""

from __future__ import annotations

Rows = tuple[tuple[str, str, str], ...]
"""Name, type and a word on each."""

CONTEXT = (
    "agent", "conversationId", "originalPrompt", "runId", "scriptHash", "turnId", "workingDirectory",
)  # fmt: skip
LIMITS = (
    "argumentBytes", "calls", "consoleBytes", "heapBytes", "inFlight", "resultBytes", "sourceBytes", "timeoutMs",
    "timers", "toolOutputBytes", "wallTimeMs",
)  # fmt: skip
SPAWN = (
    ("get", "(id: string) => TaskHandle<any>", "Returns a task that was started before."),
    ("list", "() => Promise<TaskInfo[]>", "Lists the tasks of the turn."),
    ("cancel", "(id: string) => Promise<boolean>", "Ends a task."),
)
STRING: Rows = (
    ("endsWith", "(search: string) => boolean", ""),
    ("includes", "(search: string) => boolean", ""),
    ("indexOf", "(search: string) => number", ""),
    ("length", "number", ""),
    ("match", "(pattern: RegExp) => RegExpMatchArray | null", ""),
    ("matchAll", "(pattern: RegExp) => Iterator<RegExpMatchArray>", ""),
    ("padEnd", "(length: number, fill?: string) => string", ""),
    ("padStart", "(length: number, fill?: string) => string", ""),
    ("repeat", "(count: number) => string", ""),
    ("replace", "(search: string | RegExp, by: string | Function) => string", ""),
    ("replaceAll", "(search: string | RegExp, by: string | Function) => string", ""),
    ("slice", "(start: number, end?: number) => string", ""),
    ("split", "(separator: string | RegExp, limit?: number) => string[]", ""),
    ("startsWith", "(search: string) => boolean", ""),
    ("toLowerCase", "() => string", ""),
    ("toUpperCase", "() => string", ""),
    ("trim", "() => string", ""),
)
ARRAY: Rows = (
    ("at", "(index: number) => item", ""),
    ("concat", "(...more: items) => items", ""),
    ("every", "(test: (item) => boolean) => boolean", ""),
    ("filter", "(test: (item) => boolean) => items", ""),
    ("find", "(test: (item) => boolean) => item | undefined", ""),
    ("findIndex", "(test: (item) => boolean) => number", ""),
    ("flat", "(depth?: number) => any[]", ""),
    ("flatMap", "(change: (item) => any[]) => any[]", ""),
    ("forEach", "(act: (item) => void) => void", ""),
    ("includes", "(item) => boolean", ""),
    ("indexOf", "(item) => number", ""),
    ("join", "(separator?: string) => string", ""),
    ("length", "number", ""),
    ("map", "(change: (item) => any) => any[]", ""),
    ("reduce", "(join: (sum, item) => any, start) => any", ""),
    ("reverse", "() => items", ""),
    ("slice", "(start?: number, end?: number) => items", ""),
    ("some", "(test: (item) => boolean) => boolean", ""),
    ("sort", "(compare?: (a, b) => number) => items", ""),
)
CONSOLE = tuple((n, "(...values: unknown[]) => void", "") for n in ("debug", "error", "info", "log", "warn"))
STORE = (
    ("delete", "(key: string) => boolean", "Forgets a value."),
    ("get", "(key: string) => any", "Returns a value that an earlier script of the conversation kept."),
    ("set", "(key: string, value: unknown) => void", "Keeps a JSON value for later scripts of the conversation."),
)
PROMISE = (
    ("all", "(promises: Iterable<Promise<any>>) => Promise<any[]>", "Resolves when all have; rejects with the first."),
    ("allSettled", "(promises: Iterable<Promise<any>>) => Promise<object[]>", "Resolves when all have ended."),
    ("any", "(promises: Iterable<Promise<any>>) => Promise<any>", "Resolves with the first that does."),
    ("race", "(promises: Iterable<Promise<any>>) => Promise<any>", "Ends as the first that ends."),
    ("reject", "(reason: unknown) => Promise<never>", ""),
    ("resolve", "(value?: unknown) => Promise<any>", ""),
)
JSON = (("parse", "(text: string) => any", ""), ("stringify", "(value: unknown, replacer?, space?) => string", ""))
OBJECT: Rows = (
    *((n, "(value: object) => any[]", "") for n in ("entries", "keys", "values")),
    ("assign", "(target: object, ...sources: object[]) => object", ""),
    ("fromEntries", "(entries: Iterable<[string, any]>) => object", ""),
)
MATH: Rows = (
    *((n, "(value: number) => number", "") for n in ("abs", "ceil", "floor", "round", "sqrt", "trunc")),
    ("max", "(...values: number[]) => number", ""),
    ("min", "(...values: number[]) => number", ""),
    ("random", "() => number", "Seeded: a replay draws the same numbers."),
)
CLASSES = ("Array", "Date", "Error", "Map", "Number", "RegExp", "Set", "String")
KEYWORDS = (
    "async", "await", "break", "case", "catch", "const", "continue", "else", "false", "finally", "for", "function",
    "if", "in", "let", "new", "null", "of", "return", "switch", "throw", "true", "try", "typeof", "undefined", "while",
)  # fmt: skip
