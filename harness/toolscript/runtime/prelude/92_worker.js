  // The functions that the worker holds.

  const lazily = (read) => {
    let value;
    return own(() => {
      if (value === undefined) value = freezeDeep(parse(read()));
      return value;
    });
  };
  let paramsText = "null";
  let contextText = "{}";
  defineProperty(global, "params", bare({ get: freeze(lazily(() => paramsText)), enumerable: false, configurable: false }));
  defineProperty(global, "context", bare({ get: freeze(lazily(() => contextText)), enumerable: false, configurable: false }));

  // The tools are laid out before the script is known where that can be guessed, and anew where it was wrong.
  let laidOut = list();
  const FIXED = bare({ configurable: false });
  const offer = (name, value) => {
    defineProperty(global, name, bare({ value, writable: false, enumerable: false, configurable: true }));
    laidOut[laidOut.length] = name;
  };
  const furnish = (facade) => {
    for (let i = 0; i < laidOut.length; i++) delete global[laidOut[i]];
    laidOut = list();
    const children = setPrototypeOf(facade.c, null);
    const spawn = roomOf("", children, spawned, specials, misused("tools.spawn", ", or tools.spawn.get(id), .list(), .cancel(id)"));
    offer("tools", roomOf("", children, invoke, bare({ spawn })));
    for (let i = 0; i < facade.f.length; i++) {
      const name = facade.f[i];
      if (!hasOwn(global, name)) offer(name, leaf(name, children[name].p, invoke));
    }
  };
  const begin = (config, params, context, kept) => {
    limits = config;
    room = limits.console_bytes;
    now = limits.time_ms;
    seed = limits.seed;
    storeText = kept;
    paramsText = params;
    contextText = context;
    for (let i = 0; i < laidOut.length; i++) defineProperty(global, laidOut[i], FIXED);
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
  const exports = bare({ parse, furnish, begin, run, settle, drain, part, drained, stop });
  return (name) => exports[name];
})()
