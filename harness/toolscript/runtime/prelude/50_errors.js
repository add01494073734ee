  // Errors of tools and limits, made anew in this realm.

  const hidden = (target, name, value) => defineProperty(target, name, bare({ value, writable: true, enumerable: false, configurable: true }));
  const toolError = (data, stack) => {
    const error = new Error(String(data.message ?? ""));
    hidden(error, "name", String(data.name ?? "ToolError"));
    hidden(error, "stack", trim(stack));
    error.code = data.code;
    error.tool = data.tool;
    error.details = data.details;
    return error;
  };
  const limitError = (name, code, message, allowed, used, tool, stack) => {
    const error = toolError(bare({ name, code, message, tool, details: bare({ allowed, used }) }), stack);
    weakSet(failures, error, '"' + name + '",' + used);
    return error;
  };
  const rejected = (error) => {
    const promise = Promise.reject(error);
    return promise;
  };
