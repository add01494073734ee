// Decides what a page does about cells that run without it: it takes their live views in, and what it missed of their ends.
//
// After a reload, and in a second tab, a page has no output that was not saved; the kernel tells which there are.

import { heardUndone } from "./actions.js";
import { follow, leave } from "./waiting.js";

const TARGET = "toolscript.views";
const MIME = "application/vnd.toolscript.run+json";
const VIEW = "application/vnd.jupyter.widget-view+json";

// Keeps one notebook in touch with its kernel, also after that was restarted or changed.
export function attend(panel) {
  const { sessionContext, context } = panel;
  let comm = null, joined = null;

  const join = async () => {
    const kernel = sessionContext.session?.kernel;
    if (!kernel || !context.isReady || (joined === kernel.id && comm && !comm.isDisposed)) return;
    joined = kernel.id;
    const { implementation } = await kernel.info;
    if (joined !== kernel.id || kernel.isDisposed || !(implementation === "toolscript" || extended(panel))) return;
    comm = kernel.createComm(TARGET);
    comm.onMsg = ({ content: { data } }) => hear(panel, comm, data);
    comm.open({});
    follow(panel, kernel);
  };
  const left = () => {
    comm = joined = null;
    heardUndone(panel, {}, null);
    leave(panel);
  };
  panel.disposed.connect(left);
  const quietly = () => void join().catch((error) => console.debug("toolscript: live views", error));
  sessionContext.kernelChanged.connect(() => {
    left();
    quietly();
  });
  sessionContext.statusChanged.connect((_, status) => {
    if (status === "restarting" || status === "autorestarting") left();
    else if (status === "idle" || status === "busy") quietly();
  });
  void Promise.all([sessionContext.ready, context.ready]).then(quietly);
}

// Whether the Python kernel of this notebook has the extension for it.
function extended(panel) {
  return panel.content.widgets.some((cell) => cell.model.sharedModel.getSource().includes("toolscript_extension"));
}

function hear(panel, comm, data) {
  const cellOf = (id) => panel.content.widgets.find((cell) => cell.model.type === "code" && cell.model.id === id);
  if (data.kind === "undone") {
    heardUndone(panel, data.undone, () => comm.isDisposed || comm.send({ kind: "undone" }));
    return;
  }
  if (data.kind === "outputs") {
    const cell = cellOf(data.cell);
    if (cell && !holds(cell, data).current) fill(cell, data.outputs, data.outputs.find((output) => output.execution_count)?.execution_count ?? "");
    return;
  }
  for (const told of data.views || []) {
    const cell = cellOf(told.cell);
    if (!cell) continue;
    const { current, earlier, live } = holds(cell, told);
    const view = { version_major: 2, version_minor: 0, model_id: told.model };
    if (told.running && !live)
      fill(cell, [{ output_type: "display_data", data: { [VIEW]: view, "text/plain": "running…" }, metadata: {} }], "*");
    // What a page has had and holds no more, its person has cleared; what it holds from earlier is out of date.
    else if (!told.running && (current || earlier || live || !told.seen)) comm.send({ kind: current ? "has" : "want", view: told.view });
  }
}

// Whether a cell has what stands there now, something of the view from earlier, or the widget that it is shown by.
function holds(cell, told) {
  const found = { current: false, earlier: false, live: false };
  const { outputs } = cell.model;
  for (let index = 0; index < outputs.length; index += 1) {
    const { data = {}, metadata = {} } = outputs.get(index);
    const { view, edition = 0 } = metadata[MIME] || {};
    if (view === told.view) found[edition >= told.edition ? "current" : "earlier"] = true;
    found.live ||= (data[VIEW] || {}).model_id === told.model;
  }
  return found;
}

function fill(cell, outputs, prompt) {
  // What the kernel of this page sends is trusted as if the cell had been run here.
  cell.model.outputs.clear();
  cell.model.trusted = true;
  cell.model.outputs.fromJSON(outputs);
  cell.setPrompt?.(prompt);
}
