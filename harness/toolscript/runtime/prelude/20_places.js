  // Where in the user's source something happened.

  const place = (stack) => {
    const found = exec(/(?:<input>|eval_script):(?!1:)(\d+):(\d+)/, stack);
    return found === null ? "null,null" : (found[1] - 1) + "," + found[2];
  };
  const trim = (stack) => {
    const kept = list();
    const lines = split(stack, "\n");
    let last = 0;
    for (let i = 0; i < lines.length; i++) {
      const found = exec(/(?:<input>|eval_script):(\d+)(:\d+)/, lines[i]);
      if (found === null) {
        if (indexOf(lines[i], "(native)") >= 0) kept[kept.length] = lines[i];
      } else if (found[1] !== "1" && !isJsonPlace(lines, i)) {
        const at = found.index;
        kept[kept.length] = slice(lines[i], 0, at) + "script:" + (found[1] - 1) + slice(lines[i], at + found[0].length - found[2].length);
        last = kept.length;
      }
    }
    kept.length = last;
    return last === 0 ? "" : join(kept, "\n") + "\n";
  };
  // JSON.parse reports the place in its text as if it were a frame of the script.
  const isJsonPlace = (lines, i) => i + 1 < lines.length && indexOf(lines[i + 1], " parse (native)") >= 0
    && exec(/^ *at (?:<input>|eval_script):/, lines[i]) !== null;
