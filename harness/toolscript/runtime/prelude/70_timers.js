  // Timers, kept by the host.

  let timers = 0;
  const timer = (delay, entry) => {
    const wanted = Number(delay);
    const ms = wanted > 0 ? (wanted < LONGEST_DELAY ? wanted : LONGEST_DELAY) : 0;
    if (++timers > limits.timers + 1) throw new RangeError("timers limit of " + limits.timers + " reached");
    const id = ++number;
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
