  // Values that outlive the script.

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
  // What looks like a property of the store is no entry of it: say so instead of losing it.
  const entry = (name, instead) => {
    if (typeof name === "symbol") throw new TypeError("a key of the store is a string");
    if (hasOwn(storing, name)) throw new TypeError("store." + name + " is read-only");
    throw new TypeError("the store has no properties; write store." + instead(quote(clip(name, 60))));
  };
  const storing = bare({
    get: own((name) => { const text = textOf(key(name)); return text === undefined ? undefined : parse(text); }),
    has: own((name) => textOf(key(name)) !== undefined),
    set: own((name, value) => {
      const text = toJson(value, "a value of the store", true);
      if (text === undefined) throw new TypeError("the store keeps JSON values, not " + typeof value);
      const used = bytesUpTo(text, limits.store_bytes);
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
  const store = new Proxy(storing, bare({
    get: (target, name) => typeof name === "symbol" || ASKED[name] === 1 || hasOwn(target, name) ? target[name]
      : entry(name, (key) => "get(" + key + ")"),
    has: (target, name) => typeof name === "symbol" || hasOwn(target, name) || entry(name, (key) => "has(" + key + ")"),
    deleteProperty: (target, name) => entry(name, (key) => "delete(" + key + ")"),
    set: (target, name) => entry(name, (key) => "set(" + key + ", value)"),
  }));
  const flushStore = () => {
    mapForEach(dirty, (text, name) => {
      out[count++] = '["s",' + quote(name) + "," + (text === undefined ? "null" : carried(text)) + "]";
    });
    mapForEach(dirty, (text, name) => { mapDelete(dirty, name); });
  };
