// Decides what can be done with a run that has ended: every button writes a cell, so that it can be read and run again.

let notebooks = null;

// Gives the buttons the notebooks of the application; in a page without any, there are no buttons.
export function connect(tracker, actions) {
  notebooks = { tracker, actions };
}

// The buttons for one script of a record; they look for their notebook when they are pressed.
export function offer(node, part) {
  if (!notebooks) return [];
  const made = [button("Edit as cell", "Put this script into a cell below", () => write(node, `%%toolscript\n${part.source.replace(/^\n+/, "")}`, false))];
  if (!part.inTurn) made.pop();
  if (part.runId) {
    if (part.rows.some((row) => row.diff)) made.push(button("Undo", "Take the file changes of this run back", () => write(node, `%toolscript undo ${part.runId}`, true)));
    made.push(button("Replay", "Run this again from its recording, touching no tool", () => write(node, `%toolscript replay ${part.runId}`, true)));
  }
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
  if (!panel) return;
  const notebook = panel.content;
  const index = notebook.widgets.findIndex((cell) => cell.node.contains(node));
  if (index < 0) return;
  notebook.activeCellIndex = index;
  actions.insertBelow(notebook);
  notebook.activeCell.model.sharedModel.setSource(source);
  if (run) await actions.run(notebook, panel.sessionContext);
}
