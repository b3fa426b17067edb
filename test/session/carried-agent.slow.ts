import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { carriedCommand } from '../../src/session/carried-script.ts';
import { carriedWorld, soon } from './carried-world.ts';

const { folder, archiveOf, agentsOf, inPod, carried } = carriedWorld();

/** A shell that the watcher's first signal does not reach. */
const deaf = (word: string) => soon(word).replace(/^trap .*$/m, "trap '' USR1");

/** What runs the script or is a part of it, here and in a namespace below. */
const running = () =>
  readdirSync('/proc').filter(pid => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder());
    } catch {
      return false;
    }
  });

/** The script with nobody at its stdin, started by these words. */
async function shell(changed: (word: string) => string, starter: readonly string[] = ['sh']) {
  const [agent] = await agentsOf(archiveOf());
  const { command, args } = carriedCommand(agent ?? expect.fail());
  const words = [...starter, ...command.slice(1), ...args].map(inPod).map(changed);
  const child = spawn(words[0] ?? '', words.slice(1));
  child.stdin.on('error', () => undefined);
  const ended = new Promise<string | number | null>(resolve =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  );
  return { child, ended, said: text(child.stdout), part: agent?.layers[0] ?? expect.fail() };
}

const OWN_PIDS =
  process.getuid?.() === 0
    ? ['unshare', '-pf', '--mount-proc']
    : ['unshare', '-Urpf', '--mount-proc'];
const hasOwnPids = spawnSync(OWN_PIDS[0] ?? '', [...OWN_PIDS.slice(1), 'true']).status === 0;

describe('what watches the shell', () => {
  test.each([['sh'], ['bash']])('ends %s, which says why, where nothing comes', async name => {
    const { ended, said } = await shell(soon, [name]);
    expect(await ended).toBe(1);
    expect(await said).toBe('gpu-mcp failed late\n');
    await expect.poll(running, { timeout: 4_000 }).toEqual([]);
  });

  test('kills what does not hear it', async () => {
    expect(await (await shell(deaf)).ended).toBe('SIGKILL');
    await expect.poll(running, { timeout: 4_000 }).toEqual([]);
  });

  // Skipped where the machine lets nobody make a namespace of PIDs.
  test.skipIf(!hasOwnPids).each([
    ['hears it', soon, 'gpu-mcp failed late\n'],
    ['is deaf to it', deaf, 'gpu-mcp failed disk\n'],
    [
      'is held up by a program',
      (word: string) => soon(word).replace('wait $h', 'kill -9 $h; sleep 60'),
      /^gpu-mcp failed /,
    ],
  ])('ends a shell that is PID 1 and %s', async (_, changed, words) => {
    const { ended, said } = await shell(changed, [...OWN_PIDS, 'sh']);
    expect(await ended).toBe(1);
    expect(await said).toMatch(words);
    await expect.poll(running, { timeout: 4_000 }).toEqual([]);
  });

  test('waits on as long as something comes', async () => {
    const { child, ended, said, part } = await shell(word =>
      soon(word).replace(/^\d+$/, '40000').replace(' sha256sum >/dev/null', ' none >/dev/null'),
    );
    for (let step = 0; step < 8; step += 1) {
      child.stdin.write(Buffer.alloc(5_000));
      await new Promise(resolve => setTimeout(resolve, 600));
    }
    expect(part.bytes).toBeGreaterThan(0);
    expect(await ended).toBe(1);
    // It came whole, and is no agent.
    expect(await said).toMatch(/failed (digest|unpack)\n$/);
  });

  test.each<[string, (child: { kill: (signal: 'SIGKILL') => boolean }) => void]>([
    ['is killed', child => void child.kill('SIGKILL')],
    [
      'is killed when its folder has gone',
      child => {
        rmSync(join(folder(), 'unpacked'), { recursive: true, force: true });
        child.kill('SIGKILL');
      },
    ],
  ])('does not outlive a shell that %s', async (_, end) => {
    const { child, ended } = await shell(word => word);
    await expect.poll(() => running().length, { timeout: 4_000 }).toBeGreaterThan(1);
    end(child);
    await ended;
    child.stdin.end();
    await expect.poll(running, { timeout: 4_000 }).toEqual([]);
  });

  test('does not outlive a shell that gives up, nor watches the agent', async () => {
    const { child, ended, said } = await shell(word => word);
    child.stdin.end('too little');
    expect(await ended).toBe(1);
    expect(await said).toBe('gpu-mcp failed cut\n');
    await expect.poll(running, { timeout: 4_000 }).toEqual([]);
    rmSync(join(folder(), 'unpacked'), { recursive: true, force: true });
    await carried(archiveOf());
    await expect.poll(running, { timeout: 4_000 }).toEqual([]);
  });
});
