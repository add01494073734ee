"""Scripts written to do harm, and what each must end in. Ids and facts follow a public survey of sandbox abuse."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from toolscript.errors import (
    GuestTimeExceeded,
    HeapExceeded,
    ResultTooLarge,
    ScriptError,
    ScriptSyntaxError,
    ScriptThrew,
    SourceTooLarge,
    StackExceeded,
    WorkerCrashed,
)

ANY = object()
"""Any result will do, as long as the host is unharmed."""
TIME = (GuestTimeExceeded,)
MEMORY = (HeapExceeded,)
TIME_OR_MEMORY = (GuestTimeExceeded, HeapExceeded, WorkerCrashed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One script; it ends in ``result`` (None: not in a result), or in one of ``errors``, or never (``stuck``)."""

    script: str
    result: Any = None
    errors: tuple[type[Exception], ...] = ()
    stuck: bool = False
    says: str = ""
    answer: Any = field(default_factory=lambda: {"text": "data"})
    fails: bool = False
    limits: dict[str, float] = field(default_factory=lambda: {"guest_seconds": 0.3})


CASES: dict[str, Case] = {
    # -- out of the realm ---------------------------------------------------------------------------------------------
    "ESC-02 constructor of a facade function": Case(
        script="return tools.read.constructor('return Object.getOwnPropertyNames(globalThis)')();",
        errors=(ScriptThrew,),
        says="EvalError",
    ),
    "ESC-03 constructor of a result": Case(
        script="const r = await tools.read({ path: 'a' }); return [r.constructor === Object, r.constructor.constructor === Function];",
        result=[True, True],
    ),
    "ESC-04 constructor of a rejection": Case(
        script="try { await tools.read({}); } catch (e) { try { e.constructor.constructor('return 1')(); } catch (x) {"
        " return [x.name, e instanceof Error]; } }",
        fails=True,
        result=["EvalError", True],
    ),
    "ESC-05 promise of another realm": Case(
        script="const p = tools.read({}); return [p instanceof Promise, p.constructor === Promise,"
        " Object.getPrototypeOf(p) === Promise.prototype];",
        result=[True, True, True],
    ),
    "ESC-06 constructors of special functions": Case(
        script="const seen = []; for (const f of [async () => {}, function* () {}, async function* () {}, () => {}]) {"
        " try { seen.push(typeof f.constructor('return 1')); } catch (e) { seen.push(e.name); } } return seen;",
        result=["EvalError"] * 4,
    ),
    "ESC-07 the caller's frame": Case(
        script="function f() { return f.caller; } try { return String(f()); } catch (e) { return e.name; }",
        result="TypeError",
    ),
    "ESC-08 import of the engine's modules": Case(
        script="for (const m of ['std', 'os', 'fs', 'node:fs', 'bjson', 'qjs:os', '/etc/passwd']) {"
        " try { await import(m); return 'got ' + m; } catch {} } return 'none';",
        result="none",
    ),
    "ESC-11 registered symbols": Case(
        script="return ['nodejs.util.inspect.custom', 'toolscript', 'toolscript.facade']"
        ".map((k) => Object.getOwnPropertySymbols(tools).includes(Symbol.for(k)));",
        result=[False, False, False],
    ),
    "ESC-12 eval by any name": Case(
        script="return [typeof eval, typeof globalThis.eval, typeof WebAssembly, typeof Atomics, typeof SharedArrayBuffer,"
        " typeof performance, typeof WeakRef, typeof FinalizationRegistry, typeof process, typeof require];",
        result=["undefined"] * 10,
    ),
    "ESC-13 every reachable function": Case(
        script="const seen = new Set(), hits = []; (function walk(o, d) { if (o === null || (typeof o !== 'object' && typeof o !== 'function')"
        " || seen.has(o) || d > 6) return; seen.add(o); for (const k of Reflect.ownKeys(o)) { const x = Object.getOwnPropertyDescriptor(o, k);"
        " for (const v of [x.value, x.get, x.set]) { if (typeof v === 'function' && !/\\[native code\\]/.test(Function.prototype.toString.call(v))"
        " && v !== walk) hits.push(String(k)); walk(v, d + 1); } } walk(Object.getPrototypeOf(o), d + 1); })(globalThis, 0); return hits;",
        result=[],
        limits={"guest_seconds": 3},
    ),
    # -- prototypes ---------------------------------------------------------------------------------------------------
    "PRO-01 a key named __proto__": Case(
        script='const r = await tools.echo(JSON.parse(\'{"__proto__": {"admin": true}, "x": 1}\'));'
        " return [({}).admin === undefined, Object.keys(r)];",
        answer="echo",
        result=[True, ["__proto__", "x"]],
    ),
    "PRO-04 a setter on Array.prototype": Case(
        script="try { Object.defineProperty(Array.prototype, '0', { set() { throw 1; } }); } catch (e) { await tools.read({}); return e.name; }",
        result="TypeError",
    ),
    "PRO-06 another then": Case(
        script="try { Promise.prototype.then = function () {}; } catch (e) { return e.name; }", result="TypeError"
    ),
    "PRO-08 JSON replaced": Case(
        script="const seen = []; for (const f of [() => { JSON.stringify = () => '1'; }, () => { globalThis.JSON = {}; },"
        " () => { delete globalThis.JSON; }]) { try { f(); seen.push('done'); } catch (e) { seen.push(e.name); } }"
        " await tools.read({ path: 'a' }); return seen;",
        result=["TypeError"] * 3,
    ),
    "PRO-09 toJSON that forges the call": Case(
        script="try { Object.prototype.toJSON = function () { return [1, 'exec', '{}']; }; } catch {}"
        " return await tools.read({ toJSON() { return { path: 'mine' }; } });",
        result={"text": "data"},
    ),
    "PRO-10 getters named like fields of the protocol": Case(
        script="for (const k of ['approved', 'id', 'spawn', 'number']) { try { Object.defineProperty(Object.prototype, k,"
        " { get() { return 999; } }); } catch {} } return await tools.read({});",
        result={"text": "data"},
    ),
    # -- across the bridge --------------------------------------------------------------------------------------------
    "BRI-03 a revoked proxy": Case(
        script="const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); try { await tools.echo(proxy); } catch (e) { return e.name; }",
        result="TypeError",
    ),
    "BRI-04 keys that never end": Case(
        script="await tools.echo(new Proxy({}, { ownKeys() { for (;;) {} } }));", errors=TIME
    ),
    "BRI-06 toJSON that throws": Case(
        script="const o = { toJSON() { return o2; } }; const o2 = { toJSON() { throw new Error('never'); }, get a() { throw new Error('x'); } };"
        " try { await tools.echo({ o }); } catch (e) { return e.message; }",
        result="x",
    ),
    "BRI-07 a call within a call": Case(
        script="await tools.echo({ get x() { tools.exec({ command: ['id'] }).catch(() => {}); return 1; } }); return 1;",
        result=1,
    ),
    "BRI-08 species of an array from a tool": Case(
        script="class M extends Array { static get [Symbol.species]() { return function () { return globalThis; }; } }"
        " const r = await tools.list({ path: '.' }); try { return Object.setPrototypeOf(r, M.prototype).map((x) => x) === globalThis; }"
        " catch (e) { return e.name; }",
        answer=[1, 2],
        result="TypeError",
    ),
    "BRI-11 very deep arguments": Case(
        script="let o = 1; for (let i = 0; i < 50000; i++) o = [o]; try { await tools.echo(o); } catch (e) { return String(e); }",
        result="TypeError: arguments of echo nested more than 512 levels deep cannot be carried as JSON",
        limits={"guest_seconds": 2},
    ),
    "BRI-12 values that JSON cannot carry": Case(
        script="return [undefined, NaN, Infinity, -0, 10n ** 30n, Symbol('s'), () => 1, new Map([[1, 2]]), new Set([1]),"
        " new Date(NaN), /x/g, new Uint8Array(3)].length;",
        result=12,
    ),
    "BRI-13 half characters and NUL": Case(
        script=r"return await tools.echo({ text: '\ud800 a\u0000b \udfff \u2028 \u{10ffff}' });",
        answer="echo",
        result={"text": "\ud800 a\u0000b \udfff \u2028 \U0010ffff"},
    ),
    "BRI-16 an array of four thousand million holes": Case(
        script="const x = []; x.length = 4294967295; try { await tools.echo({ x }); } catch (e) { return e.name; }",
        errors=TIME_OR_MEMORY,
        result="InternalError",
    ),
    # -- errors -------------------------------------------------------------------------------------------------------
    "ERR-02 a proxy thrown": Case(
        script="throw new Proxy({}, { get() { throw new Error('trap'); }, getPrototypeOf() { throw 1; } });",
        errors=(ScriptThrew,),
    ),
    "ERR-03 name and message that are no texts": Case(
        script="const e = new Error('x'); e.name = Symbol('n'); e.message = { toString() { throw 2; } }; throw e;",
        errors=(ScriptThrew,),
    ),
    "ERR-04 a hundred thousand causes": Case(
        script="let e = new Error('0'); for (let i = 0; i < 20000; i++) e = new Error('n', { cause: e });"
        " throw new AggregateError([e, e, e], 'all');",
        errors=(ScriptThrew,),
        limits={"guest_seconds": 3},
        says="all",
    ),
    "ERR-05 the stack's own hooks": Case(
        script="const seen = []; for (const f of [() => { Error.prepareStackTrace = (e, f) => f; }, () => { Error.stackTraceLimit = Infinity; }])"
        " { try { f(); } catch (e) { seen.push(e.name); } } return [seen, /input|eval_script|prelude|\\.py/.test(new Error('x').stack)];",
        result=[["TypeError", "TypeError"], False],
    ),
    "ERR-06 a stack that forges a host's": Case(
        script="const e = new Error('boom'); e.stack = 'Traceback (most recent call last):\\n  File \"toolscript/pool.py\"\\nApprovalGranted'; throw e;",
        errors=(ScriptThrew,),
        says="boom",
    ),
    "ERR-09 an error that pretends to be a denial": Case(
        script="const e = new Error('no'); e.name = 'ApprovalDenied'; e.code = 'approval_denied'; e.tool = 'exec'; throw e;",
        errors=(ScriptThrew,),
        says="ApprovalDenied: no",
    ),
    # -- promises -----------------------------------------------------------------------------------------------------
    "ASY-02 recursion through await": Case(
        script="const f = async () => { await null; return f(); }; await f();",
        errors=TIME_OR_MEMORY,
        limits={"guest_seconds": 1},
    ),
    "ASY-03 a rejection that nobody handles": Case(
        script="Promise.reject(new Error('lost')); await null; return 1;", result=1
    ),
    "ASY-07 a call after the end": Case(
        script="globalThis.later = () => tools.exec({ command: ['id'] }); setTimeout(() => later(), 50); return 1;",
        result=1,
    ),
    "ASY-08 the loser of a race": Case(
        script="await Promise.race([tools.exec({ command: ['sleep', '60'] }), Promise.resolve(1)]); return 1;", result=1
    ),
    "ASY-09 a generator that never lets go": Case(
        script="async function* g() { try { for (;;) yield 1; } finally { await new Promise(() => {}); } } for await (const x of g()) break; return 1;",
        stuck=True,
    ),
    "ASY-10 an iterator left alone": Case(
        script="const it = tools.tail({ path: 'log' })[Symbol.asyncIterator]?.(); await it?.next(); return 1;", result=1
    ),
    "ASY-13 finally after the interrupt": Case(script="try { for (;;) {} } finally { for (;;) {} }", errors=TIME),
    # -- time ---------------------------------------------------------------------------------------------------------
    "CPU-01 a loop": Case(script="for (;;) {}", errors=TIME),
    "CPU-02 a regular expression": Case(script="return /(a+)+$/.test('a'.repeat(40) + 'b');", errors=TIME),
    "CPU-03 a regular expression that is hard to build": Case(
        script="let s = 'a|'; for (let i = 0; i < 40; i++) s = '(?:' + s + ')+'; return new RegExp(s).exec('a');",
        result=ANY,
        errors=(ScriptThrew, *TIME_OR_MEMORY),
    ),
    "CPU-04 a sparse array as text": Case(script="return new Array(1e9) + '';", errors=TIME_OR_MEMORY),
    "CPU-05 a sparse array joined": Case(script="return new Array(1e9).join('x').length;", errors=TIME_OR_MEMORY),
    "CPU-06 powers of a big integer": Case(
        script="let x = 3n ** 200000n; for (let i = 0; i < 7; i++) x = x * x; return String(x).length;",
        errors=(ScriptThrew, *TIME_OR_MEMORY),
    ),
    "CPU-07 a long scan repeated": Case(
        script="const s = 'a'.repeat(2 ** 22); let n = 0; for (let i = 0; i < 1e9; i++) n += s.indexOf('b' + i); return n;",
        errors=TIME,
    ),
    "CPU-08 a sort that compares slowly": Case(
        script="return Array.from({ length: 3e5 }, (_, i) => i ^ 0x5a5a).sort((a, b) => { for (let i = 0; i < 1000; i++); return a - b; }).length;",
        errors=TIME_OR_MEMORY,
    ),
    "CPU-09 a reviver that looks at everything": Case(
        script="return JSON.parse('[' + '1,'.repeat(100000) + '1]', function (k, v) { for (let i = 0; i < 100; i++) JSON.stringify(this).length; return v; }).length;",
        errors=TIME_OR_MEMORY,
    ),
    # -- memory -------------------------------------------------------------------------------------------------------
    "MEM-02 one text of half a gigabyte": Case(
        script="return 'x'.repeat(2 ** 29).length;", errors=(ScriptThrew, *MEMORY)
    ),
    "MEM-03 one array of two gigabytes": Case(
        script="return new Uint8Array(2 ** 31 - 1).length;", errors=(ScriptThrew, *MEMORY)
    ),
    "MEM-04 an array filled": Case(script="return new Array(2 ** 26).fill(1).length;", errors=TIME_OR_MEMORY),
    "MEM-05 a global kept for the next script": Case(
        script="(globalThis.bag ??= []).push('x'.repeat(1e6)); return globalThis.bag.length;", result=1
    ),
    "MEM-06 a replacement that multiplies": Case(
        script="return 'a'.repeat(2 ** 22).replace(/a/g, 'b'.repeat(64)).length;",
        errors=MEMORY,
        limits={"guest_seconds": 2},
    ),
    "MEM-08 full, caught, and on": Case(
        script="const keep = []; for (;;) { try { keep.push(new Uint8Array(1e6)); } catch { keep.length = 0; } }",
        errors=TIME,
    ),
    "MEM-09 a result above the limit": Case(
        script="return 'x'.repeat(2 * 1024 * 1024 + 1);", errors=(ResultTooLarge,), limits={"guest_seconds": 2}
    ),
    # -- stack --------------------------------------------------------------------------------------------------------
    "STK-01 plain recursion": Case(script="const f = () => f() + 1; return f();", errors=(StackExceeded,)),
    "STK-02 recursion through native code": Case(
        script="const o = { toString() { return '' + o; } }; return '' + o;", errors=(StackExceeded,)
    ),
    "STK-03 recursion through proxies": Case(
        script="const p = new Proxy({}, { get(t, k, r) { return r[k]; } }); return p.x;", errors=(StackExceeded,)
    ),
    "STK-05 deep source": Case(
        script="return " + "(" * 9000 + "1" + ")" * 9000 + ";",
        result=1,
        errors=(ScriptError, StackExceeded, *TIME_OR_MEMORY),
    ),
    # -- facade -------------------------------------------------------------------------------------------------------
    "FAC-01 the facade awaited": Case(script="return typeof (await tools);", result="object"),
    "FAC-04 a tool replaced": Case(
        script="const seen = []; for (const f of [() => { tools.read = async () => 'fake'; }, () => { globalThis.tools = {}; },"
        " () => { readFile = 1; }, () => { Object.setPrototypeOf(tools, {}); }]) { try { f(); seen.push('done'); } catch (e) { seen.push(e.name); } }"
        " return [seen, typeof tools.read];",
        result=[["TypeError"] * 4, "function"],
    ),
    "FAC-10 names that are no names": Case(
        script="return [typeof tools['class'], typeof tools['0'], typeof tools['a.b'], typeof tools[Symbol.iterator]];",
        result=["function", "function", "function", "undefined"],
    ),
    # -- state --------------------------------------------------------------------------------------------------------
    "STA-02 keys of the store": Case(
        script="const seen = []; for (const k of ['__proto__', 'constructor', '', 'a'.repeat(1e6), '../../x']) {"
        " try { store.set(k, 1); } catch (e) { seen.push(e.name); } } return [seen, store.get('__proto__'), store.get('toString')];",
        result=[["RangeError"], 1, None],
    ),
    "STA-05 values that the store cannot keep": Case(
        script="const seen = []; for (const v of [() => 1, (() => { const o = {}; o.o = o; return o; })()]) {"
        " try { store.set('k', v); } catch (e) { seen.push(e.name); } } return seen;",
        result=["TypeError", "TypeError"],
    ),
    # -- before it runs -----------------------------------------------------------------------------------------------
    "CMP-01 out of the wrapper": Case(
        script="}); tools.exec({ command: ['id'] }); (async () => {", errors=(ScriptSyntaxError,), says="line 1"
    ),
    "CMP-02 a comment over the wrapper's end": Case(script="return 1; /*", errors=(ScriptSyntaxError,)),
    "CMP-03 comments as in HTML": Case(script="<!-- x\nreturn 1\n--> y", errors=(ScriptError,), result=1),
    "CMP-04 a hashbang and a byte order mark": Case(
        script="\ufeff#!/usr/bin/env node\nreturn 1;", errors=(ScriptError,), result=1
    ),
    "CMP-05 line separators in texts": Case(script="const a = 'x\u2028y'; return a.length;", result=3),
    "CMP-06 escapes in names": Case(script="const \\u0065val2 = 1; return \\u{65}val2;", result=1),
    "CMP-09 an erased type over lines": Case(
        script="const f = (a: number\n): number\n=> a; return f(1)", result=1, errors=(ScriptError,)
    ),
    "CMP-10 imports and exports": Case(script="import fs from 'fs';\nexport default 1;", errors=(ScriptError,)),
    "CMP-11 ten megabytes of source": Case(script="return 1; // " + "x" * (10 << 20), errors=(SourceTooLarge,)),
    "CMP-12 a source with NUL": Case(script="return 1;\0\ufffd", errors=(ScriptSyntaxError,)),
    "CMP-13 pragmas that name files": Case(
        script="return new Error('x').stack.includes('pool.py'); //# sourceURL=toolscript/pool.py\n//# sourceMappingURL=http://127.0.0.1:9/x.map",
        result=False,
    ),
    "CMP-15 sloppy syntax": Case(script="with (tools) { return 010; }", errors=(ScriptSyntaxError,)),
}

THROWABLE = (
    "null",
    "undefined",
    "1n",
    "Symbol('q')",
    "() => 1",
    "1.5",
    "true",
    "''",
    "{}",
    "[]",
    "Object.create(null)",
)
for thrown in THROWABLE:
    CASES[f"ERR-08 throw {thrown}"] = Case(script=f"throw {thrown};", errors=(ScriptThrew,), says="thrown")


def answer_of(case: Case) -> Any:
    """Return what the tools answer in this case."""

    def answer(message: Any) -> tuple[bool, Any]:
        if case.fails:
            return False, {"name": "ToolError", "code": "not_found", "tool": "read", "message": "no", "details": {}}
        if case.answer == "echo" and hasattr(message, "arguments"):
            return True, json.loads(message.arguments)
        return True, case.answer

    return answer
