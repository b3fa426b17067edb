#!/usr/bin/env node
// The command itself. It must parse on any Node that knows modules: no imports, old syntax only.

var wanted = [22, 19];
var found = process.versions.node.split('.').map(Number);

if (found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1])) {
  process.stderr.write(
    `kubectl gpu-mcp needs Node ${wanted.join('.')} or newer, and this is Node ${process.versions.node} (${process.execPath}).\n`,
  );
  process.exit(2);
}

// The compiled code is kept between runs: it saves a third of the start. It is kept in the user's own
// folder only: whoever can write to it can choose what this program runs, so never in /tmp.
var home = process.env.HOME || process.env.LOCALAPPDATA;
var cache = process.env.XDG_CACHE_HOME || (home && `${home}/.cache`);
if (cache && !process.env.NODE_COMPILE_CACHE) {
  process.getBuiltinModule('node:module').enableCompileCache(`${cache}/kubectl-gpu-mcp`);
}

import('../dist/plugin.mjs').catch(error => {
  if (
    error &&
    error.code === 'ERR_MODULE_NOT_FOUND' &&
    /^Cannot find module '[^']*dist.plugin\.mjs'/.test(error.message)
  ) {
    process.stderr.write(
      'kubectl gpu-mcp is not built here: run `npm ci && npm run build` first.\n',
    );
    process.exit(2);
  }
  throw error;
});
