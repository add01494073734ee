// Runs the work in quickjs-emscripten, in worker threads kept warm, a fresh context for each script.
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { JAVASCRIPT, big, f, serve } from './work.mjs';

const THREADS = 4;
if (isMainThread) await serve(pool());
else await guest();

function pool() {
  const idle = Array.from({ length: THREADS }, () => new Worker(fileURLToPath(import.meta.url)));
  const waiting = [];
  const take = () => (idle.length ? Promise.resolve(idle.pop()) : new Promise((done) => waiting.push(done)));
  const give = (worker) => (waiting.length ? waiting.shift()(worker) : idle.push(worker));
  return async (name) => {
    const worker = await take();
    await new Promise((done, failed) => {
      worker.removeAllListeners('message');
      worker.on('message', async (message) => {
        if (message.call) {
          const value = await { f, big }[message.call](JSON.parse(message.arguments));
          worker.postMessage({ settle: message.id, value: JSON.stringify(value) });
        } else if (message.error) failed(new Error(message.error));
        else done();
      });
      worker.postMessage({ run: JAVASCRIPT[name] });
    });
    give(worker);
  };
}

async function guest() {
  const { getQuickJS } = await import('quickjs-emscripten');
  const engine = await getQuickJS();
  let vm;
  let pending;
  let ended;
  const pump = () => {
    vm.runtime.executePendingJobs().dispose?.();
    if (!ended) return;
    for (const deferred of pending.values()) deferred.dispose();
    vm.dispose();
    parentPort.postMessage(ended);
  };
  parentPort.on('message', (message) => {
    if (message.run !== undefined) {
      vm = engine.newContext();
      vm.runtime.setMemoryLimit(64 << 20);
      pending = new Map();
      ended = undefined;
      let next = 0;
      const call = vm.newFunction('call', (tool, argument) => {
        const deferred = vm.newPromise();
        pending.set(++next, deferred);
        parentPort.postMessage({ call: vm.getString(tool), arguments: vm.getString(argument), id: next });
        return deferred.handle.dup();
      });
      const end = vm.newFunction('end', (error) => { ended = { error: vm.getString(error) }; });
      vm.setProp(vm.global, 'call', call);
      vm.setProp(vm.global, 'end', end);
      call.dispose();
      end.dispose();
      const source = `const tools = { f: (a) => call('f', JSON.stringify(a)).then(JSON.parse), big: (a) => call('big', JSON.stringify(a)).then(JSON.parse) };
        (async () => { ${message.run} })().then((v) => { JSON.stringify(v); end(''); }, (e) => end(String(e)));`;
      vm.unwrapResult(vm.evalCode(source)).dispose();
      pump();
    } else {
      const deferred = pending.get(message.settle);
      const value = vm.newString(message.value);
      deferred.resolve(value);
      value.dispose();
      pump();
    }
  });
}
