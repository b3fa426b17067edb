import { fileURLToPath } from 'node:url';
import { hostedBy } from '../../src/nvml/child/hosted.ts';
import { startNvmlChild } from '../../src/nvml/child/start-child.ts';
import { hangs } from './held-timers.ts';

/**
 * A parent that is going to be killed: starts a child, asks it, and prints the child's pid when the
 * child has nothing more to say (it is done, or it hangs in the temperature of GPU 2).
 */
const started = startNvmlChild({
  file: process.execPath,
  args: [fileURLToPath(new URL('./child-main.ts', import.meta.url)), ...process.argv.slice(2)],
  env: {},
});
const { child } = started;
const hosted = hostedBy(started);
hosted.listen({
  onMessage(message) {
    if (message.kind === 'done' || hangs(message)) process.stdout.write(`${child.pid}\n`);
  },
  onEnd: why => process.stderr.write(`the child ended: ${why}\n`),
});
hosted.send({
  id: 1,
  takenAtMs: 0,
  had: { driver: [], gpus: {} },
  skip: [],
  last: [],
  depth: 'all',
});
