// Runs the work in @ai-sdk/code-mode, by its direct execution.
import { experimental_runCodeMode as runCodeMode } from '@ai-sdk/code-mode';
import { tool } from 'ai';
import { z } from 'zod';
import { JAVASCRIPT, big, f, serve } from './work.mjs';

const tools = {
  f: tool({ description: 'f', inputSchema: z.object({ n: z.number() }), outputSchema: z.number(), execute: f }),
  big: tool({ description: 'big', inputSchema: z.object({ size: z.number() }), outputSchema: z.string(), execute: big }),
};
await serve((name) => runCodeMode({ js: JAVASCRIPT[name], tools }));
