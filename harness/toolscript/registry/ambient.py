"""Decides how the parts of the facade that are no tools look in TypeScript."""

from __future__ import annotations

AMBIENT = """\
interface TaskHandle<T> { readonly id: string; readonly done: Promise<T>; }
interface TaskInfo { id: string; tool: string; status: string; result?: any; error?: ToolError; }
/** What a failed call rejects with; `details` holds what the tool learnt (exit code, output, content). */
interface ToolError extends Error { code: string; tool: string; details: any; }
/** Resolves after `ms` milliseconds. */
declare function sleep(ms: number): Promise<void>;
declare function setTimeout<A extends any[]>(callback: (...args: A) => void, ms?: number, ...args: A): number;
declare function clearTimeout(id: number | undefined): void;
/** What this run is: frozen and synchronous. */
declare const context: {
  readonly workingDirectory: string; readonly conversationId: string; readonly turnId: string; readonly runId: string;
  readonly scriptHash: string; readonly agent: string; readonly limits: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string>>; readonly originalPrompt: string;
};
/** Frozen JSON given by the caller. */
declare const params: any;
/** JSON values that live across the scripts of a conversation. */
declare const store: {
  get(key: string): any; set(key: string, value: unknown): void; has(key: string): boolean;
  delete(key: string): boolean; keys(): string[];
};
declare const console: {
  debug(...values: unknown[]): void; log(...values: unknown[]): void; info(...values: unknown[]): void;
  warn(...values: unknown[]): void; error(...values: unknown[]): void;
};
"""
"""What stands before the tools. It goes without the ``dom`` library, which declares some of it otherwise."""

SPAWN = """\
type Spawned<T> = {
  [K in keyof T]: T[K] extends (args: infer A) => Promise<infer R>
    ? (...args: undefined extends A ? [args?: NonNullable<A> & TaskScope] : [args: A & TaskScope]) => TaskHandle<R>
    : Spawned<T[K]>
};
/** A task of a turn is cancelled at its end; one of a conversation goes on. */
interface TaskScope { scope?: "turn" | "conversation"; }
/** `tools.spawn.exec({...})` starts a call as a task that may outlive this script; `scope: "conversation"` keeps it. */
type Spawn = Spawned<Tools> & {
  get(id: string): Promise<TaskInfo & TaskHandle<any>>; wait(id: string): Promise<any>; list(): Promise<TaskInfo[]>;
  cancel(id: string): Promise<boolean>;
};
declare const tools: Tools & { spawn: Spawn };
"""
"""What stands behind them."""

TAKEN = frozenset(
    (
        *("TaskHandle", "TaskInfo", "TaskScope", "ToolError", "Tools", "Spawn", "Spawned"),
        *("Array", "Awaited", "Boolean", "Date", "Error", "Exclude", "Extract", "Function", "Iterable", "Iterator"),
        *("JSON", "Map", "Math", "NonNullable", "Number", "Object", "Omit", "Parameters", "Partial", "Pick", "Promise"),
        *("PromiseLike", "Proxy", "Readonly", "ReadonlyArray", "Record", "Reflect", "RegExp", "Required", "ReturnType"),
        *("Set", "String", "Symbol", "WeakMap", "WeakSet", "any", "never", "unknown"),
    )
)
"""Names that no type made from a schema may take."""
