"""What a script can see: the list of globals is pinned, and everything of it is frozen."""

from __future__ import annotations

from tests.harness.runtime.playing import play_engine, tight

from toolscript.runtime.quickjs import QuickJSEngine

LANGUAGE = """
Object Function Error EvalError RangeError ReferenceError SyntaxError TypeError URIError AggregateError
SuppressedError Iterator Array parseInt parseFloat isNaN isFinite queueMicrotask decodeURI decodeURIComponent encodeURI
encodeURIComponent escape unescape Infinity NaN undefined Number Boolean String Math Reflect Symbol DisposableStack
globalThis BigInt Date RegExp JSON Proxy Map Set WeakMap WeakSet ArrayBuffer Uint8ClampedArray Int8Array Uint8Array
Int16Array Uint16Array Int32Array Uint32Array BigInt64Array BigUint64Array Float16Array Float32Array Float64Array
DataView Promise AsyncDisposableStack btoa atob
"""
OURS = "console sleep setTimeout clearTimeout store params context tools"
ALIASES = "shell readFile"


def names(engine) -> list[str]:
    return play_engine(engine(), "return Reflect.ownKeys(globalThis).map(String);").result


def test_the_globals_are_these_and_no_others():
    assert sorted(names(QuickJSEngine)) == sorted(
        [*f"{LANGUAGE} {OURS} {ALIASES}".split(), "Symbol(Symbol.toStringTag)"]
    )


def test_every_engine_shows_scripts_the_same_things_of_ours(engine):
    found = set(names(engine))

    assert set(f"{OURS} {ALIASES}".split()) <= found
    assert not found & {
        "eval",
        "WebAssembly",
        "SharedArrayBuffer",
        "Atomics",
        "WeakRef",
        "FinalizationRegistry",
        "performance",
        "print",
    }


def test_no_global_can_be_replaced_or_removed(engine):
    source = """
    const loose = [];
    for (const name of Reflect.ownKeys(globalThis)) {
      const slot = Object.getOwnPropertyDescriptor(globalThis, name);
      if (slot.configurable || slot.writable) loose.push(String(name));
    }
    return loose;"""

    assert play_engine(engine(), source).result == []


def test_everything_that_can_be_reached_is_frozen(engine):
    source = """
    const seen = new Set([globalThis]), loose = [];
    const todo = Reflect.ownKeys(globalThis).map((k) => [String(k), globalThis[k]]);
    todo.push(['async', async () => {}], ['generator', function* () {}], ['async generator', async function* () {}]);
    todo.push(['iterator', [][Symbol.iterator]()], ['regexp iterator', ''.matchAll(/x/g)]);
    if (globalThis.Iterator) todo.push(['helper', Iterator.from([]).map((x) => x)], ['wrapped', Iterator.from({ next() {} })]);
    const mine = new Set(todo.slice(globalThis.Iterator ? -7 : -5).map((x) => x[1]));
    while (todo.length) {
      const [path, o] = todo.pop();
      if ((typeof o !== 'object' && typeof o !== 'function') || o === null || seen.has(o)) continue;
      seen.add(o);
      if (!Object.isFrozen(o) && !mine.has(o)) loose.push(path);
      for (const k of [...Reflect.ownKeys(o)]) {
        const d = Object.getOwnPropertyDescriptor(o, k);
        if (mine.has(o) && k === 'prototype') continue;
        todo.push([path + '.' + String(k), d.value], [path + '.get ' + String(k), d.get], [path + '.set ' + String(k), d.set]);
      }
      todo.push([path + '.__proto__', Object.getPrototypeOf(o)]);
    }
    return loose;"""

    assert play_engine(engine(), source, limits=tight(guest_seconds=5)).result == []


def test_frozen_prototypes_do_not_get_in_the_way_of_ordinary_code(engine):
    source = """
    class Mine extends Error { constructor(m) { super(m); this.name = 'Mine'; this.message = m + '!'; } }
    class Counter extends Map { get(k) { return super.get(k) ?? 0; } }
    const o = {}; o.toString = () => 'own'; o.constructor = 1; o.valueOf = () => 5; o.hasOwnProperty = 2;
    function Old() {} Old.prototype.constructor = Old; Old.prototype.toString = () => 'old';
    const e = new Mine('m'); e.stack = 'x';
    const f = () => 1; f.toString = () => 'f';
    return [e.name, e.message, e instanceof Mine, e.stack, new Counter([['a', 1]]).get('b'), String(o), o + 1, String(new Old()),
            String(f), [3, 1, 2].sort(), Object.assign({}, { toString: 1 }).toString, ({ ...o }).constructor];"""
    played = play_engine(engine(), source)

    assert played.result == ["Mine", "m!", True, "x", 0, "own", 6, "old", "f", [1, 2, 3], 1, 1]


def test_functions_of_ours_do_not_show_their_text(engine):
    source = """
    return [tools.exec, readFile, console.log, sleep, setTimeout, store.get, Date, Math.random, tools.spawn.list]
      .map((f) => Function.prototype.toString.call(f).includes('[native code]'));"""

    assert play_engine(engine(), source).result == [True] * 9
