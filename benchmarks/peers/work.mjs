// What work.py is for runners in Python: reads orders, answers with times.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const text = readFileSync(fileURLToPath(new URL('./work.py', import.meta.url)), 'utf8');
const table = text.slice(text.indexOf('JAVASCRIPT = {'), text.indexOf('PYTHON = {'));
export const JAVASCRIPT = Object.fromEntries(
  [...table.matchAll(/^ {4}("[^"]+"): ("(?:[^"\\]|\\.)*"),$/gm)].map((m) => [JSON.parse(m[1]), JSON.parse(m[2])]),
);
export const f = async ({ n }) => n;
export const big = async ({ size }) => 'x'.repeat(size - 2);

export async function serve(once) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { work, n, at, row, pause } = JSON.parse(line);
    let answer;
    try {
      const ms = [];
      let left = n;
      const worker = async () => {
        while (left-- > 0) {
          const began = performance.now();
          await once(work);
          ms.push(performance.now() - began);
          if (pause && ms.length % row === 0) await new Promise((done) => setTimeout(done, pause * 1000));
        }
      };
      const began = performance.now();
      await Promise.all(Array.from({ length: at }, worker));
      answer = { ms, seconds: (performance.now() - began) / 1000 };
    } catch (error) {
      answer = { error: String(error).slice(0, 300) };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
  process.exit(0);
}
