import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { NVML_CHILD_STDIO } from '../../src/nvml/child.ts';
import { hostedBy } from '../../src/nvml/hosted.ts';

/**
 * A parent that is going to be killed: starts a child, asks it, and prints the child's pid when the
 * child has nothing more to say (it is done, or it hangs in the temperature of GPU 2).
 */
const child = spawn(
  process.execPath,
  [fileURLToPath(new URL('./child-main.ts', import.meta.url)), ...process.argv.slice(2)],
  { stdio: [...NVML_CHILD_STDIO] },
);
const hosted = hostedBy(child);
hosted.listen({
  onMessage(message) {
    const hangs =
      message.kind === 'call' && message.gpu === 2 && message.call === 'nvmlDeviceGetTemperature';
    if (message.kind === 'done' || hangs) process.stdout.write(`${child.pid}\n`);
  },
  onEnd: why => process.stderr.write(`the child ended: ${why}\n`),
});
hosted.send({ id: 1, had: { driver: [], gpus: {} }, skip: [], last: [], depth: 'all' });
