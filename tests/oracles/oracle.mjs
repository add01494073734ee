// Reads a JSON array of TypeScript sources from stdin; writes a JSON array of what each oracle makes of them.
// A source is the body of an async function, so it is wrapped where an oracle insists on a whole program.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import tsBlankSpace from "ts-blank-space";

const { transformSync } = createRequire(import.meta.url)("amaro");
const head = "async function body() {\n";
const tail = "\n}";

function byTsBlankSpace(source) {
  const refused = [];
  const text = tsBlankSpace(head + source + tail, (node) => refused.push(node.kind));
  return refused.length ? null : text.slice(head.length, -tail.length);
}

function byAmaro(source) {
  const { code } = transformSync(head + source + tail, { mode: "strip-only" });
  return code.slice(head.length, code.lastIndexOf(tail));
}

function attempt(strip, source) {
  try {
    return strip(source);
  } catch {
    return null;
  }
}

const sources = JSON.parse(readFileSync(0, "utf8"));
const answers = sources.map((source) => ({
  "ts-blank-space": attempt(byTsBlankSpace, source),
  amaro: attempt(byAmaro, source),
}));
process.stdout.write(JSON.stringify(answers));
