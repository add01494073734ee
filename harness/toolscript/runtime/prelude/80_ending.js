  // How a script ends: a result, or an error told safely whatever was thrown.

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
      text = value === undefined ? "null" : toJson(value, "a result", false);
      if (text === undefined) throw new TypeError("JSON cannot carry a " + typeof value);
    } catch (error) {
      if (isJsonRefusal(error)) end('["n",' + quote(clip(String(error.message), 2000)));
      else fail(error);
      return;
    }
    // The host has its bytes before it: it measures, more exactly and faster than could be done here.
    end(text.length > limits.result_bytes ? '["b","ResultTooLarge",' + text.length + ",null,null" : '["d",' + carried(text));
  };
  const isJsonRefusal = (error) => typeof error === "object" && error !== null && getPrototypeOf(error) === TypeError.prototype
    && place(rawStack(error) ?? "") === "null,null";
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
    const stack = textFrom(() => AS_PROPERTY && weakGet(failures, error) === undefined ? trim(error.stack) : error.stack);
    const named = textFrom(() => error.name);
    const message = textFrom(() => error.message);
    if (typeof error === "function" || (message === undefined && named === undefined)) return bare({ name: "thrown " + typeof error, message: show(error, 0), stack: stack ?? "" });
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
    else if (isHeapFull(error)) end('["b","HeapExceeded",null,' + where);
    else end('["f",' + quote(clip(told.name, 200)) + "," + quote(clip(told.message, 20000)) + "," + quote(clip(told.stack, 8000)) + ","
      + where + "," + (typeof known === "number" ? known : "null") + "," + (error === null));
  };
