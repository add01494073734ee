  // How long and how deep a text is, and how values become JSON.

  // Counting is slow, and needless while even the longest encoding would fit.
  const bytesUpTo = (text, limit) => text.length * 3 <= limit || text.length > limit ? text.length : bytes(text);
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
  const toJson = (value, what, checked) => {
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
    if (checked && text !== undefined && tooDeep(text)) {
      throw new TypeError(what + " nested more than " + DEEPEST + " levels deep cannot be carried as JSON");
    }
    return text;
  };
  const isOverflow = (error) => typeof error === "object" && error !== null && rawStack(error) !== undefined
    && getPrototypeOf(error) === RangeError.prototype && getOwnPropertyDescriptor(error, "message")?.value === "Maximum call stack size exceeded";
  const isHeapFull = (error) => typeof error === "object" && error !== null && rawStack(error) !== undefined && getPrototypeOf(error) === engineError
    && getOwnPropertyDescriptor(error, "message")?.value === "out of memory";
  const refuse = (prototype, text) => defineProperty(prototype, "toJSON", { value: own(function toJSON() {
    if (leaving) throw new TypeError("JSON cannot carry " + text);
    return this;
  }), writable: true, enumerable: false, configurable: true });
  refuse(Map.prototype, "a Map; use Object.fromEntries(map) or [...map]");
  refuse(Set.prototype, "a Set; use [...set]");
  refuse(Promise.prototype, "a promise; await it first");
  defineProperty(Error.prototype, "toJSON", { value: own(function toJSON() {
    return leaving ? { name: this.name, message: this.message, ...this } : this;
  }), writable: true, enumerable: false, configurable: true });
  let showing = false;
  defineProperty(BigInt.prototype, "toJSON", { value: own(function toJSON() {
    if (showing) return String(this) + "n";
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
