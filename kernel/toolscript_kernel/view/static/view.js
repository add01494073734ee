// Decides how a cell looks while it runs, and how its record looks in a page that knows it.
// Plain DOM: every text goes in as text, HTML of an answer only through an allow-list of elements.

const MARKS = {
  pending: "○", awaiting_approval: "?", running: "●", succeeded: "✓", completed: "✓", failed: "✗",
  denied: "⊘", cancelled: "–", aborted: "–", stopped: "–", planned: "◇",
};
const WORDS = { awaiting_approval: "waits for approval", pending: "running" };
const ACTIVE = new Set(["pending", "awaiting_approval", "running"]);
const ALLOWED = new Set(
  "P BR HR EM STRONG S DEL CODE PRE BLOCKQUOTE UL OL LI H1 H2 H3 H4 H5 H6 TABLE THEAD TBODY TR TH TD A".split(" "),
);

function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Rebuilds parsed HTML out of allowed elements; a parsed document runs nothing and fetches nothing.
function inert(html) {
  const copy = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
    const children = [...node.childNodes].map(copy).filter(Boolean);
    if (node.nodeType !== Node.ELEMENT_NODE || !ALLOWED.has(node.tagName)) {
      const fragment = document.createDocumentFragment();
      if (!["SCRIPT", "STYLE", "TEMPLATE"].includes(node.tagName)) fragment.append(...children);
      return fragment;
    }
    const element = document.createElement(node.tagName);
    const target = node.tagName === "A" ? node.getAttribute("href") || "" : "";
    if (/^(https?:|mailto:)/i.test(target)) {
      element.href = target;
      element.rel = "noopener noreferrer nofollow";
      element.target = "_blank";
    }
    element.append(...children);
    return element;
  };
  const fragment = document.createDocumentFragment();
  fragment.append(...[...new DOMParser().parseFromString(html, "text/html").body.childNodes].map(copy));
  return fragment;
}

const SGR = /\u001b\[([0-9;]*)m/g;

// Colours of a terminal become classes; nothing else of a terminal's language gets this far.
function ansi(text) {
  const fragment = document.createDocumentFragment();
  let style = { bold: false, colour: null }, from = 0;
  const flush = (to) => {
    if (to <= from) return;
    const names = [style.bold ? "ts-bold" : "", style.colour === null ? "" : `ts-ansi-${style.colour}`];
    fragment.append(h("span", { class: names.filter(Boolean).join(" "), text: text.slice(from, to) }));
  };
  for (const match of text.matchAll(SGR)) {
    flush(match.index);
    from = match.index + match[0].length;
    for (const code of (match[1] || "0").split(";").map(Number)) {
      if (code === 0) style = { bold: false, colour: null };
      else if (code === 1) style = { ...style, bold: true };
      else if (code === 22) style = { ...style, bold: false };
      else if (code === 39) style = { ...style, colour: null };
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) style = { ...style, colour: code % 10 };
    }
  }
  flush(text.length);
  return fragment;
}

const sign = (status) => h("span", { class: `ts-sign ts-${status}`, "aria-hidden": "true", text: MARKS[status] || "●" });
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function span(seconds) {
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

function diffLines(text) {
  return text.replace(/\n$/, "").split("\n").map((line) => {
    const added = line.startsWith("+") && !line.startsWith("+++"), removed = line.startsWith("-") && !line.startsWith("---");
    return h("span", { class: `ts-line${added ? " ts-added" : removed ? " ts-removed" : ""}`, text: line || " " });
  });
}

const TOKENS = new RegExp(
  [
    "(?<Comment>\\/\\/[^\\n]*|\\/\\*[\\s\\S]*?(?:\\*\\/|$))",
    "(?<String>\"(?:[^\"\\\\\\n]|\\\\.)*\"?|'(?:[^'\\\\\\n]|\\\\.)*'?|`(?:[^`\\\\]|\\\\[\\s\\S])*`?)",
    "(?<Number>\\b\\d[\\w.]*)",
    "(?<Keyword>\\b(?:async|await|break|case|catch|class|const|continue|default|do|else|export|false|finally|for|function|if|in|instanceof|interface|let|new|null|of|return|switch|throw|true|try|type|typeof|undefined|while)\\b)",
    "(?<Function>\\b[A-Za-z_$][\\w$]*(?=\\())",
  ].join("|"),
  "g",
);

// A script as lines of [kind, text]; colours are help, not truth: a broken script is coloured somehow.
function sourceLines(source) {
  const lines = [[]];
  const add = (kind, text) => {
    text.split("\n").forEach((piece, index) => {
      if (index) lines.push([]);
      if (piece) lines[lines.length - 1].push([kind, piece]);
    });
  };
  let from = 0;
  for (const match of source.matchAll(TOKENS)) {
    add("", source.slice(from, match.index));
    add(Object.keys(match.groups).find((kind) => match.groups[kind] !== undefined), match[0]);
    from = match.index + match[0].length;
  }
  add("", source.slice(from));
  return lines;
}

// The only pictures that are shown: bitmaps that are here already, so nothing is fetched and nothing in them acts.
const isBitmap = (url) => typeof url === "string" && /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$/.test(url);

class ProsePart {
  constructor(part) {
    this.body = h("div", { class: "ts-prose" });
    const summary = h("summary", { text: "Reasoning" });
    this.element = part.reasoning ? h("details", { class: "ts-reasoning" }, summary, this.body) : this.body;
    this.shown = [];
  }

  update(part) {
    const same = part.blocks.findIndex((block, index) => block !== this.shown[index]);
    const from = same < 0 ? part.blocks.length : same;
    while (this.body.children.length > from) this.body.lastChild.remove();
    for (const block of part.blocks.slice(from)) this.body.append(h("div", {}, inert(block)));
    this.shown = [...part.blocks];
  }
}

class RowView {
  constructor() {
    this.element = h("details", { class: "ts-row" });
    this.summary = h("summary");
    this.body = h("div", { class: "ts-body" });
    this.bar = h("i");
    this.time = h("span", { class: "ts-time" });
    this.element.append(this.summary, this.body);
    this.element.addEventListener("toggle", () => this.fill());
  }

  update(row) {
    const before = this.row;
    this.row = row;
    // Who showed a picture wants it seen; closed by hand, it stays closed.
    if (row.image && !(before && before.image)) this.element.open = true;
    const outcome = row.outcome || WORDS[row.status] || row.status;
    this.element.classList.toggle("ts-active", ACTIVE.has(row.status));
    this.summary.replaceChildren(
      h("span", { class: "ts-number", text: row.n }),
      h("span", { class: "ts-what" }, h("b", { text: row.tool }), " ", h("span", { text: row.args })),
      h("span", { class: "ts-outcome" }, sign(row.seen || row.status), ` ${outcome}`, row.approval ? h("small", { text: row.approval }) : null),
      h("span", { class: "ts-track", "aria-hidden": "true" }, this.bar),
      this.time,
      h("span", { class: "ts-at", text: row.line ? `line ${row.line}` : "" }),
    );
    this.bar.className = `ts-${row.seen || row.status}`;
    if (this.element.open || !before) this.fill();
  }

  fill() {
    const { row } = this;
    if (!this.element.open || !row) return;
    const old = this.nested;
    const parts = [];
    const add = (title, ...content) => parts.push(h("div", { class: "ts-title", text: title }), h("pre", { tabindex: "0" }, ...content));
    if (row.full) add("Arguments", row.full);
    if (row.diff) add(row.status === "succeeded" ? "Changes" : "Changes it would make", ...diffLines(row.diff));
    const output = ACTIVE.has(row.status) ? row.tail : row.output || row.tail;
    if (output) add(row.cut ? `Output (${size(row.bytes)}, its head)` : "Output", ansi(output));
    if (isBitmap(row.image)) parts.push(h("img", { class: "ts-image", src: row.image, alt: row.args }));
    if (row.agent) {
      this.nested = old || new View();
      this.nested.show(row.agent);
      parts.push(h("div", { class: "ts-nested" }, this.nested.element));
    }
    if (!parts.length) parts.push(h("div", { class: "ts-title", text: "nothing more to show" }));
    this.body.replaceChildren(...parts);
  }

  tick(begin, end, now) {
    const { row } = this;
    if (row.started === null || row.started === undefined) {
      this.bar.style.width = "0";
      this.time.textContent = row.ms === null || row.ms === undefined ? "" : span(row.ms / 1000);
      return;
    }
    const open = row.ms === null || row.ms === undefined;
    const lasted = open ? Math.max(0, Math.min(now, end) - row.started) : row.ms / 1000;
    const whole = Math.max(end - begin, 0.001);
    const left = Math.min(98, Math.max(0, ((row.started - begin) / whole) * 100));
    this.bar.style.left = `${left}%`;
    this.bar.style.width = `${Math.min(100 - left, Math.max(1.5, (lasted / whole) * 100))}%`;
    // Of a task that outlives its script, the end is not known here.
    this.time.textContent = open && now > end ? "" : span(lasted);
    if (this.nested) this.nested.tick(now);
  }
}

class ScriptPart {
  constructor(part, actions) {
    this.rows = new Map();
    this.title = h("b");
    this.spent = h("span", { class: "ts-spent" });
    this.buttons = h("span", { class: "ts-actions" });
    this.source = h("pre", { class: "ts-source", tabindex: "0", "aria-label": "Script" });
    this.shownSource = null;
    this.script = part.inTurn ? h("details", {}, h("summary", { text: "Script" }), this.source) : null;
    this.list = h("div", { class: "ts-rows" });
    this.notes = h("div");
    this.console = h("div");
    this.ending = h("div");
    this.head = h("div", { class: "ts-head" });
    this.element = h("section", { class: "ts-script", "aria-label": "Script run" }, this.head, this.script, this.list, this.notes, this.console, this.ending);
    this.actions = actions;
  }

  update(part) {
    this.part = part;
    const count = part.rows.length;
    const mode = { off: "shown, not run", "dry-run": "dry run" }[part.mode];
    const planned = part.mode === "dry-run" && part.status === "completed";
    const status = planned ? "planned" : part.status;
    this.title.textContent = [`script ${status}`, mode, count ? plural(count, "operation") : ""].filter(Boolean).join(" · ");
    if (this.actions && !this.buttons.childElementCount && part.status !== "running") this.buttons.append(...this.actions(part));
    this.head.replaceChildren(sign(status), this.title, this.spent, this.buttons);
    if (this.script) this.drawSource(part);
    for (const row of part.rows) {
      let view = this.rows.get(row.n);
      if (!view) {
        view = new RowView();
        this.rows.set(row.n, view);
        this.list.append(view.element);
      }
      if (view.row !== row) view.update(row);
    }
    this.notes.replaceChildren(...part.warnings.map((text) => h("div", { class: "ts-warning" }, sign("awaiting_approval"), ` ${text}`)));
    this.drawConsole(part);
    const ending = [];
    if (part.error) ending.push(h("pre", { class: "ts-error", tabindex: "0", text: part.error.join("\n") }));
    else if (part.result !== null) ending.push(h("div", { class: "ts-title", text: planned ? "Result (planned)" : "Result" }), h("pre", { tabindex: "0", text: part.result }));
    this.ending.replaceChildren(...(part.inTurn || part.error ? ending : []));
  }

  drawSource(part) {
    const active = new Set(part.rows.filter((row) => ACTIVE.has(row.status)).map((row) => row.line));
    if (this.text !== part.source) this.parsed = sourceLines((this.text = part.source));
    const marks = this.parsed.map((_, index) => (index + 1 === part.failed ? "ts-failed-line" : active.has(index + 1) ? "ts-active-line" : ""));
    const key = marks.join();
    const all = `${key}\n${part.source}`;
    if (this.shownSource === all) return;
    this.shownSource = all;
    this.source.replaceChildren(
      ...this.parsed.map((line, index) => {
        const says = { "ts-failed-line": "failed here", "ts-active-line": "running" }[marks[index]];
        const tokens = line.map(([kind, text]) => h("span", { class: kind ? `ts-k-${kind}` : "", text }));
        return h("span", { class: `ts-line ${marks[index]}`, title: says }, h("span", { class: "ts-gutter", "aria-hidden": "true", text: index + 1 }), ...tokens);
      }),
    );
  }

  drawConsole(part) {
    if (!part.inTurn || !part.logs.length) return;
    if (!this.lines) {
      this.lines = h("pre", { tabindex: "0", "aria-label": "Console" });
      this.shownLogs = 0;
      this.console.replaceChildren(h("div", { class: "ts-title", text: "Console" }), this.lines);
    }
    if (part.logs.length < this.shownLogs || (part.logs[0] && part.logs[0] !== this.firstLog)) {
      this.lines.replaceChildren();
      this.shownLogs = 0;
      this.firstLog = part.logs[0];
    }
    for (const log of part.logs.slice(this.shownLogs)) this.lines.append(h("span", { class: `ts-line ts-log-${log.level}`, text: log.text }));
    this.shownLogs = part.logs.length;
  }

  tick(now) {
    const { part } = this;
    if (!part || part.started === null || part.started === undefined) return;
    const end = part.ended ?? now;
    this.spent.textContent = span(Math.max(0, end - part.started));
    for (const row of this.rows.values()) row.tick(part.started, end, now);
  }
}

// A part of one line.
const single = (attributes, drawn) =>
  class {
    element = h("div", attributes);
    update(part) {
      this.element.replaceChildren(...drawn(part));
    }
  };
const CallPart = single({ class: "ts-call" }, (part) => [sign(part.state), " ", h("b", { text: part.name }), " ", h("code", { text: part.arguments })]);
const ErrorPart = single({ class: "ts-warning", role: "alert" }, (part) => [sign("failed"), ` ${part.text}`]);

const PARTS = { prose: ProsePart, script: ScriptPart, call: CallPart, error: ErrorPart };

class View {
  constructor(actions = null) {
    this.actions = actions;
    this.parts = [];
    this.body = h("div");
    this.status = h("div", { class: "ts-status", role: "status" });
    this.element = h("div", { class: "ts-view tex2jax_ignore mathjax_ignore" }, this.body, this.status);
  }

  show(state) {
    this.state = state;
    this.ahead = state.ahead ?? (state.now ? state.now - Date.now() / 1000 : 0);
    state.parts.forEach((part, index) => {
      if (!this.parts[index]) {
        this.parts[index] = new PARTS[part.type](part, this.actions);
        this.body.append(this.parts[index].element);
      }
      if (this.parts[index].shown === part && part.type !== "prose") return;
      this.parts[index].update(part);
      if (part.type !== "prose") this.parts[index].shown = part;
    });
    this.tick();
  }

  get running() {
    return !this.state.ended;
  }

  tick(now = Date.now() / 1000 + this.ahead) {
    const { state } = this;
    for (const part of this.parts) part.tick?.(now);
    const waiting = state.parts.flatMap((part) => part.rows || []).filter((row) => row.status === "awaiting_approval").length;
    const calls = state.parts.flatMap((part) => part.rows || []).length;
    const facts = [];
    if (this.running) facts.push(waiting ? (waiting === 1 ? "waits for approval" : `${waiting} wait for approval`) : "running");
    else if (state.kind === "turn" && state.status && state.status !== "completed") facts.push([`turn ${state.status}`, state.reason].filter(Boolean).join(": "));
    if (state.started) facts.push(span(Math.max(0, (state.ended ?? now) - state.started)));
    if (state.steps) facts.push(this.running ? `step ${state.steps}` : plural(state.steps, "step"));
    if (state.parts.some((part) => part.type === "script" && part.status === "running") && calls && state.maxCalls) facts.push(`${calls} of ${state.maxCalls} calls`);
    facts.push(...this.used(state.tokens));
    if (state.model) facts.push(state.model);
    // The heading of a script that simply ended says all there is to say.
    this.status.hidden = !this.running && state.kind === "script";
    const mark = this.running ? (waiting ? "awaiting_approval" : "running") : state.status || "completed";
    const said = facts.join(" · ");
    if (this.said === said + mark) return;
    this.said = said + mark;
    this.status.replaceChildren(sign(mark), ` ${said}`);
  }

  used(tokens) {
    if (!tokens) return [];
    const facts = !(tokens.input + tokens.output) ? [] : [`${(tokens.input + tokens.output).toLocaleString("en")} tokens`];
    if (tokens.cached && facts.length) facts[0] += ` (${tokens.cached.toLocaleString("en")} cached)`;
    if (tokens.cost !== null && tokens.cost !== undefined) facts.push(`$${tokens.cost.toFixed(4)}`);
    if (tokens.keptOut) facts.push(`${size(tokens.keptOut)} kept out of the context`);
    return facts;
  }
}

// Changes a state by what the kernel sent; lists grow or change from an index on.
function patched(state, patch) {
  const next = { ...state, ...patch.set };
  next.parts = [...state.parts];
  for (const [index, change] of patch.parts) {
    if (change.type) {
      next.parts[index] = change;
      continue;
    }
    const part = { ...next.parts[index], ...change.set };
    for (const [name, [from, items]] of Object.entries(change.tail || {})) part[name] = [...part[name].slice(0, from), ...items];
    for (const [at, row] of change.rows || []) part.rows = Object.assign([...part.rows], { [at]: row });
    next.parts[index] = part;
  }
  return next;
}

export { View, h, patched };
