import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import type { Io } from '../../src/cli/io.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface World {
  readonly input?: string | Buffer;
  readonly environment?: Readonly<Record<string, string>>;
  readonly terminal?: boolean;
  /** A person types, and no program. */
  readonly typed?: boolean;
  readonly signal?: AbortSignal;
  readonly nowMs?: number;
  /** Is told what stands on stdout so far. */
  readonly heard?: (stdout: string) => void;
  readonly platform?: string;
  /** Where the command line was typed. */
  readonly folder?: string;
}

/** One command line in this process, with streams of the test's own. */
export async function run(argv: readonly string[], world: World = {}): Promise<Ran> {
  const { io, out, err } = ioOf(world);
  const code = await runCommandLine(argv, io);
  return { code, stdout: out.text(), stderr: err.text() };
}

/** The world of a command line, and what was written to it. */
export function ioOf(world: World) {
  const out = collector();
  const err = collector();
  if (world.heard) out.stream.on('data', () => world.heard?.(out.text()));
  const io: Io = {
    stdin: Readable.from(world.input === undefined ? [] : [Buffer.from(world.input)]),
    stdout: out.stream,
    stderr: err.stream,
    environment: world.environment ?? {},
    stdoutIsTerminal: world.terminal ?? false,
    stdinIsTerminal: world.typed ?? false,
    signal: world.signal ?? new AbortController().signal,
    clock: { nowMs: () => world.nowMs ?? Date.now() },
    program: {
      plugin: fileURLToPath(new URL('./plugin.mjs', import.meta.url)),
      // Only the slow tests start one.
      agent: inject('agent') || '/no-agent.mjs',
      node: process.version,
      executable: process.execPath,
      platform: world.platform ?? 'linux',
      folder: world.folder ?? '/',
    },
  };
  return { io, out, err };
}

/** A stream and what was written to it. */
export function collector() {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', chunk => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') };
}
