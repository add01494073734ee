  // What a realm has and has not; then everything is frozen.

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
  // Every object that can be reached, once. Most are functions of the engine, whose name and length are never objects.
  const freezeRealm = () => {
    const seen = new Set();
    const found = list();
    let count = 0;
    const see = (item) => {
      if ((typeof item === "object" ? item !== null && item !== global : typeof item === "function") && !seen.has(item)) {
        seen.add(item);
        found[count++] = item;
      }
    };
    const { Iterator } = global;
    for (const item of [engineError, Iterator?.from({ next() {} }), Iterator?.from([]).map(nothing),
      function* () {}, async function () {}, async function* () {}, [][Symbol.iterator](), new Map()[Symbol.iterator](),
      new Set()[Symbol.iterator](), ""[Symbol.iterator](), "".matchAll(/x/g), (async function* () {})(), (function* () {})()]) see(item);
    for (const name of ownKeys(global)) {
      const slot = getOwnPropertyDescriptor(global, name);
      see(slot.value);
      if (name !== "globalThis" && slot.configurable) {
        defineProperty(global, name, bare({ value: slot.value, writable: false, enumerable: false, configurable: false }));
      }
    }
    for (let at = 0; at < count; at++) {
      const item = found[at];
      freeze(item);
      see(getPrototypeOf(item));
      const names = ownKeys(item);
      const callable = typeof item === "function";
      for (let i = 0, n = names.length; i < n; i++) {
        const name = names[i];
        if (callable && (name === "name" || name === "length")) continue;
        const slot = getOwnPropertyDescriptor(item, name);
        const value = slot.value;
        if (typeof value === "function" || (typeof value === "object" && value !== null)) see(value);
        else if (value === undefined) { see(slot.get); see(slot.set); }
      }
    }
    defineProperty(global, "globalThis", bare({ value: global, writable: false, enumerable: false, configurable: false }));
  };

  for (const name of ["eval", "WebAssembly", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry", "performance",
    "DOMException", "print", "std", "os", "bjson", "navigator", "gc"]) delete global[name];
  closeConstructors();
  delete Error.captureStackTrace;
  delete JSON.rawJSON;
  delete JSON.isRawJSON;
  defineProperty(Error, "prepareStackTrace", bare({ value: undefined, writable: false, enumerable: false, configurable: false }));
  defineProperty(Error, "stackTraceLimit", bare({ value: 20, writable: false, enumerable: false, configurable: false }));
  if (!AS_PROPERTY) defineProperty(Error.prototype, "stack", bare({ enumerable: false, configurable: false, set: stackSlot.set,
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
  for (const kind of ["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError",
    "AggregateError", "SuppressedError"]) if (global[kind]) assignable(global[kind].prototype, ["name", "message", "constructor", "toString", "toJSON"]);
  if (engineError !== undefined) {
    defineProperty(engineError, "constructor", bare({ value: Error, writable: true, enumerable: false, configurable: true }));
    delete global.InternalError;
    assignable(engineError, ["name", "message", "constructor", "toString", "toJSON"]);
  }
  freezeRealm();
