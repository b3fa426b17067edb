import { argv, stdin } from 'node:process';
import { readState } from './state.ts';
import { takeDown } from './teardown.ts';

// Holds the read end of a pipe whose other end only the cluster's owner has: it ends when the owner does,
// however that comes about.
stdin.resume();
stdin.on('end', async () => {
  const state = readState();
  if (state && state.id === argv[2]) await takeDown(state);
});
