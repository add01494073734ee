  // The tree of tools that a script sees.

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
  // A room that can be called by mistake says how its tools are called.
  const misused = (where, what) => {
    const target = own((name) => {
      const tool = typeof name === "string" && exec(/^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*$/, name) !== null ? name : "<tool>";
      throw new TypeError(where + " is not a function; write " + where + "." + tool + "({" + "\u2026})" + what);
    });
    delete target.name;
    delete target.length;
    return setPrototypeOf(target, null);
  };
  const roomOf = (path, children, send, extra, target = create(null)) => {
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
