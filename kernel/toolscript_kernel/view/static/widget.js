// Decides how the view is wired to a kernel: a snapshot first, then patches; a reload asks for the snapshot anew.

export default () => {
  const views = new Set();
  let state = null;

  const hear = (model) => (message) => {
    if (message.kind === "snapshot") state = message.snapshot;
    else if (message.kind !== "patch" || message.after < state.seq) return;
    else if (message.after === state.seq) state = patched(state, message.patch);
    else return model.send({ kind: "ready" }); // one was missed: ask for all of it
    for (const view of views) view.show(state);
  };

  return {
    initialize({ model }) {
      state = model.get("snapshot");
      model.on("msg:custom", hear(model));
    },

    render({ model, el }) {
      const view = new View();
      views.add(view);
      el.append(view.element);
      view.show(state);
      model.send({ kind: "ready" });
      const timer = setInterval(() => {
        if (view.running && !document.hidden) view.tick();
      }, 200);
      return () => {
        clearInterval(timer);
        views.delete(view);
      };
    },
  };
};
