#!/usr/bin/env node
// kubectl runs this for `kubectl gpu-mcp <TAB>`, with the words typed so far, the unfinished one last.

process.argv.splice(2, 0, '__complete');
import('./kubectl-gpu_mcp.mjs').catch(error => {
  throw error;
});
