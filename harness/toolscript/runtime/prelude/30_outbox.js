  // What waits to be taken by the worker.

  // The first two places of the outbox are its own: how many long texts lie beside; and 1 when the script
  // has ended, 2 when it waits for nothing that anybody could settle.
  const HEAD = 2;
  let limits = bare({});
  let out = list();
  let parts = list();
  let count = HEAD;
  let number = 0;
  let calls = 0;
  let ended = false;
  const waiting = new Map();
  const unawaited = new Map();
  const failures = new WeakMap();

  const post = (text) => {
    flushLines();
    out[count++] = text;
  };
  // Long texts travel beside the messages, so they are never quoted twice.
  const carried = (text) => {
    if (text.length <= INLINE) return quote(text);
    parts[parts.length] = text;
    return parts.length - 1;
  };
  const drain = () => {
    flushLines();
    flushStore();
    out[0] = parts.length;
    out[1] = ended ? 1 : mapSize(waiting) === 0 ? 2 : 0;
    const text = join(out, ",");
    out = list();
    count = HEAD;
    return text;
  };
  const part = (index) => parts[index];
  const drained = () => { parts = list(); };
