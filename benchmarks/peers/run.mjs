// Runs the work in `run`: QuickJS in WebAssembly in a worker thread, a fresh context for each script.
import { run } from 'run';
import { JAVASCRIPT, big, f, serve } from './work.mjs';

await serve(async (name) => {
  const result = await run({ source: JAVASCRIPT[name], hostFunctions: { tools: { f, big } } });
  if (result.status !== 'completed') throw new Error(JSON.stringify(result));
});
