// Decides how a saved run is shown in a page: by the view that showed it while it ran, also without a kernel.

import { recordState } from "./record.js";
import { View } from "./view.js";
import { offer } from "./actions.js";

const MIME = "application/vnd.toolscript.run+json";
const FILE_TYPE = "toolscript-run";

function style() {
  if (document.getElementById("toolscript-style")) return;
  const link = document.createElement("link");
  link.id = "toolscript-style";
  link.rel = "stylesheet";
  link.href = new URL("view.css", import.meta.url);
  document.head.append(link);
}

export default async (shared) => {
  const { Widget } = await shared("@lumino/widgets");
  style();

  class RunRenderer extends Widget {
    constructor(options) {
      super();
      this.markdown = options.markdownParser;
      this.addClass("jp-RenderedHTMLCommon");
    }

    async renderModel(model) {
      const record = model.data[MIME];
      if (!record || record.version !== 1 || !Array.isArray(record.parts)) throw new Error("not a run that this version knows");
      const texts = new Map();
      for (const part of record.parts)
        if (typeof part.text === "string") texts.set(part.text, await this.html(part.text));
      const view = new View((part) => offer(this.node, part));
      view.show(recordState(record, (model.metadata || {})[MIME], (text) => texts.get(text) ?? ""));
      this.node.replaceChildren(view.element);
    }

    // Without a parser the text is shown as it is; with one, the view lets only harmless elements through.
    async html(text) {
      if (this.markdown) return this.markdown.render(text);
      const pre = document.createElement("pre");
      pre.textContent = text;
      return pre.outerHTML;
    }
  }

  const fileType = {
    name: FILE_TYPE, displayName: "toolscript run", mimeTypes: [MIME], extensions: [".toolscript-run.json"], fileFormat: "json",
  };
  return {
    id: "toolscript:run",
    description: "Shows runs of toolscript.",
    rendererFactory: { safe: true, mimeTypes: [MIME], defaultRank: 40, createRenderer: (options) => new RunRenderer(options) },
    dataType: "json",
    fileTypes: [fileType],
    documentWidgetFactoryOptions: { name: "toolscript run", primaryFileType: FILE_TYPE, fileTypes: [FILE_TYPE, "json"], defaultFor: [FILE_TYPE] },
  };
};
