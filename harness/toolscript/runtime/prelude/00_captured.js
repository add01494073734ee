// The realm of one script: frozen intrinsics, the facade, and an outbox that the worker drains.
//
// No function of the host exists in here. What the script wants becomes text in the outbox; the host answers by
// settling promises by number. Everything that builds a message uses functions captured before the script runs,
// joins strings, and keeps its queues in objects without a prototype, so nothing a script patches is ever asked.
//
// The loader drops comment lines and joins the rest into one line: frames on line 1 are then ours, and the user's
// source, which follows a one-line header in a source of its own, is on line n + 1.
(() => {
  "use strict";
  const global = globalThis;
  const { Array, BigInt, Date, Error, EvalError, Function, JSON, Map, Math, Number, Object, Promise, Proxy, RangeError } = global;
  const { Reflect, RegExp, Set, String, Symbol, TypeError, WeakMap } = global;
  // Only the engine makes errors of this kind: scripts get no constructor for them.
  const engineError = global.InternalError?.prototype;
  const uncurry = Function.prototype.bind.bind(Function.prototype.call);
  const { create, defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, keys, setPrototypeOf } = Object;
  const { apply, construct, ownKeys, preventExtensions } = Reflect;
  const { parse, stringify: quote } = JSON;
  const { isArray } = Array;
  const join = uncurry(Array.prototype.join);
  const split = uncurry(String.prototype.split);
  const slice = uncurry(String.prototype.slice);
  const indexOf = uncurry(String.prototype.indexOf);
  const charCodeAt = uncurry(String.prototype.charCodeAt);
  const exec = uncurry(RegExp.prototype.exec);
  const replace = uncurry(RegExp.prototype[Symbol.replace]);
  const then = uncurry(Promise.prototype.then);
  const mapGet = uncurry(Map.prototype.get);
  const mapSet = uncurry(Map.prototype.set);
  const mapHas = uncurry(Map.prototype.has);
  const mapDelete = uncurry(Map.prototype.delete);
  const mapSize = uncurry(getOwnPropertyDescriptor(Map.prototype, "size").get);
  const mapForEach = uncurry(Map.prototype.forEach);
  const weakGet = uncurry(WeakMap.prototype.get);
  const weakSet = uncurry(WeakMap.prototype.set);
  const sourceOf = uncurry(Function.prototype.toString);
  const stackSlot = getOwnPropertyDescriptor(Error.prototype, "stack");
  // Older engines keep the stack as a property of each error; there scripts see it as the engine wrote it.
  const AS_PROPERTY = stackSlot === undefined;
  const rawStack = AS_PROPERTY ? (error) => {
    const text = typeof error === "object" && error !== null ? getOwnPropertyDescriptor(error, "stack")?.value : undefined;
    return typeof text === "string" ? text : undefined;
  } : uncurry(stackSlot.get);
  const list = () => setPrototypeOf([], null);
  const bare = (fields) => setPrototypeOf(fields, null);
  const nothing = () => {};

  // Functions of ours print as native code: their text is nobody's business.
  const ours = new WeakMap();
  const own = (f) => { weakSet(ours, f, true); return f; };

  const DEEPEST = 512;
  const INLINE = 4096;
  const LONGEST_DELAY = 2147483647;
  const SEVERITY = bare({ debug: 0, log: 1, info: 2, warn: 3, error: 4 });
