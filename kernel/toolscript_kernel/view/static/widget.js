// Decides how the view is wired to a kernel: a snapshot first, then patches; a reload asks for the snapshot anew.

const CARE_SECONDS = 20;

// A person who answered in this cell's output sees what comes of it: buttons that go away take the page's scroll
// position and the keyboard focus with them, so that a long notebook would show nothing but empty space.
function follow(el) {
  let area = null, acted = 0;
  const act = () => (acted = performance.now());
  const settle = () => {
    if (performance.now() - acted > CARE_SECONDS * 1000) return;
    const cell = area.closest(".jp-Cell") || area;
    if (!document.activeElement || document.activeElement === document.body) {
      if (!cell.hasAttribute("tabindex")) cell.setAttribute("tabindex", "-1");
      cell.focus({ preventScroll: true });
    }
    area.scrollIntoView({ block: "nearest" });
  };
  const sizes = new ResizeObserver(settle);
  const begin = () => {
    area = el.closest(".jp-OutputArea") || el.parentElement;
    if (!area) return;
    for (const kind of ["pointerdown", "keydown"]) area.addEventListener(kind, act, true);
    sizes.observe(area);
  };
  const end = () => {
    // The record that takes the view's place has its own size a moment later.
    setTimeout(() => sizes.disconnect(), 3000);
    for (const kind of ["pointerdown", "keydown"]) area?.removeEventListener(kind, act, true);
  };
  const frame = requestAnimationFrame(begin);
  return () => {
    cancelAnimationFrame(frame);
    end();
  };
}

const received = (state) => ({ ...state, ahead: state.now ? state.now - Date.now() / 1000 : 0 });

export default () => {
  const views = new Set();
  let state = null;

  const hear = (model) => (message) => {
    if (message.kind === "snapshot") state = received(message.snapshot);
    else if (message.kind !== "patch" || message.after < state.seq) return;
    else if (message.after === state.seq) state = received(patched(state, message.patch));
    else return model.send({ kind: "ready" }); // one was missed: ask for all of it
    for (const view of views) view.show(state);
  };

  return {
    initialize({ model }) {
      state = received(model.get("snapshot"));
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
      const leave = follow(el);
      return () => {
        leave();
        clearInterval(timer);
        views.delete(view);
      };
    },
  };
};
