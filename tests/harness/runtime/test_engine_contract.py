"""What every engine does with a script, whichever it is."""

from __future__ import annotations

import json

import pytest
from tests.harness.runtime.playing import START_MS, echoes, ending_alone, fails, play_engine, tight

from toolscript.errors import (
    DeadlockError,
    GuestTimeExceeded,
    HeapExceeded,
    Position,
    ResultNotJson,
    ResultTooLarge,
    ScriptSyntaxError,
    ScriptThrew,
    StackExceeded,
)
from toolscript.runtime.session import Call, Failed, StoreChange, Timer, TimerCleared

QUICK = tight(guest_seconds=0.5)


def test_a_script_returns_json(engine):
    played = play_engine(engine(), "return {a: [1, 'x', null], b: undefined};")

    assert played.result == {"a": [1, "x", None]}


def test_nothing_returned_is_null(engine):
    assert play_engine(engine(), "1 + 1;").done.result == "null"


def test_a_last_expression_is_the_result_where_it_shall_be(engine):
    assert play_engine(engine(), "1 + 1", last_expression=True).result == 2


def test_a_call_waits_for_its_settlement_and_names_its_place(engine):
    played = play_engine(engine(), "let x = 1;\n  const r = await tools.exec({command: ['ls'], n: x});\nreturn r;")

    assert played.calls == [Call(number=1, tool="exec", arguments='{"command":["ls"],"n":1}', line=2, column=25)]
    assert played.result == {"command": ["ls"], "n": 1}


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("tools.exec(['ls', '-l'])", {"command": ["ls", "-l"]}),
        ("shell('npm test', {cwd: 'x'})", {"command": "npm test", "cwd": "x"}),
        ("readFile('a.ts')", {"path": "a.ts"}),
        ("readFile('a.ts', 7)", {"path": "a.ts", "offset": 7}),
        ("readFile('a.ts', undefined, {limit: 2})", {"path": "a.ts", "limit": 2}),
        ("tools.exec()", {}),
        ("tools.read('plain')", "plain"),
        ("tools.mcp.git.status({short: true})", {"short": True}),
        ("tools['mcp']['git']['status']({})", {}),
    ],
)
def test_arguments_may_be_one_object_or_positions_and_an_object(engine, call, arguments):
    played = play_engine(engine(), f"return await {call};")

    assert json.loads(played.calls[0].arguments) == arguments


def test_too_many_positions_reject_with_what_is_possible(engine):
    played = play_engine(engine(), "try { await readFile('a', 1, 2, 3); } catch (e) { return e.message; }")

    assert played.calls == []
    assert played.result == "readFile takes at most 2 (path, offset) and an object, not 4 arguments"


def test_a_tool_nobody_has_becomes_a_call_of_that_name(engine):
    played = play_engine(engine(), "await tools.rmRf({}); await tools.mcp.nope.deep.er({}); return 1;")

    assert [c.tool for c in played.calls] == ["rmRf", "mcp.nope.deep.er"]


def test_the_facade_can_be_awaited_listed_and_is_frozen(engine):
    played = play_engine(
        engine(),
        """
        const seen = [typeof (await tools), Object.keys(tools).sort(), Object.isFrozen(tools), 'exec' in tools,
                      'nope' in tools, typeof tools.then, JSON.stringify(tools)];
        for (const attempt of [() => { tools.exec = 1; }, () => { delete tools.exec; }, () => { globalThis.tools = {}; },
                               () => { tools.exec.x = 1; }, () => { tools.mcp.git = 1; }]) {
          try { attempt(); seen.push('changed'); } catch (e) { seen.push(e.name); }
        }
        return seen;""",
    )

    names = ["echo", "exec", "list", "mcp", "read", "readFile", "shell", "spawn"]
    assert played.result == [
        "object",
        names,
        True,
        True,
        False,
        "undefined",
        '{"mcp":{"git":{}}}',
        *["TypeError"] * 5,
    ]


def test_a_rejection_is_a_real_error_with_the_position_of_the_call(engine):
    source = """
    try {
      await null;
      await tools.exec({command: ['false']});
    } catch (e) {
      return [e instanceof Error, e.name, e.code, e.tool, e.message, e.details, e.stack.trim(), String(e)];
    }"""
    played = play_engine(engine(), source, fails("boom"))

    assert played.result[:6] == [True, "ToolError", "boom", "exec", "no such thing", {"exitCode": 3}]
    assert played.result[6].endswith("script:4:19)")
    assert played.result[7] == "ToolError: no such thing"


def test_an_uncaught_rejection_ends_the_script_with_the_hosts_own_error(engine):
    played = play_engine(engine(), "let a;\nawait tools.exec({});", fails("not_found"))

    assert isinstance(played.error, ScriptThrew)
    assert played.error.position == Position(2, 13)
    assert played.error.cause == {
        "name": "ToolError", "code": "not_found", "tool": "exec", "message": "no such thing", "details": {"exitCode": 3},
    }  # fmt: skip


def test_an_exception_names_the_users_line_and_column_and_only_user_frames(engine):
    played = play_engine(engine(), "function inner() {\n  null.x;\n}\nconst outer = () => inner();\nouter();")

    assert isinstance(played.error, ScriptThrew)
    assert (played.error.name, played.error.position) == ("TypeError", Position(2, 3))
    frames = [line.strip() for line in played.error.stack.strip().split("\n")]
    assert [f.split("(")[-1].rstrip(")") for f in frames] == ["script:2:3", "script:4:21", "script:5:1"]


def test_a_parse_error_in_json_is_not_mistaken_for_a_place_in_the_script(engine):
    played = play_engine(engine(), "const text = '{\\n\\n\\n x';\nreturn JSON.parse(text);")

    assert played.error.position == Position(2, 19)


def test_a_syntax_error_names_line_and_column(engine):
    played = play_engine(engine(), "", prepared="let a = 1;\n  let b = ;")

    assert isinstance(played.error, ScriptSyntaxError)
    assert played.error.position is not None
    assert played.error.position.line == 2


def test_all_race_any_and_all_settled_work_as_everywhere(engine):
    def answer(message):
        return (message.number != 2, {"n": message.number, "message": "no"})

    played = play_engine(
        engine(),
        """
        const p = [tools.read({}), tools.read({}), tools.read({})];
        const settled = await Promise.allSettled(p);
        return [settled.map(s => s.status), (await Promise.any(p)).n, (await Promise.race(p)).n,
                await Promise.all([p[0], p[2]]).then(r => r.length)];""",
        answer,
    )

    assert played.result == [["fulfilled", "rejected", "fulfilled"], 1, 1, 2]
    assert played.done.unawaited == ()


def test_calls_that_nobody_awaited_are_named(engine):
    source = """
    tools.echo({n: 1});
    const kept = tools.echo({n: 2});
    tools.echo({n: 3}).then(() => 0);
    await tools.echo({n: 4});
    const [a] = await Promise.all([tools.echo({n: 5})]);
    return 1;"""
    played = play_engine(engine(), source)

    assert played.done.unawaited == (1, 2)


def test_a_promise_of_the_facade_is_an_ordinary_promise(engine):
    played = play_engine(
        engine(),
        "const p = tools.read({}); return [p instanceof Promise, p.constructor === Promise,"
        "Object.getPrototypeOf(p) === Promise.prototype, Object.keys(p).length];",
    )

    assert played.result == [True, True, True, 0]


def test_spawning_returns_an_id_at_once_and_asking_is_a_call(engine):
    source = """
    const task = tools.spawn.mcp.git.status({a: 1});
    const other = tools.spawn.exec(['sleep']);
    const info = await tools.spawn.get(task.id);
    await info.done;
    await tools.spawn.cancel(other.id);
    await tools.spawn.list();
    return [task.id, other.id, await task.done, Object.keys(info)];"""

    def answer(message):
        return True, ({"id": "turn.1", "status": "running"} if message.tool == "spawn.get" else {"tool": message.tool})

    played = play_engine(engine(), source, answer, task_prefix="turn")

    assert played.result == ["turn.1", "turn.2", {"tool": "mcp.git.status"}, ["id", "status"]]
    assert [(c.tool, c.spawn) for c in played.calls] == [
        ("mcp.git.status", True), ("exec", True), ("spawn.get", False), ("spawn.wait", False), ("spawn.cancel", False),
        ("spawn.list", False),
    ]  # fmt: skip
    assert played.done.unawaited == ()


def test_timers_are_messages_and_can_be_cleared(engine):
    source = """
    const id = setTimeout(() => console.log('never'), 50);
    setTimeout((a, b) => console.log(a, b), 5, 'x', 2);
    clearTimeout(id);
    clearTimeout(id);
    clearTimeout(99);
    await sleep(10.5);
    await sleep(-1);
    await sleep('nonsense');"""
    played = play_engine(engine(), source)

    assert [m for m in played.messages if isinstance(m, Timer | TimerCleared)] == [
        Timer(number=1, delay_ms=50), Timer(number=2, delay_ms=5), TimerCleared(number=1),
        Timer(number=3, delay_ms=10.5), Timer(number=4, delay_ms=0), Timer(number=5, delay_ms=0),
    ]  # fmt: skip
    assert played.logs == ["x 2"]


def test_an_exception_in_a_timer_ends_the_script(engine):
    played = play_engine(engine(), "setTimeout(() => { throw new RangeError('late'); }, 1);\nawait sleep(1); return 1;")

    assert played.error.message == "RangeError: late"


def test_the_clock_moves_only_at_the_start_and_at_settlements(engine):
    source = """
    const a = Date.now(); for (let i = 0; i < 1e5; i++); const b = Date.now();
    await sleep(1000);
    return [a, b - a, Date.now() - a, new Date().getTime() - a, new Date().getTimezoneOffset(), new Date(0).toISOString(),
            typeof Date(), new Date(2020, 0, 1).getTime(), Date.UTC(2020, 0, 1), new Date() instanceof Date];"""
    played = play_engine(engine(), source)

    assert played.result == [
        START_MS,
        0,
        1,
        1,
        0,
        "1970-01-01T00:00:00.000Z",
        "string",
        1577836800000,
        1577836800000,
        True,
    ]


def test_chance_is_a_function_of_the_seed(engine):
    source = "return [Math.random(), Math.random(), Math.random()];"
    first, again, other = (play_engine(engine(), source, seed=s).result for s in (5, 5, 6))

    assert first == again != other
    assert all(0 <= x < 1 for x in first + other)
    assert len(set(first + other)) == 6


def test_params_and_context_are_frozen_json(engine):
    source = """
    const seen = [params.list[1].deep, context.workingDirectory, Object.isFrozen(params.list[1])];
    try { params.list[1].deep = 2; } catch (e) { seen.push(e.name); }
    try { context = 1; } catch (e) { seen.push(e.name); }
    return seen;"""
    played = play_engine(engine(), source, params='{"list":[0,{"deep":1}]}', context='{"workingDirectory":"/w"}')

    assert played.result == [1, "/w", True, "TypeError", "TypeError"]


def test_results_of_tools_are_frozen_plain_values_of_this_realm(engine):
    source = """
    const r = await tools.list({path: '.'});
    return [Array.isArray(r), Object.isFrozen(r), Object.isFrozen(r[0]), r.constructor === Array,
            Object.getPrototypeOf(r[0]) === Object.prototype, Object.keys(r[0])];"""
    played = play_engine(engine(), source, lambda c: (True, [{"a": 1, "__proto__": {"admin": True}}]))

    assert played.result == [True, True, True, True, True, ["a", "__proto__"]]


def test_the_store_is_read_and_changed_at_once_and_changes_are_told_once_a_batch(engine):
    source = """
    const before = [store.get('a'), store.get('no'), store.has('a'), store.keys()];
    store.set('b', 1); store.set('b', {x: [2]}); store.delete('a'); store.delete('no'); store.set('__proto__', 3);
    const copy = store.get('b'); copy.x.push(9);
    return [before, store.get('a'), store.get('b'), store.get('__proto__'), store.keys().sort()];"""
    played = play_engine(engine(), source, store='{"a":[1]}')

    assert played.result == [[[1], None, True, ["a"]], None, {"x": [2]}, 3, ["__proto__", "b"]]
    assert [m for m in played.messages if isinstance(m, StoreChange)] == [
        StoreChange(key="b", value='{"x":[2]}'), StoreChange(key="a", value=None), StoreChange(key="__proto__", value="3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value", ["() => 1", "(() => { const o = {}; o.o = o; return o; })()", "5n", "undefined", "new Map()"]
)
def test_the_store_refuses_what_is_not_json(engine, value):
    played = play_engine(engine(), f"try {{ store.set('k', {value}); }} catch (e) {{ return e.name; }}")

    assert played.result == "TypeError"
    assert [m for m in played.messages if isinstance(m, StoreChange)] == []


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("store.n = 1", 'store.set("n", value)'),
        ("store.n", 'store.get("n")'),
        ("store.n ??= 1", 'store.get("n")'),
        ("delete store.n", 'store.delete("n")'),
        ("'n' in store", 'store.has("n")'),
        ("Object.assign(store, {n: 1})", 'store.set("n", value)'),
        ("tools.spawn('exec', {command: ['true']})", "tools.spawn.exec({…})"),
        ("tools.spawn('mcp.git.status')", "tools.spawn.mcp.git.status({…})"),
        ("tools.spawn({command: ['true']})", "tools.spawn.<tool>({…})"),
        ("tools.spawn('`; no')", "tools.spawn.<tool>({…})"),
    ],
)
def test_what_looks_right_and_is_not_says_what_to_write(engine, source, advice):
    played = play_engine(engine(), f"try {{ {source}; }} catch (e) {{ return [e.name, e.message]; }}")
    name, message = played.result
    assert name == "TypeError"
    assert advice in message


def test_the_store_is_shown_and_carried_like_any_object(engine):
    played = play_engine(
        engine(), "const {get, set} = store; set('n', 1); return [get('n'), await store === store, {store}];"
    )
    assert played.result == [1, True, {"store": {}}]


def test_store_keys_are_strings_of_bounded_length(engine):
    played = play_engine(
        engine(),
        "const seen = []; for (const k of ['x'.repeat(257), 5]) { try { store.set(k, 1); } catch (e) { seen.push(e.name); } }"
        "store.set('', 1); store.set('../../x', 2); return [seen, store.get('')];",
    )

    assert played.result == [["RangeError", "TypeError"], 1]


def test_console_lines_are_readable_and_name_their_line(engine):
    source = """
    console.log('text', 1, true, null, undefined, {a: [1, {b: 2}]}, [3n], new Map([[1, 2]]), new Set([1]));
    console.warn(Symbol('s'), () => 1, tools.read({}));
    console.error(new TypeError('bad'));
    const o = {}; o.o = o; console.info(o); console.debug('d');"""
    played = play_engine(engine(), source)

    levels = [m.level for m in played.messages if hasattr(m, "level")]
    assert levels == ["log", "warn", "error", "info", "debug"]
    assert played.logs[0] == 'text 1 true null undefined {"a":[1,{"b":2}]} ["3n"] {"Map":[[1,2]]} {"Set":[1]}'
    assert played.logs[1] == "Symbol(s) [function] [promise: await it]"
    assert played.logs[2].startswith("TypeError: bad\n") and "script:4:" in played.logs[2]
    assert played.logs[3:] == ["[object with a cycle]", "d"]
    assert [m.line for m in played.messages if hasattr(m, "level")] == [2, 3, 4, 5, 5]


def test_console_bytes_are_bounded_and_what_is_dropped_is_counted(engine):
    source = "for (let i = 0; i < 300; i++) console.log('é'.repeat(10)); return 1;"
    played = play_engine(engine(), source, limits=tight(console_bytes=100 * 21))

    lines = [line for text in played.logs for line in text.split("\n") if line]
    assert len(lines) == 100
    assert sum(m.dropped for m in played.messages if hasattr(m, "dropped")) == 200


def test_a_flood_of_lines_comes_in_few_messages_and_in_order(engine):
    played = play_engine(engine(), "for (let i = 0; i < 5000; i++) console.log(i); console.warn('w'); return 1;")

    assert len(played.logs) < 200
    assert "\n".join(played.logs).split("\n") == [*map(str, range(5000)), "w"]


@pytest.mark.parametrize(
    "source",
    [
        "for (;;) {}",
        "for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } }",
        "try { for (;;) {} } finally { for (;;) {} }",
        "const f = async () => { await null; return f(); }; for (;;) await f();",
        "const spin = () => queueMicrotask(spin); spin(); await new Promise(() => {});",
        "return /(a+)+$/.test('a'.repeat(40) + 'b');",
        "await tools.echo(new Proxy({}, { ownKeys() { for (;;) {} } }));",
        "throw { get stack() { for (;;) {} } };",
        "throw { get name() { for (;;) {} }, toString() { for (;;) {} } };",
        "return { toJSON() { for (;;) {} } };",
        "console.log({ toString() { for (;;) {} }, toJSON() { for (;;) {} } });",
        "setTimeout(() => { for (;;) {} }, 1); await sleep(5);",
        "return Array.from({ length: 3e5 }, (_, i) => i ^ 0x5a5a).sort((a, b) => { for (let i = 0; i < 1e5; i++); return a - b; });",
    ],
)
def test_an_endless_script_ends_at_its_limit_whatever_it_catches(engine, source):
    # So short that no script has filled its heap before: a full one shows only where the process has a peak of its own.
    played = play_engine(engine(), source, limits=tight(guest_seconds=0.03))

    assert isinstance(played.error, GuestTimeExceeded | HeapExceeded)
    if isinstance(played.error, GuestTimeExceeded):
        assert played.error.allowed == 0.03
        assert played.error.used >= 0.029


def test_what_was_said_and_asked_before_an_interrupt_is_kept(engine):
    played = play_engine(engine(), "console.log('here'); tools.echo({}); for (;;) {}", limits=tight(guest_seconds=0.1))

    assert played.logs == ["here"]
    assert [c.tool for c in played.calls] == ["echo"]
    assert isinstance(played.error, GuestTimeExceeded)


def test_guest_time_adds_up_over_settlements(engine):
    played = play_engine(
        engine(), "for (let n = 0; n < 50; n++) { for (let i = 0; i < 3e5; i++); await tools.echo({}); }",
        limits=tight(guest_seconds=0.1),
    )  # fmt: skip

    assert isinstance(played.error, GuestTimeExceeded)
    assert 1 < len(played.calls) < 50


@pytest.mark.parametrize(
    "source",
    [
        "return 'x'.repeat(2 ** 29).length;",
        "return new Uint8Array(2 ** 31 - 1).length;",
        "return new Array(2 ** 26).fill(1).length;",
        "return 'a'.repeat(2 ** 22).replace(/a/g, 'b'.repeat(64)).length;",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, i);",
        "const a = []; for (;;) a.push(new Array(1000).fill(0));",
        "let s = 'x'; for (;;) s += s;",
        "const a = []; for (let i = 0; i < 5000; i++) a.push('x'.repeat(5000) + i); return a.length;",
    ],
)
def test_a_full_heap_is_its_own_error(engine, source):
    played = play_engine(engine(), source, limits=tight(heap_bytes=4 << 20))

    assert isinstance(played.error, HeapExceeded | ScriptThrew), played.error
    if isinstance(played.error, ScriptThrew):
        assert played.error.name in ("RangeError", "InternalError")  # a length that no heap could hold
    else:
        assert played.error.allowed == 4 << 20


def test_what_was_said_before_the_heap_was_full_is_told(engine):
    played = play_engine(
        engine(), "console.log('before'); const a = []; for (;;) a.push(new Array(1000).fill(0));",
        limits=tight(heap_bytes=4 << 20),
    )  # fmt: skip

    assert isinstance(played.error, HeapExceeded)
    assert played.logs == ["before"]


def test_a_heap_almost_full_is_no_error(engine):
    source = "const a = []; for (let i = 0; i < 500; i++) a.push('x'.repeat(5000) + i); return a.length;"

    assert play_engine(engine(), source, limits=tight(heap_bytes=4 << 20)).result == 500


def test_a_full_heap_can_be_caught_and_the_clock_still_runs(engine):
    played = play_engine(
        engine(), "const keep = []; for (;;) { try { keep.push(new Uint8Array(1e6)); } catch { keep.length = 0; } }",
        limits=tight(guest_seconds=0.3),
    )  # fmt: skip

    assert isinstance(played.error, GuestTimeExceeded)


@pytest.mark.parametrize(
    "source",
    [
        "(function f() { f(); })(); return 1;",
        "const o = { toString() { return '' + o; } }; return '' + o;",
        "const p = new Proxy({}, { get(t, k, r) { return r[k]; } }); return p.x;",
        "const f = (n) => [1].map(() => f(n + 1)); f(0);",
    ],
)
def test_too_deep_a_recursion_is_its_own_error(engine, source):
    played = play_engine(engine(), source)

    assert isinstance(played.error, StackExceeded), played.error
    assert played.error.allowed == QUICK.stack_bytes


def test_too_deep_a_recursion_can_be_caught(engine):
    played = play_engine(engine(), "try { (function f() { f(); })(); } catch (e) { return e.name; } return 'none';")

    if isinstance(played.messages[-1], Failed):
        assert isinstance(played.error, StackExceeded)  # in wasm, an overrun stack ends the instance
    else:
        assert played.result in ("RangeError", "InternalError", "none")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("5n", "BigInt"),
        ("{ deep: [5n] }", "BigInt"),
        ("() => 1", "function"),
        ("Symbol('s')", "symbol"),
        ("(() => { const o = {}; o.o = o; return o; })()", "circular"),
        ("new Map([[1, 2]])", "a Map; use Object.fromEntries(map)"),
        ("[new Set()]", "a Set; use [...set]"),
        ("{ p: tools.read({}) }", "a promise; await it first"),
    ],
)
def test_a_result_that_json_cannot_carry_is_its_own_error(engine, value, says):
    played = play_engine(engine(), f"return {value};")

    assert isinstance(played.error, ResultNotJson)
    assert says in played.error.message


def test_what_json_changes_is_what_it_changes_everywhere(engine):
    played = play_engine(
        engine(),
        "return [undefined, NaN, Infinity, -0, () => 1, Symbol('s'), new Date(0), /x/g, { f() {}, u: undefined }, new Error('e')];",
    )

    assert played.result == [
        None, None, None, 0, None, None, "1970-01-01T00:00:00.000Z", {}, {}, {"name": "Error", "message": "e"},
    ]  # fmt: skip


def test_inside_the_script_json_is_as_standard(engine):
    played = play_engine(engine(), "return JSON.stringify({ m: new Map([[1, 2]]), s: new Set(), e: new Error('x') });")

    assert json.loads(played.result) == {"m": {}, "s": {}, "e": {}}


def test_an_exception_while_the_result_is_made_is_the_scripts_own(engine):
    played = play_engine(engine(), "return { get x() { throw new RangeError('mine'); } };")

    assert played.error.message == "RangeError: mine"


def test_a_result_just_within_its_limit_passes_and_one_beyond_is_refused(engine):
    limits = tight(result_bytes=1000)
    within = play_engine(engine(), "return 'x'.repeat(998);", limits=limits)
    beyond = play_engine(engine(), "return 'é'.repeat(500);", limits=limits)

    assert len(within.done.result) == 1000
    assert isinstance(beyond.error, ResultTooLarge)
    assert (beyond.error.allowed, beyond.error.used) == (1000, 1002)


def test_a_result_nested_too_deeply_is_not_json(engine):
    played = play_engine(engine(), "let o = 1; for (let i = 0; i < 600; i++) o = [o]; return o;")

    assert isinstance(played.error, ResultNotJson)
    assert "512 levels deep" in played.error.message


def test_arguments_beyond_their_limit_reject_and_are_not_sent(engine):
    source = (
        "try { await tools.echo({ text: 'é'.repeat(500) }); } catch (e) { return [e.name, e.code, e.tool, e.details]; }"
    )
    played = play_engine(engine(), source, limits=tight(argument_bytes=1000))

    assert played.calls == []
    assert played.result == ["ArgumentsTooLarge", "argument_limit", "echo", {"allowed": 1000, "used": 1011}]


def test_large_arguments_and_results_arrive_whole(engine):
    text = 'x\u0000é\U0010ffff"\\\n' * 20_000
    played = play_engine(engine(), "return await tools.echo({ text: params });", params=json.dumps(text))

    assert json.loads(played.calls[0].arguments) == {"text": text}
    assert played.result == {"text": text}


def test_half_characters_and_nul_survive_the_journey(engine):
    source = r"""return await tools.echo({ text: "\ud800 a\u0000b \udfff \u2028 \u{10ffff}" });"""
    played = play_engine(engine(), source)

    assert played.result == {"text": "\ud800 a\u0000b \udfff \u2028 \U0010ffff"}


@pytest.mark.parametrize("text", ["a\ud800b", "\udfff", "\ud83d", "a\0b", "\U0001f600", r"\ud800"])
@pytest.mark.parametrize("ok", [True, False])
def test_an_answer_that_is_one_text_may_hold_half_characters_too(engine, text, ok):
    source = (
        "try { const told = await tools.echo({}); return [...told].length } catch (e) { return [...e.message].length }"
    )
    answer = text if ok else {"name": "ToolError", "code": "c", "message": text}
    played = play_engine(engine(), source, lambda message: (ok, answer))

    assert played.result == len(text)


@pytest.mark.parametrize("depth", [600, 50_000])
def test_arguments_nested_too_deeply_reject_naming_the_limit(engine, depth):
    source = f"let o = 1; for (let i = 0; i < {depth}; i++) o = [o]; try {{ await tools.echo(o); }} catch (e) {{ return String(e); }}"
    played = play_engine(engine(), source)

    if isinstance(played.messages[-1], Failed):
        assert isinstance(played.error, StackExceeded)
    else:
        assert "512 levels deep" in played.result
    assert played.calls == []


def test_depth_is_not_brackets_in_strings(engine):
    played = play_engine(engine(), "return await tools.echo({ text: '[{'.repeat(5000), more: ']\"\\\\'.repeat(999) });")

    assert played.result["text"] == "[{" * 5000


def test_a_script_that_can_never_go_on_says_nothing_more(engine):
    played = play_engine(engine(), "await new Promise(() => {});")

    assert played.stuck
    assert played.messages == []
    assert DeadlockError().code == "deadlock"


def test_a_flood_of_calls_stops_at_the_mailbox(engine):
    source = "const all = []; for (let i = 0; i < 5000; i++) all.push(tools.echo({})); return (await Promise.allSettled(all)).filter(s => s.status === 'rejected')[0].reason.code;"
    played = play_engine(engine(), source, limits=tight(calls=10))

    assert played.result == "call_limit"
    assert len(played.calls) < 200


def test_the_same_inputs_and_the_same_tape_give_the_same_run(engine):
    source = """
    const seen = [Math.random(), Date.now()];
    for (const r of await Promise.all([tools.echo({ a: 1 }), sleep(3), tools.echo({ a: 2 })])) seen.push(r, Math.random(), Date.now());
    setTimeout(() => console.log('t'), 1); console.log(...seen, [3, 1, 2].sort(() => 0), Object.keys({ b: 1, a: 2 }));
    await sleep(2); return seen;"""
    first, second = (play_engine(engine(), source, echoes, seed=3) for _ in range(2))

    assert first.messages == second.messages


FORGED = {
    "an error renamed": "throw Object.assign(new Error('out of memory'), { name: 'InternalError' });",
    "a class of that name": "class InternalError extends Error { name = 'InternalError' } throw new InternalError('out of memory');",
    "an object": "throw { name: 'InternalError', message: 'out of memory' };",
    "the kind of another error": "throw Reflect.construct(Error, ['out of memory'], class InternalError extends Error {});",
}


@pytest.mark.parametrize("how", FORGED)
def test_an_error_that_only_looks_like_a_full_heap_is_the_scripts_own(engine, how):
    played = play_engine(engine(), FORGED[how])

    assert isinstance(played.error, ScriptThrew), played.error


def test_a_full_heap_that_was_caught_and_thrown_again_is_a_full_heap(engine):
    source = "const a = []; try { for (;;) a.push('x'.repeat(1000) + a.length); } catch (e) { a.length = 0; throw e; }"
    assert ending_alone(engine, source, limits=tight(heap_bytes=4 << 20)) == "HeapExceeded"
