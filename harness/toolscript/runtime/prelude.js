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
  const mapForEach = uncurry(Map.prototype.forEach);
  const weakGet = uncurry(WeakMap.prototype.get);
  const weakSet = uncurry(WeakMap.prototype.set);
  const sourceOf = uncurry(Function.prototype.toString);
  const stackSlot = getOwnPropertyDescriptor(Error.prototype, "stack");
  const rawStack = uncurry(stackSlot.get);
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

  // ---- texts -----------------------------------------------------------------------------------------------------

  const bytes = (text) => {
    if (exec(/[^\x00-\x7f]/, text) === null) return text.length;
    let total = 0;
    for (let i = 0; i < text.length; i++) {
      const c = charCodeAt(text, i);
      total += c < 0x80 ? 1 : c < 0x800 || (c >= 0xd800 && c < 0xe000) ? 2 : 3;
    }
    return total;
  };
  const clip = (text, length) => text.length > length ? slice(text, 0, length) + "\u2026" : text;
  const tooDeep = (text) => {
    if (text.length < 2 * DEEPEST || split(text, "[").length + split(text, "{").length - 2 <= DEEPEST) return false;
    const brackets = replace(/"(?:[^"\\]+|\\.)*"|[^\[\]{}"]+/g, text, "");
    let depth = 0;
    for (let i = 0; i < brackets.length; i++) {
      const c = charCodeAt(brackets, i);
      depth += c === 0x5b || c === 0x7b ? 1 : -1;
      if (depth > DEEPEST) return true;
    }
    return false;
  };

  // Only while a value leaves the realm do these refuse what JSON would lose without a word.
  let leaving = false;
  const toJson = (value, what) => {
    const before = leaving;
    leaving = true;
    let text;
    try {
      text = quote(value);
    } catch (error) {
      if (isOverflow(error)) throw new TypeError(what + " nested more than " + DEEPEST + " levels deep cannot be carried as JSON");
      throw error;
    } finally {
      leaving = before;
    }
    if (text !== undefined && tooDeep(text)) {
      throw new TypeError(what + " nested more than " + DEEPEST + " levels deep cannot be carried as JSON");
    }
    return text;
  };
  const isOverflow = (error) => typeof error === "object" && error !== null && rawStack(error) !== undefined
    && getPrototypeOf(error) === RangeError.prototype && getOwnPropertyDescriptor(error, "message")?.value === "Maximum call stack size exceeded";
  const refuse = (prototype, text) => defineProperty(prototype, "toJSON", { value: own(function toJSON() {
    if (leaving) throw new TypeError("JSON cannot carry " + text);
    return this;
  }), writable: true, enumerable: false, configurable: true });
  refuse(Map.prototype, "a Map; use Object.fromEntries(map) or [...map]");
  refuse(Set.prototype, "a Set; use [...set]");
  refuse(Promise.prototype, "a promise; await it first");
  refuse(BigInt.prototype, "a BigInt; use String(n) or Number(n)");
  defineProperty(Error.prototype, "toJSON", { value: own(function toJSON() {
    return leaving ? { name: this.name, message: this.message, ...this } : this;
  }), writable: true, enumerable: false, configurable: true });
  const bigints = getOwnPropertyDescriptor(BigInt.prototype, "toJSON").value;
  defineProperty(BigInt.prototype, "toJSON", { value: own(function toJSON() {
    apply(bigints, this, []);
    throw new TypeError("JSON cannot carry a BigInt; use String(n) or Number(n)");
  }), writable: true, enumerable: false, configurable: true });

  const freezeDeep = (value) => {
    if (typeof value !== "object" || value === null) return value;
    const waiting = list();
    waiting[0] = value;
    for (let at = 0; at < waiting.length; at++) {
      const item = waiting[at];
      freeze(item);
      const names = ownKeys(item);
      for (let i = 0; i < names.length; i++) {
        const child = item[names[i]];
        if (typeof child === "object" && child !== null) waiting[waiting.length] = child;
      }
    }
    return value;
  };

  // ---- places and stacks -----------------------------------------------------------------------------------------

  const place = (stack) => {
    const found = exec(/<input>:(?!1:)(\d+):(\d+)/, stack);
    return found === null ? "null,null" : (found[1] - 1) + "," + found[2];
  };
  const trim = (stack) => {
    const kept = list();
    const lines = split(stack, "\n");
    let last = 0;
    for (let i = 0; i < lines.length; i++) {
      const found = exec(/<input>:(\d+)(:\d+)/, lines[i]);
      if (found === null) {
        if (indexOf(lines[i], "(native)") >= 0) kept[kept.length] = lines[i];
      } else if (found[1] !== "1" && !isJsonPlace(lines, i)) {
        const at = found.index;
        kept[kept.length] = slice(lines[i], 0, at) + "script:" + (found[1] - 1) + slice(lines[i], at + 8 + found[1].length);
        last = kept.length;
      }
    }
    kept.length = last;
    return last === 0 ? "" : join(kept, "\n") + "\n";
  };
  // JSON.parse reports the place in its text as if it were a frame of the script.
  const isJsonPlace = (lines, i) => i + 1 < lines.length && indexOf(lines[i + 1], " parse (native)") >= 0
    && exec(/^ *at <input>:/, lines[i]) !== null;

  // ---- outbox ----------------------------------------------------------------------------------------------------

  let limits = bare({});
  let out = list();
  let parts = list();
  let count = 1;
  let number = 0;
  let calls = 0;
  let ended = false;
  const waiting = new Map();
  const unawaited = new Map();
  const failures = new WeakMap();

  const post = (text) => {
    flushLines();
    out[count++] = text;
  };
  // Long texts travel beside the messages, so they are never quoted twice.
  const carried = (text) => {
    if (text.length <= INLINE) return quote(text);
    parts[parts.length] = text;
    return parts.length - 1;
  };
  const drain = () => {
    flushLines();
    flushStore();
    out[0] = parts.length;
    const text = join(out, ",");
    out = list();
    count = 1;
    return text;
  };
  const part = (index) => parts[index];
  const drained = () => { parts = list(); };

  // ---- console ---------------------------------------------------------------------------------------------------

  let room = 0;
  let dropped = 0;
  let sent = 0;
  let lines = list();
  let gravest = "debug";
  let firstLine = "null";
  const SEPARATE = 100;

  const show = (value, depth) => {
    switch (typeof value) {
      case "string": return depth === 0 ? value : quote(value);
      case "bigint": return value + "n";
      case "symbol": return symbolText(value);
      case "function": return "[function]";
      case "object": return value === null ? "null" : showObject(value, depth);
      default: return String(value);
    }
  };
  const symbolText = uncurry(Symbol.prototype.toString);
  const showObject = (value, depth) => {
    try {
      if (rawStack(value) !== undefined) return showError(value);
      const text = quote(value, (key, item) => {
        if (typeof item === "bigint" || typeof item === "symbol" || typeof item === "function") return show(item, 1);
        if (item instanceof Map) return { Map: [...item] };
        if (item instanceof Set) return { Set: [...item] };
        if (item instanceof Promise) return "[promise: await it]";
        if (item instanceof Error) return showError(item);
        return item;
      });
      return typeof text === "string" ? text : String(text);
    } catch (error) {
      return isCycle(error) ? "[object with a cycle]" : "[object]";
    }
  };
  const isCycle = (error) => typeof error === "object" && error !== null && error instanceof TypeError
    && indexOf(String(getOwnPropertyDescriptor(error, "message")?.value), "circular") >= 0;
  const showError = (error) => {
    const head = String(error.name) + ": " + String(error.message);
    const stack = error.stack;
    return typeof stack === "string" && stack !== "" ? head + "\n" + slice(stack, 0, -1) : head;
  };
  const write = (level, values) => {
    if (ended) return;
    const texts = list();
    for (let i = 0; i < values.length; i++) texts[i] = show(values[i], 0);
    const text = join(texts, " ");
    const size = bytes(text) + 1;
    // Once a line did not fit, nothing fits: what is lost depends on bytes alone, and is the end, not the middle.
    if (dropped > 0 || size > room) {
      dropped++;
      return;
    }
    room -= size;
    const where = split(place(rawStack(new Error())), ",")[0];
    if (sent < SEPARATE) {
      sent++;
      out[count++] = '["l","' + level + '",' + quote(text) + "," + where + ",0]";
      return;
    }
    if (lines.length === 0) {
      gravest = level;
      firstLine = where;
    } else if (SEVERITY[level] > SEVERITY[gravest]) {
      gravest = level;
    }
    lines[lines.length] = text;
  };
  const flushLines = () => {
    if (lines.length === 0) return;
    out[count++] = '["l","' + gravest + '",' + quote(join(lines, "\n")) + "," + firstLine + ",0]";
    lines = list();
  };
  const console = create(null);
  for (const level of ["debug", "log", "info", "warn", "error"]) {
    console[level] = own((...values) => write(level, values));
  }

  // ---- errors ----------------------------------------------------------------------------------------------------

  const hidden = (target, name, value) => defineProperty(target, name, bare({ value, writable: true, enumerable: false, configurable: true }));
  const toolError = (data, stack) => {
    const error = new Error(String(data.message ?? ""));
    hidden(error, "name", String(data.name ?? "ToolError"));
    hidden(error, "stack", trim(stack));
    error.code = data.code;
    error.tool = data.tool;
    error.details = data.details;
    return error;
  };
  const limitError = (name, code, message, allowed, used, tool, stack) => {
    const error = toolError(bare({ name, code, message, tool, details: bare({ allowed, used }) }), stack);
    weakSet(failures, error, '"' + name + '",' + used);
    return error;
  };
  const rejected = (error) => {
    const promise = Promise.reject(error);
    return promise;
  };

  // ---- calls -----------------------------------------------------------------------------------------------------

  // Whoever awaits, chains or combines a promise asks for its constructor: this is how awaiting is noticed.
  const watched = bare({ enumerable: false, configurable: false, get: own(function constructor() {
    mapDelete(unawaited, this);
    return Promise;
  }) });
  const isOptions = (value) => typeof value === "object" && value !== null && !isArray(value);
  const packed = (tool, positional, args) => {
    if (args.length === 0) return {};
    if (args.length === 1 && (isOptions(args[0]) || positional.length === 0)) return args[0];
    const named = create(null);
    let given = args.length;
    if (given > 1 && isOptions(args[given - 1])) {
      const options = args[--given];
      const names = keys(options);
      for (let i = 0; i < names.length; i++) named[names[i]] = options[names[i]];
    }
    if (given > positional.length) {
      const takes = positional.length === 0 ? "one object" : "at most " + positional.length + " (" + join(positional, ", ") + ") and an object";
      throw new TypeError(tool + " takes " + takes + ", not " + args.length + " arguments");
    }
    for (let i = 0; i < given; i++) if (args[i] !== undefined) named[positional[i]] = args[i];
    return named;
  };
  const encoded = (tool, positional, args, stack) => {
    const text = toJson(packed(tool, positional, args), "arguments of " + tool) ?? "null";
    const used = text.length > limits.argument_bytes ? text.length : bytes(text);
    if (used > limits.argument_bytes) {
      throw limitError("ArgumentsTooLarge", "argument_limit", "arguments limit of " + limits.argument_bytes
        + " bytes reached (used " + used + " bytes)", limits.argument_bytes, used, tool, stack);
    }
    // The host counts calls and says no in order; this only keeps a flood from filling its mailbox.
    if (++calls > limits.calls + SEPARATE) {
      throw limitError("CallsExceeded", "call_limit", "tool calls limit of " + limits.calls + " reached (used "
        + calls + ")", limits.calls, calls, tool, stack);
    }
    return text;
  };
  const send = (tool, text, stack, spawn) => {
    const id = ++number;
    const promise = new Promise((resolve, reject) => {
      mapSet(waiting, id, bare({ resolve, reject, stack, run: undefined }));
    });
    if (!ended) post('["c",' + id + "," + quote(tool) + "," + place(stack) + "," + spawn + "," + carried(text) + "]");
    return promise;
  };
  const invoke = (tool, positional, args) => {
    const stack = rawStack(new Error());
    let promise;
    try {
      promise = send(tool, encoded(tool, positional, args, stack), stack, 0);
    } catch (error) {
      return rejected(error);
    }
    mapSet(unawaited, promise, number);
    defineProperty(promise, "constructor", watched);
    return promise;
  };
  const spawned = (tool, positional, args) => {
    const stack = rawStack(new Error());
    const done = send(tool, encoded(tool, positional, args, stack), stack, 1);
    then(done, nothing, nothing);
    return freeze({ id: limits.task_prefix + "." + number, done });
  };
  const known = (info) => {
    const id = info.id;
    let done;
    const wait = own(() => done ??= invoke("spawn.wait", ["id"], [id]));
    return freeze(defineProperty({ ...info }, "done", bare({ get: wait, enumerable: false, configurable: false })));
  };
  const specials = bare({
    get: own((...args) => then(invoke("spawn.get", ["id"], args), known)),
    wait: own((...args) => invoke("spawn.wait", ["id"], args)),
    list: own((...args) => invoke("spawn.list", [], args)),
    cancel: own((...args) => invoke("spawn.cancel", ["id"], args)),
  });

  // ---- facade ----------------------------------------------------------------------------------------------------

  // Names that the language or a library asks of any object; without a tool of that name they are not calls.
  const ASKED = bare({ then: 1, catch: 1, finally: 1, toJSON: 1, toString: 1, valueOf: 1, constructor: 1, prototype: 1, ["__proto__"]: 1,
    inspect: 1, nodeType: 1, length: 1, name: 1, call: 1, apply: 1, bind: 1, hasOwnProperty: 1, isPrototypeOf: 1, asymmetricMatch: 1 });
  const no = own(() => false);
  const unknown = (tool, send) => new Proxy(own((...args) => send(tool, [], args)), bare({
    get: (target, name) => typeof name === "symbol" || ASKED[name] === 1 ? undefined : unknown(tool + "." + name, send),
    set: no, defineProperty: no, deleteProperty: no, setPrototypeOf: no, preventExtensions: no,
  }));
  const leafOf = (tool, positional, send) => own((...args) => send(tool, positional, args));
  const leaf = (tool, positional, send) => freeze(leafOf(tool, positional, send));
  const both = (call, inside) => {
    for (const name of ownKeys(inside)) defineProperty(call, name, bare({ value: inside[name], enumerable: true, writable: false, configurable: false }));
    return freeze(call);
  };
  const roomOf = (path, children, send, extra) => {
    const target = create(null);
    const value = (name) => {
      if (extra !== null && hasOwn(extra, name)) return extra[name];
      const node = children[name];
      const tool = path + name;
      if (node.c === undefined) return leaf(tool, node.p, send);
      const inside = roomOf(tool + ".", node.c, send, null);
      return node.p === undefined ? inside : both(leafOf(tool, node.p, send), inside);
    };
    const knows = (name) => typeof name === "string" && ((extra !== null && hasOwn(extra, name)) || hasOwn(children, name));
    const made = (name) => {
      if (!hasOwn(target, name)) defineProperty(target, name, bare({ value: value(name), enumerable: true, writable: false, configurable: false }));
      return target[name];
    };
    const all = () => {
      if (extra !== null) for (const name of keys(extra)) made(name);
      for (const name of keys(children)) made(name);
      return target;
    };
    return new Proxy(target, bare({
      get: (t, name) => knows(name) ? made(name)
        : typeof name === "symbol" || ASKED[name] === 1 ? undefined : unknown(path + name, send),
      has: (t, name) => knows(name),
      ownKeys: () => ownKeys(all()),
      getOwnPropertyDescriptor: (t, name) => { if (knows(name)) made(name); return getOwnPropertyDescriptor(target, name); },
      isExtensible: () => { preventExtensions(all()); return false; },
      preventExtensions: () => { preventExtensions(all()); return true; },
      set: no, defineProperty: no, deleteProperty: no, setPrototypeOf: no,
    }));
  };

  // ---- timers ----------------------------------------------------------------------------------------------------

  let timers = 0;
  const timer = (delay, entry) => {
    const wanted = Number(delay);
    const ms = wanted > 0 ? (wanted < LONGEST_DELAY ? wanted : LONGEST_DELAY) : 0;
    const id = ++number;
    if (++timers > limits.timers + 1) throw new RangeError("timers limit of " + limits.timers + " reached");
    mapSet(waiting, id, entry);
    if (!ended) post('["t",' + id + "," + ms + "]");
    return id;
  };
  const sleep = own((ms) => new Promise((resolve, reject) => {
    timer(ms, bare({ resolve, reject, stack: "", run: undefined }));
  }));
  const setTimeout = own((callback, ms, ...args) => {
    if (typeof callback !== "function") throw new TypeError("setTimeout takes a function");
    return timer(ms, bare({ resolve: nothing, reject: nothing, stack: "", run: () => apply(callback, undefined, args) }));
  });
  const clearTimeout = own((id) => {
    if (mapGet(waiting, id)?.run === undefined) return;
    mapDelete(waiting, id);
    if (!ended) post('["x",' + id + "]");
  });
  const queueMicrotask = own((callback) => {
    if (typeof callback !== "function") throw new TypeError("queueMicrotask takes a function");
    then(Promise.resolve(), () => callback()).then(undefined, fail);
  });

  // ---- store -----------------------------------------------------------------------------------------------------

  let storeText = "{}";
  let stored = null;
  let changed = new Map();
  const dirty = new Map();
  const LONGEST_KEY = 256;
  const key = (name) => {
    if (typeof name !== "string") throw new TypeError("a key of the store is a string");
    if (name.length > LONGEST_KEY) throw new RangeError("a key of the store has at most " + LONGEST_KEY + " characters");
    return name;
  };
  const snapshot = () => stored ??= parse(storeText);
  const textOf = (name) => {
    if (mapHas(changed, name)) return mapGet(changed, name);
    const all = snapshot();
    return hasOwn(all, name) ? quote(all[name]) : undefined;
  };
  const change = (name, text) => { mapSet(changed, name, text); mapSet(dirty, name, text); };
  const store = bare({
    get: own((name) => { const text = textOf(key(name)); return text === undefined ? undefined : parse(text); }),
    has: own((name) => textOf(key(name)) !== undefined),
    set: own((name, value) => {
      const text = toJson(value, "a value of the store");
      if (text === undefined) throw new TypeError("the store keeps JSON values, not " + typeof value);
      const used = text.length > limits.store_bytes ? text.length : bytes(text);
      if (used > limits.store_bytes) {
        throw limitError("StoreTooLarge", "store_limit", "store limit of " + limits.store_bytes + " bytes reached (used " + used
          + " bytes)", limits.store_bytes, used, "store", rawStack(new Error()));
      }
      change(key(name), text);
    }),
    delete: own((name) => { const there = textOf(key(name)) !== undefined; if (there) change(name, undefined); return there; }),
    keys: own(() => {
      const found = [];
      for (const name of keys(snapshot())) if (!mapHas(changed, name)) found[found.length] = name;
      mapForEach(changed, (text, name) => { if (text !== undefined) found[found.length] = name; });
      return found;
    }),
  });
  const flushStore = () => {
    mapForEach(dirty, (text, name) => {
      out[count++] = '["s",' + quote(name) + "," + (text === undefined ? "null" : carried(text)) + "]";
    });
    mapForEach(dirty, (text, name) => { mapDelete(dirty, name); });
  };

  // ---- ending ----------------------------------------------------------------------------------------------------

  const left = () => {
    const numbers = list();
    mapForEach(unawaited, (id) => { numbers[numbers.length] = id; });
    if (dropped > 0) out[count++] = '["l","warn","",null,' + dropped + "]";
    flushStore();
    return "[" + join(numbers, ",") + "]";
  };
  const end = (text) => {
    if (ended) return;
    flushLines();
    const rest = left();
    ended = true;
    out[count++] = text + "," + rest + "]";
  };
  const succeed = (value) => {
    let text;
    try {
      text = value === undefined ? "null" : toJson(value, "a result");
      if (text === undefined) throw new TypeError("JSON cannot carry a " + typeof value);
    } catch (error) {
      if (isJsonRefusal(error)) end('["n",' + quote(clip(String(error.message), 2000)));
      else fail(error);
      return;
    }
    const used = text.length > limits.result_bytes ? text.length : bytes(text);
    end(used > limits.result_bytes ? '["b","ResultTooLarge",' + used + ",null,null" : '["d",' + carried(text));
  };
  const isJsonRefusal = (error) => typeof error === "object" && error !== null && getPrototypeOf(error) === TypeError.prototype
    && exec(/<input>:(?!1:)/, rawStack(error) ?? "") === null;
  const textFrom = (ask) => {
    try {
      const value = ask();
      return typeof value === "string" ? value : undefined;
    } catch {
      return undefined;
    }
  };
  const summary = (error) => {
    const name = textFrom(() => error.name);
    const message = textFrom(() => error.message);
    return clip(name ?? "Error", 200) + (message ? ": " + clip(message, 1000) : "");
  };
  const causes = (error) => {
    const said = list();
    let cause = error;
    for (let depth = 0; depth < 3; depth++) {
      try { cause = cause.cause; } catch { break; }
      if (typeof cause !== "object" || cause === null) break;
      said[said.length] = " (caused by " + summary(cause) + ")";
    }
    return join(said, "");
  };
  const thrown = (error) => {
    if ((typeof error !== "object" && typeof error !== "function") || error === null) {
      return bare({ name: "thrown " + (error === null ? "null" : typeof error), message: error === null || error === undefined ? "" : show(error, 0), stack: "" });
    }
    const stack = textFrom(() => error.stack);
    const named = textFrom(() => error.name);
    const message = textFrom(() => error.message);
    if (message === undefined && named === undefined) return bare({ name: "thrown " + typeof error, message: show(error, 0), stack: stack ?? "" });
    return bare({ name: named ?? "Error", message: (message ?? "") + causes(error), stack: stack ?? "" });
  };
  const siteOf = (stack) => {
    const found = exec(/script:(\d+):(\d+)/, stack);
    return found === null ? "null,null" : found[1] + "," + found[2];
  };
  const fail = (error) => {
    if (ended) return;
    const known = typeof error === "object" && error !== null ? weakGet(failures, error) : undefined;
    const told = thrown(error);
    const where = siteOf(told.stack);
    if (typeof known === "string") end('["b",' + known + "," + where);
    else if (isOverflow(error)) end('["b","StackExceeded",null,' + where);
    else if (told.name === "InternalError" && told.message === "out of memory") end('["b","HeapExceeded",null,' + where);
    else end('["f",' + quote(clip(told.name, 200)) + "," + quote(clip(told.message, 20000)) + "," + quote(clip(told.stack, 8000)) + ","
      + where + "," + (typeof known === "number" ? known : "null") + "," + (error === null));
  };

  // ---- clock and chance ------------------------------------------------------------------------------------------

  let now = 0;
  const GuestDate = own(function Date(...args) {
    if (new.target === undefined) return new RealDate(now).toString();
    return construct(RealDate, args.length === 0 ? [now] : args, new.target);
  });
  const RealDate = Date;
  for (const name of ["UTC", "parse"]) hidden(GuestDate, name, RealDate[name]);
  hidden(GuestDate, "now", own(() => now));
  defineProperty(GuestDate, "prototype", bare({ value: RealDate.prototype, writable: false, enumerable: false, configurable: false }));
  hidden(RealDate.prototype, "constructor", GuestDate);
  defineProperty(GuestDate, "length", bare({ value: 7, writable: false, enumerable: false, configurable: true }));

  let a = 0, b = 0, c = 0, d = 1;
  const random = own(() => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 4294967296;
  });
  const sow = (seed) => {
    a = seed | 0;
    b = (seed / 4294967296) | 0;
    c = 0x9e3779b9 | 0;
    d = 1;
    for (let i = 0; i < 15; i++) random();
  };

  // ---- the realm -------------------------------------------------------------------------------------------------

  const madeOfText = (name) => own(function () {
    throw new EvalError(name + " is switched off: code cannot be made from text");
  });
  const closeConstructors = () => {
    const samples = [function () {}, async function () {}, function* () {}, async function* () {}];
    for (const sample of samples) {
      const prototype = getPrototypeOf(sample);
      const stub = madeOfText(prototype === Function.prototype ? "Function" : "the function constructor");
      defineProperty(stub, "name", { value: prototype.constructor.name, configurable: true });
      defineProperty(stub, "prototype", { value: prototype, writable: false, configurable: false });
      defineProperty(prototype, "constructor", { value: stub, writable: true, enumerable: false, configurable: true });
    }
    global.Function = Function.prototype.constructor;
  };
  // Frozen prototypes make `child.name = x` throw; an accessor that defines on the child restores what people expect.
  const assignable = (prototype, names) => {
    for (const name of names) {
      const slot = getOwnPropertyDescriptor(prototype, name);
      if (slot === undefined || !("value" in slot)) continue;
      const value = slot.value;
      defineProperty(prototype, name, bare({ enumerable: false, configurable: false,
        get: own(function () { return value; }),
        set: own(function (given) {
          if (this === prototype || this === null || (typeof this !== "object" && typeof this !== "function")) {
            throw new TypeError("'" + name + "' is read-only");
          }
          defineProperty(this, name, bare({ value: given, writable: true, enumerable: true, configurable: true }));
        }) }));
    }
  };
  const freezeRealm = () => {
    const seen = new Set();
    const todo = [function* () {}, async function () {}, async function* () {}, [][Symbol.iterator](), new Map()[Symbol.iterator](),
      new Set()[Symbol.iterator](), ""[Symbol.iterator](), "".matchAll(/x/g), (async function* () {})(), (function* () {})()];
    for (const name of ownKeys(global)) {
      const slot = getOwnPropertyDescriptor(global, name);
      if ("value" in slot) todo.push(slot.value);
      if (name !== "globalThis" && slot.configurable) {
        defineProperty(global, name, bare({ value: slot.value, writable: false, enumerable: false, configurable: false }));
      }
    }
    while (todo.length > 0) {
      const item = todo.pop();
      if ((typeof item !== "object" && typeof item !== "function") || item === null || item === global || seen.has(item)) continue;
      seen.add(item);
      freeze(item);
      todo.push(getPrototypeOf(item));
      for (const name of ownKeys(item)) {
        const slot = getOwnPropertyDescriptor(item, name);
        todo.push(slot.value, slot.get, slot.set);
      }
    }
    defineProperty(global, "globalThis", bare({ value: global, writable: false, enumerable: false, configurable: false }));
  };
  const constant = (name, value) => defineProperty(global, name, bare({ value, writable: false, enumerable: false, configurable: false }));

  for (const name of ["eval", "WebAssembly", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry", "performance",
    "DOMException", "print", "std", "os", "bjson", "navigator", "gc"]) delete global[name];
  closeConstructors();
  delete Error.captureStackTrace;
  defineProperty(Error, "prepareStackTrace", bare({ value: undefined, writable: false, enumerable: false, configurable: false }));
  defineProperty(Error, "stackTraceLimit", bare({ value: 20, writable: false, enumerable: false, configurable: false }));
  defineProperty(Error.prototype, "stack", bare({ enumerable: false, configurable: false, set: stackSlot.set,
    get: own(function () { const raw = rawStack(this); return typeof raw === "string" ? trim(raw) : raw; }) }));
  defineProperty(Function.prototype, "toString", bare({ enumerable: false, configurable: true, writable: true, value: own(function toString() {
    return typeof this === "function" && weakGet(ours, this) === true ? "function () { [native code] }" : sourceOf(this);
  }) }));
  for (const [name, value] of [["Date", GuestDate], ["console", console], ["sleep", sleep], ["setTimeout", setTimeout],
    ["clearTimeout", clearTimeout], ["queueMicrotask", queueMicrotask], ["store", store]]) {
    defineProperty(global, name, bare({ value, writable: true, enumerable: false, configurable: true }));
  }
  Math.random = random;
  assignable(Object.prototype, ownKeys(Object.prototype));
  assignable(Function.prototype, ["toString", "constructor", "call", "apply", "bind"]);
  for (const kind of ["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError", "InternalError",
    "AggregateError", "SuppressedError"]) if (global[kind]) assignable(global[kind].prototype, ["name", "message", "constructor", "toString", "toJSON"]);
  freezeRealm();

  // ---- what the worker holds -------------------------------------------------------------------------------------

  const lazily = (text) => {
    let value;
    return own(() => {
      if (value === undefined) value = freezeDeep(parse(text));
      return value;
    });
  };
  const begin = (config, facade, params, context, kept) => {
    limits = setPrototypeOf(config, null);
    room = limits.console_bytes;
    now = limits.time_ms;
    sow(limits.seed);
    storeText = kept;
    const children = setPrototypeOf(facade.c, null);
    const spawn = roomOf("", children, spawned, specials);
    const tools = roomOf("", children, invoke, bare({ spawn }));
    constant("tools", tools);
    for (const name of facade.f) if (!hasOwn(global, name)) constant(name, leaf(name, children[name].p, invoke));
    defineProperty(global, "params", bare({ get: lazily(params), enumerable: false, configurable: false }));
    defineProperty(global, "context", bare({ get: lazily(context), enumerable: false, configurable: false }));
  };
  const run = (script) => {
    let promise;
    try {
      promise = script();
    } catch (error) {
      fail(error);
      return;
    }
    then(promise, succeed, fail);
  };
  const settle = (id, ok, value, time) => {
    if (time > now) now = time;
    const entry = mapGet(waiting, id);
    if (entry === undefined) return;
    mapDelete(waiting, id);
    if (entry.run !== undefined) {
      try { entry.run(); } catch (error) { fail(error); }
    } else if (ok) {
      entry.resolve(freezeDeep(value));
    } else {
      const error = toolError(value, entry.stack);
      weakSet(failures, error, id);
      entry.reject(error);
    }
  };
  const exports = bare({ begin, run, settle, drain, part, drained, fail });
  return (name) => exports[name];
})()
