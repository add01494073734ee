// Decides what the side panel shows: what waits for a person, and what runs on, in the kernels of all open notebooks.
//
// Every text of a request is put in as text, never as markup: tools and models wrote parts of it.

const TARGET = "toolscript.waiting";
const ID = "toolscript-waiting";
const ICON = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">
<path d="M6.5 6 1 12l5.5 6 1.5-1.4L3.8 12 8 7.4zM17.5 6 23 12l-5.5 6-1.5-1.4 4.2-4.6L16 7.4z"/>
<path d="M11 6h2v8h-2zm0 10h2v2h-2z"/></g></svg>`;
const STYLE = `
#${ID} { display: flex; flex-direction: column; overflow: auto; min-width: 240px; background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1); font-size: var(--jp-ui-font-size1); line-height: 1.5; }
#${ID} header { padding: 8px 12px; font-size: var(--jp-ui-font-size0); font-weight: 600; letter-spacing: .08em;
  text-transform: uppercase; border-bottom: 1px solid var(--jp-border-color2); }
#${ID} section { padding: 8px 12px 12px; border-bottom: 1px solid var(--jp-border-color2); }
#${ID} h2 { margin: 0 0 4px; font-size: var(--jp-ui-font-size1); font-weight: 600; overflow-wrap: anywhere; }
#${ID} ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 8px; }
#${ID} .toolscript-request { padding: 8px; border: 1px solid var(--jp-border-color2);
  border-left: 3px solid #b26a00; border-radius: 4px; background: var(--jp-layout-color1); }
#${ID} pre { margin: 4px 0; max-height: 40vh; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  font-family: var(--jp-code-font-family); font-size: var(--jp-code-font-size); line-height: 1.4;
  color: var(--jp-content-font-color1); background: none; }
#${ID} .toolscript-row { display: flex; flex-wrap: wrap; gap: 6px; }
#${ID} button { padding: 3px 10px; border: 1px solid var(--jp-border-color1); border-radius: 3px; cursor: pointer;
  background: var(--jp-layout-color2); color: var(--jp-ui-font-color1); font: inherit; }
#${ID} button:hover:enabled { background: var(--jp-layout-color3); }
#${ID} button:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: 1px; }
#${ID} button:disabled { opacity: .5; cursor: default; }
#${ID} button.toolscript-allow { background: #2e7d32; border-color: #2e7d32; color: #fff; }
#${ID} button.toolscript-deny { background: #c62828; border-color: #c62828; color: #fff; }
#${ID} button.toolscript-allow:hover:enabled { background: #1b5e20; }
#${ID} button.toolscript-deny:hover:enabled { background: #8e0000; }
#${ID} p { margin: 0; }
#${ID} .toolscript-said { overflow-wrap: anywhere; }
#${ID} .toolscript-said span { opacity: .75; }
#${ID} .toolscript-row { margin-top: 8px; }
#${ID} .toolscript-quiet { padding: 12px; color: var(--jp-ui-font-color1); opacity: .8; }
#${ID} [role="alert"] { margin-top: 6px; overflow-wrap: anywhere; }`;

// What each open notebook's kernel says, and how to speak to it.
const heard = new Map();
let side = null, shell = null;

// Puts the panel into the application's right side.
export function show(app, Widget, LabIcon) {
  shell = app.shell;
  document.head.appendChild(element("style", STYLE));
  side = new Widget();
  side.id = ID;
  side.title.caption = "toolscript: what waits, and what runs on";
  side.title.icon = new LabIcon({ name: "toolscript:waiting", svgstr: ICON });
  side.node.setAttribute("role", "region");
  side.node.setAttribute("aria-label", "toolscript: approvals and tasks");
  shell.add(side, "right", { rank: 700, type: "toolscript" });
  draw();
}

// Asks the kernel of a notebook for what waits there, until its page or the kernel is gone.
export function follow(panel, kernel) {
  const comm = kernel.createComm(TARGET);
  comm.onMsg = ({ content: { data } }) => hear(panel, comm, data);
  comm.onClose = () => leave(panel, comm);
  comm.open({});
}

// Forgets what the kernel of a notebook said.
export function leave(panel, comm) {
  const known = heard.get(panel);
  if (!known || (comm && known.comm !== comm)) return;
  heard.delete(panel);
  draw();
}

function hear(panel, comm, data) {
  if (data.kind === "waiting") heard.set(panel, { comm, requests: data.requests || [], tasks: data.tasks || [], notes: notes(panel) });
  else if (data.kind === "refused") heard.get(panel)?.notes.set(data.id, String(data.message));
  draw();
}

function notes(panel) {
  return heard.get(panel)?.notes || new Map();
}

function draw() {
  if (!side) return;
  const focused = document.activeElement?.dataset?.key;
  const busy = [...heard].filter(([, { requests, tasks }]) => requests.length || tasks.length);
  const count = busy.reduce((sum, [, { requests }]) => sum + requests.length, 0);
  side.title.label = count ? `${count} ${count === 1 ? "waits" : "wait"}` : "";
  const told = element("p", count ? `${count} ${count === 1 ? "request waits" : "requests wait"} for you` : "Nothing waits for you");
  told.setAttribute("role", "status");
  const head = element("header");
  head.append(told);
  side.node.replaceChildren(head, ...busy.map(([panel, known]) => part(panel, known)));
  if (!busy.length) side.node.append(element("p", "What scripts ask you, and tasks that run on, appear here for all open notebooks.", "toolscript-quiet"));
  if (focused) [...side.node.querySelectorAll("button")].find((b) => b.dataset.key === focused)?.focus();
}

function part(panel, known) {
  const section = element("section");
  section.append(element("h2", panel.title.label));
  const list = element("ul");
  list.append(...known.requests.map((request) => card(panel, known, request)), ...known.tasks.map(task));
  section.append(list);
  return section;
}

function card(panel, known, request) {
  const item = element("li", "", "toolscript-request");
  const row = element("div", "", "toolscript-row");
  const answer = (choice) => () => {
    for (const made of row.querySelectorAll("button")) made.disabled = true;
    known.comm.send({ kind: "answer", id: request.id, choice });
  };
  if (request.answerable) {
    row.append(button("Allow once", `Allow ${request.tool} once`, `allow ${request.id}`, answer("allow")));
    row.append(button("Deny", `Deny ${request.tool}`, `deny ${request.id}`, answer("deny")));
  }
  row.append(button("Show notebook", `Show ${panel.title.label}`, `show ${request.id}`, () => shell.activateById(panel.id)));
  item.append(element("strong", `${request.tool} `), element("span", `call ${request.operation}`), ...request.says.map(said), row);
  if (!request.answerable) item.insertBefore(element("p", "Answer it below its cell."), row);
  const note = known.notes.get(request.id);
  if (note) {
    item.append(element("p", note));
    item.lastChild.setAttribute("role", "alert");
  }
  return item;
}

// One part of what a request says: a line under its title, or its lines as they are.
function said({ title, text, kind }) {
  const block = element("div", "", "toolscript-said");
  const verbatim = kind === "code" || kind === "diff";
  block.append(element("span", verbatim ? title : `${title}: `), verbatim ? element("pre", text) : text);
  return block;
}

function task({ id, tool }) {
  return element("li", `${id}: ${tool} runs`);
}

function button(label, title, key, act) {
  const made = element("button", label);
  made.type = "button";
  made.title = title;
  made.dataset.key = key;
  made.className = `toolscript-${key.split(" ")[0]}`;
  made.addEventListener("click", act);
  return made;
}

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
