// Decides what can be done with a run that has ended: every button writes a cell, so that it can be read and run again.

// How runs are called. A saved notebook may come from anybody, and what a button writes is run at once.
const RUN = /^r-[0-9a-f]{10,64}$/;

let notebooks = null;

// What each notebook's kernel says is undone, by its run; and the buttons that must tell so.
const undone = new Map();
const undoButtons = new Set();

// Gives the buttons the notebooks of the application; in a page without any, there are no buttons.
export function connect(tracker, actions) {
  notebooks = { tracker, actions };
}

// The buttons for one script of a record; they look for their notebook when they are pressed.
export function offer(node, part) {
  if (!notebooks) return [];
  const made = [button("Edit as cell", "Put this script into a cell below", () => write(node, `%%toolscript\n${part.source.replace(/^\n+/, "")}`, false))];
  if (!part.inTurn) made.pop();
  // A dry run did nothing and has no recording.
  if (typeof part.runId === "string" && RUN.test(part.runId) && part.mode === "on") {
    if (part.rows.some((row) => row.diff && ["succeeded", "cancelled"].includes(row.status))) made.push(undoing(node, part.runId));
    made.push(button("Replay", "Run this again from its recording, touching no tool", () => write(node, `%toolscript replay ${part.runId}`, true)));
  }
  return made;
}

// Takes in what a kernel says is undone; `ask` asks it again, null when the kernel is gone.
export function heardUndone(panel, runs, ask) {
  if (ask) undone.set(panel, { runs, ask });
  else undone.delete(panel);
  for (const reference of undoButtons) {
    const made = reference.deref();
    if (made) tellUndone(made);
    else undoButtons.delete(reference);
  }
}

function tellUndone(made) {
  const by = [...undone.values()].map(({ runs }) => runs[made.dataset.run]).find(Boolean);
  made.disabled = Boolean(by);
  made.textContent = by ? "Undone" : "Undo";
  made.title = by ? `The file changes of this run were taken back, by ${by}` : "Take the file changes of this run back";
}

function undoing(node, runId) {
  const made = button("Undo", "", async () => {
    // Pressed twice, or while another undoes the same, nothing happens.
    made.disabled = true;
    await write(node, `%toolscript undo ${runId}`, true);
    tellUndone(made);
    for (const { ask } of undone.values()) ask();
  });
  made.dataset.run = runId;
  undoButtons.add(new WeakRef(made));
  tellUndone(made);
  return made;
}

function button(label, title, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.title = title;
  made.addEventListener("click", act);
  return made;
}

async function write(node, source, run) {
  const { tracker, actions } = notebooks;
  const panel = tracker.find((candidate) => candidate.node.contains(node));
  if (!panel) return false;
  const notebook = panel.content;
  const index = notebook.widgets.findIndex((cell) => cell.node.contains(node));
  if (index < 0) return false;
  notebook.activeCellIndex = index;
  actions.insertBelow(notebook);
  notebook.activeCell.model.sharedModel.setSource(source);
  return run ? actions.run(notebook, panel.sessionContext) : true;
}
