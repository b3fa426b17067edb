import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach } from 'vitest';
import { ociArchive } from '../../images/agent/oci.ts';
import { archivedAgents } from '../../src/session/agent-archive.ts';
import { carryAgent } from '../../src/session/carried-agent.ts';
import { carriedCommand } from '../../src/session/carried-script.ts';
import { images } from './small-agent.ts';

interface Shell {
  readonly shell?: string;
  readonly path?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Of what is sent, before it arrives. */
  readonly changed?: (word: string) => string;
  /** What happens to the archive once it was checked. */
  readonly meanwhile?: (file: string) => void;
}

/** A folder for each test, the archive of a small agent in it, and the script that takes it in a shell of this machine. */
export function carriedWorld() {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-carried-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function archiveOf(
    change: (archive: Buffer) => Buffer = archive => archive,
    of = images,
  ): string {
    const file = join(folder, 'agent.oci.tar');
    writeFileSync(file, change(Buffer.from(ociArchive(of, 'localhost/gpu-mcp:1').archive)));
    return file;
  }

  const agentsOf = (file: string) => archivedAgents({ file, folders: [] });

  /** What a kubelet makes of `$$`; the folder is one of this test. */
  const inPod = (word: string) =>
    word.replaceAll('$$', '$').replaceAll('/tmp/gpu-mcp', join(folder, 'unpacked'));

  /** The script in a shell of this machine, sent what the archive holds; all that is said to a person. */
  async function carried(
    file: string,
    { shell = 'sh', path, environment, changed, meanwhile }: Shell = {},
  ) {
    const [agent] = await agentsOf(file);
    meanwhile?.(file);
    if (!agent) throw new Error('an archive without an agent');
    const { command, args } = carriedCommand(agent);
    const words = [...command.slice(1), ...args, '--flag'].map(inPod);
    const env = { PATH: path ?? '/usr/bin:/bin', SHLVL: '2', ...environment };
    const child = spawn(shell, words.map(changed ?? (word => word)), { env });
    const stderr = text(child.stderr);
    child.stdin.on('error', () => undefined);
    const ended = new Promise<{ kind: 'finished'; detail: string; stderr: string }>(resolve => {
      child.once('close', async () =>
        resolve({ kind: 'finished', detail: 'it ended', stderr: await stderr }),
      );
    });
    const { stdin, stdout } = child;
    const stream = { stdin, stdout, ended, destroy: () => void child.kill('SIGKILL') };
    const said: string[] = [];
    const to = { carried: agent, node: 'node-a', image: 'busybox' };
    const signal = new AbortController().signal;
    const by = { nowMs: () => 0, signal, say: (words: string) => void said.push(words) };
    try {
      await carryAgent(stream, to, by);
      stdin.end('{"id":1}\n');
      return { said, answer: await text(stdout) };
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  }

  return { folder: () => folder, archiveOf, agentsOf, inPod, carried };
}

/** A second in the place of either limit. */
export const soon = (word: string) => word.replace('l=20\n', 'l=1\n').replace('l=120;', 'l=2;');
