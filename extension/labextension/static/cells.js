// Decides in which language each cell of a toolscript notebook is edited: scripts as TypeScript, Python as Python.

import { connect } from "./actions.js";
import { attend } from "./live.js";
import { show } from "./waiting.js";

const SCRIPT = "application/typescript";
const AGAIN_MS = 1000;
const PYTHON = "text/x-python";

// The language of a cell, null for the notebook's own.
export function language(source) {
  for (const line of source.split("\n")) {
    if (!line.trim() || /^%(toolscript|agent)\b/.test(line)) continue;
    if (/^%%toolscript(\s|$)/.test(line)) return SCRIPT;
    return /^%%py(\s|$)/.test(line) ? PYTHON : null;
  }
  return null;
}

export default async (shared) => {
  const [{ INotebookTracker, NotebookActions }, { IEditorLanguageRegistry }, { Widget }, { LabIcon }] = await Promise.all([
    shared("@jupyterlab/notebook"),
    shared("@jupyterlab/codemirror"),
    shared("@lumino/widgets"),
    shared("@jupyterlab/ui-components"),
  ]);

  function activate(app, tracker, languages) {
    connect(tracker, NotebookActions);
    show(app, Widget, LabIcon);
    const settling = new WeakSet();

    const apply = async (notebook, cell) => {
      const { model } = cell;
      if (settling.has(model) || !model || model.type !== "code" || model.isDisposed) return;
      const own = notebook.codeMimetype;
      const wanted = language(model.sharedModel.getSource()) || own;
      if (model.mimeType === wanted) return;
      // An editor takes the languages on as their code arrives: with both there, the one set last stays.
      await Promise.all([own, wanted].map((mime) => languages.findByMIME(mime)).filter(Boolean).map((found) => languages.getLanguage(found)));
      await new Promise((done) => setTimeout(done));
      const now = language(model.sharedModel.getSource()) || notebook.codeMimetype;
      if (model.isDisposed) return;
      if (model.mimeType !== now) model.mimeType = now;
      // An editor that was made meanwhile may have been given the notebook's own language last.
      setTimeout(() => again(notebook, model, now), AGAIN_MS);
    };

    const again = (notebook, model, now) => {
      if (model.isDisposed || model.mimeType !== now || now === notebook.codeMimetype) return;
      settling.add(model);
      model.mimeType = notebook.codeMimetype;
      model.mimeType = now;
      settling.delete(model);
    };

    const seen = new WeakSet();
    const watch = (notebook) => {
      for (const cell of notebook.widgets) {
        if (!seen.has(cell.model)) {
          seen.add(cell.model);
          cell.model.contentChanged.connect(() => void apply(notebook, cell));
          cell.model.mimeTypeChanged?.connect(() => void apply(notebook, cell));
        }
        void apply(notebook, cell);
      }
    };

    const follow = (panel) => {
      const notebook = panel.content;
      const all = () => watch(notebook);
      notebook.modelContentChanged.connect(all);
      panel.sessionContext.kernelChanged.connect(all);
      void panel.context.ready.then(all);
      attend(panel);
    };
    tracker.widgetAdded.connect((_, panel) => follow(panel));
    tracker.forEach(follow);
  }

  return {
    id: "toolscript:cells",
    description: "Highlights scripts as TypeScript, writes cells for runs that have ended, brings live views back, and lists what waits.",
    autoStart: true,
    requires: [INotebookTracker, IEditorLanguageRegistry],
    activate,
  };
};
