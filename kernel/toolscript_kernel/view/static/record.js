// Decides how a saved record becomes the state of a view: its stable facts, and what its output's metadata adds.

import { h } from "./view.js";

function recordState(record, details, markdown) {
  const known = details || {};
  const runs = [...(known.scripts || [])];
  // The error that ended a turn is the cell's own error output already.
  const drawn = (record.parts || []).filter((part, index, all) => !(part.type === "error" && record.status === "failed" && index === all.length - 1));
  const parts = drawn.map((part) => {
    if (part.type === "script") return scriptState(part, runs.shift() || {}, record.kind === "turn", known.started);
    if (part.type === "call") return { type: "call", name: part.name, arguments: part.arguments, state: part.error ? "failed" : "succeeded" };
    if (part.type === "error") return { type: "error", text: part.error.message || part.error.code || "error" };
    return { type: "prose", reasoning: part.type === "reasoning", blocks: [markdown(part.text)] };
  });
  const { tokens } = known;
  return {
    kind: record.kind, parts, status: record.status || (parts.at(-1) || {}).status || "completed", reason: record.reason || "",
    steps: record.steps || 0, started: known.started ?? null, ended: known.ended || 1, model: known.model || "", tokens: tokens || null,
  };
}

function scriptState(part, run, inTurn, began) {
  const facts = new Map((run.operations || []).map((row) => [row.number, row]));
  const starts = [...facts.values()].map((row) => row.started).filter((time) => typeof time === "number");
  const started = starts.length ? Math.min(...starts) : (began ?? null);
  const total = run.durations && run.durations.total;
  return {
    type: "script", inTurn, mode: part.mode || "on", status: part.status, source: part.source.replace(/\n+$/, ""), runId: run.runId,
    started, ended: started === null ? null : started + (typeof total === "number" ? total / 1000 : lasted(facts, started)),
    failed: part.error && part.error.line ? part.error.line - (part.offset || 0) : null, logs: inTurn ? part.logs || [] : [],
    rows: (part.operations || []).map((row) => rowState(row, facts.get(row.number) || {})), warnings: part.warnings || [],
    error: inTurn && part.error ? errorLines(part.error) : null,
    result: inTurn && part.result !== undefined && part.result !== null ? shown(part.result) : null,
  };
}

function rowState(row, facts) {
  const given = ordered(row.arguments, row.order);
  const args = spoken(given);
  const output = facts.output === undefined || facts.output === null ? "" : printed(facts.output);
  return {
    n: row.number, tool: row.tool, args: args.slice(0, 300), full: args.length > 60 ? shown(given) : null, status: row.status,
    seen: row.status === "succeeded" && /^exit -?[1-9]/.test(row.outcome || "") ? "failed" : row.status, outcome: row.outcome || "",
    line: row.line || null, started: facts.started ?? null, ms: facts.durationMs ?? null, approval: row.approval && !(row.status === "denied" && row.approval.startsWith("deny by")) ? decided(row.approval) : null,
    diff: row.diff || null, output, cut: Boolean(facts.sha256), bytes: facts.bytes || 0, tail: visible(facts.tail || ""),
    image: row.image || null,
    agent: row.agent ? recordState({ kind: "turn", ...row.agent }, null, (text) => h("p", { text }).outerHTML) : null,
  };
}

const lasted = (facts, started) => Math.max(0, ...[...facts.values()].map((row) => row.started - started + (row.durationMs || 0) / 1000));
const errorLines = (error) => [`${error.name}: ${error.message}`, ...(error.line ? [`  at line ${error.line}`] : [])];
const shown = (value) => (typeof value === "string" && value.includes("\n") ? value : JSON.stringify(value, null, 2));

// Notebooks are saved with their keys sorted; the record has the order in which a script gave the arguments.
const ordered = (given, order) => (order ? Object.fromEntries([...order, ...Object.keys(given)].map((name) => [name, given[name]])) : given);

function spoken(given) {
  if (!given || typeof given !== "object" || Array.isArray(given)) return JSON.stringify(given) ?? "";
  const { command, ...rest } = given;
  if (Array.isArray(command)) return [command.join(" "), Object.keys(rest).length ? JSON.stringify(rest) : ""].filter(Boolean).join("  ");
  const values = Object.values(given);
  if (values.length === 1 && typeof values[0] === "string") {
    const files = [...values[0].matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+?)\s*$/gm)].map((match) => match[1]);
    return files.join(", ") || values[0].trim();
  }
  return Object.entries(given).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ");
}

function printed(output) {
  if (typeof output === "string") return visible(output);
  if (output && typeof output === "object" && output.imageUrl) return "";
  if (output && typeof output === "object" && "exitCode" in output)
    return visible(output.aggregatedOutput || `${output.stdout || ""}${output.stderr || ""}`);
  return JSON.stringify(output, null, 2);
}

// Control characters become signs; a terminal's colours stay for `ansi`.
const visible = (text) =>
  text.replace(/\r\n/g, "\n").replace(/\u001b(?!\[[0-9;]{0,40}m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (sign) => (sign < " " ? String.fromCharCode(0x2400 + sign.charCodeAt(0)) : `<U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}>`));

const DECIDED = {
  allow: "allowed once", allow_conversation: "allowed for this conversation", edit: "edited and allowed", deny: "denied",
  deny_and_stop: "denied, and the turn ended", expire: "not decided in time", withdrawn: "no longer asked",
};

function decided(approval) {
  const [choice, by] = approval.split(" by ");
  return `${DECIDED[choice] || choice}${by && by !== "widget" ? ` (${by})` : ""}`;
}

export { recordState };
