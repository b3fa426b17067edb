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

// The compiled code is kept between runs: it saves a third of the start. Whoever can write to it, or can
// put another folder in its place, can choose what this program runs: it is used only where nobody else can.
var home = process.env.HOME || process.env.LOCALAPPDATA;
var cache = process.env.XDG_CACHE_HOME || (home && `${home}/.cache`);
if (cache && !process.env.NODE_COMPILE_CACHE) {
  const folder = ownFolder(`${cache}/kubectl-gpu-mcp`);
  if (folder) process.getBuiltinModule('node:module').enableCompileCache(folder);
}

// The folder, made where it is missing; undefined where somebody else could change what is in it.
function ownFolder(wanted) {
  const fs = process.getBuiltinModule('node:fs');
  const path = process.getBuiltinModule('node:path');
  // Windows has neither owners nor modes here, and a folder for each user.
  if (!process.getuid) return wanted;
  try {
    let there = path.resolve(wanted);
    while (!fs.existsSync(there)) there = path.dirname(there);
    const real = path.resolve(fs.realpathSync(there), path.relative(there, path.resolve(wanted)));
    let isSafe = true;
    for (let at = fs.realpathSync(there); isSafe; at = path.dirname(at)) {
      const found = fs.lstatSync(at);
      // In a folder like /tmp nobody can move what is another's.
      const isSticky = (found.mode & 0o1000) !== 0 && at !== real;
      const isOwn = found.uid === process.getuid() || (found.uid === 0 && at !== real);
      isSafe = isOwn && ((found.mode & 0o022) === 0 || isSticky);
      if (at === path.dirname(at)) break;
    }
    if (!isSafe) return undefined;
    fs.mkdirSync(real, { recursive: true, mode: 0o700 });
    // Where another was quicker it is not ours.
    const made = fs.lstatSync(real);
    const isOurs = made.isDirectory() && made.uid === process.getuid() && (made.mode & 0o022) === 0;
    return isOurs ? real : undefined;
  } catch {
    return undefined;
  }
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
