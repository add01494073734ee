  // How a call becomes a message and a promise.

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
    const text = toJson(packed(tool, positional, args), "arguments of " + tool, true) ?? "null";
    const used = bytesUpTo(text, limits.argument_bytes);
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
    get: freeze(own((...args) => then(invoke("spawn.get", ["id"], args), known))),
    wait: freeze(own((...args) => invoke("spawn.wait", ["id"], args))),
    list: freeze(own((...args) => invoke("spawn.list", [], args))),
    cancel: freeze(own((...args) => invoke("spawn.cancel", ["id"], args))),
  });
