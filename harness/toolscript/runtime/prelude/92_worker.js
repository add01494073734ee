  // The functions that the worker holds.

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
  // After an interrupt: what had been said is kept, and the ending says which limit it was.
  const stop = (text) => end(text);
  const exports = bare({ begin, run, settle, drain, part, drained, stop });
  return (name) => exports[name];
})()
