// Decides how JupyterLab finds the extension: a module federation container written by hand, so that nothing is built.
//
// Lab puts its own packages into a shared scope and asks the container for the two modules that package.json names.

(() => {
  const base = new URL(".", document.currentScript.src);
  let scope = {};

  // Any version of a shared package will do: what is used of each has been there since JupyterLab 4.
  const shared = async (name) => {
    const versions = Object.values(scope[name] || {});
    const one = versions.find((version) => version.loaded) || versions[0];
    if (!one) throw new Error(`toolscript: this application does not share ${name}`);
    return (await one.get())();
  };

  const modules = { "./extension": "cells.js", "./mimeExtension": "mime.js" };

  (window._JUPYTERLAB ||= {}).toolscript = {
    init: (given) => {
      scope = given;
    },
    get: async (name) => {
      if (!modules[name]) throw new Error(`toolscript: there is no module ${name}`);
      const loaded = await import(new URL(modules[name], base));
      const made = await loaded.default(shared);
      return () => ({ __esModule: true, default: made });
    },
  };
})();
