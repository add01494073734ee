  // The console: lines in order, as many bytes as allowed.

  let room = 0;
  let dropped = 0;
  let sent = 0;
  let lines = list();
  let gravest = "debug";
  let firstLine = "null";
  const SEPARATE = 100;
  const PENDING = "[promise: await it]";

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
      if (value instanceof Promise) return PENDING;
      const text = quote(value, (key, item) => {
        if (typeof item === "bigint" || typeof item === "symbol" || typeof item === "function") return show(item, 1);
        if (item instanceof Map) return { Map: [...item] };
        if (item instanceof Set) return { Set: [...item] };
        if (item instanceof Promise) return PENDING;
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
    const stack = AS_PROPERTY && weakGet(failures, error) === undefined ? trim(String(error.stack)) : error.stack;
    return typeof stack === "string" && stack !== "" ? head + "\n" + slice(stack, 0, -1) : head;
  };
  const write = (level, values) => {
    if (ended) return;
    const texts = list();
    showing = true;
    try {
      for (let i = 0; i < values.length; i++) texts[i] = show(values[i], 0);
    } finally {
      showing = false;
    }
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
