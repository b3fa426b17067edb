import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AGENT_SNAPSHOT, entrypoint } from '../../images/agent/contents.ts';
import { killGroup } from './step.ts';

export interface Answered {
  readonly tool: string;
  readonly wallMs: number;
  readonly answer: unknown;
}

export interface ImageSession {
  readonly startMs: number;
  readonly answers: readonly Answered[];
  readonly error?: string;
  readonly stderr: string;
  /** Of the agent and what it started, after all answers: kB of memory, and of it shared pages once. */
  readonly memory: readonly {
    readonly name: string;
    readonly rssKb: number;
    readonly pssKb: number;
  }[];
}

/** What the pod mounts of the node; host-mounts.ts. */
const MOUNTS = ['/usr', '/var/log', '/run/log', '/run/nvidia'];

/**
 * Runs the image as a pod would: its own root, the node's folders under /host, the node's /dev and
 * /proc, and asks every tool over one session.
 */
export async function askImage(wanted: {
  readonly root: string;
  readonly driverRoot: string | undefined;
  readonly inputs: (tool: string) => Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
}): Promise<ImageSession> {
  const { root, driverRoot } = wanted;
  const startMs = performance.now();
  const child = spawn('unshare', ['-m', 'bash', '-ec', script(root, driverRoot)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let stderr = '';
  child.stderr.on('data', chunk => {
    stderr += String(chunk);
  });
  child.stdin.on('error', () => undefined);
  const timer = setTimeout(() => child.pid && killGroup(child.pid), wanted.timeoutMs);
  const answers: Answered[] = [];
  try {
    const ask = asker(child);
    await ask('initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'gpu-check', version: '1' },
    });
    const readyMs = Math.round(performance.now() - startMs);
    child.stdin.write(
      `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`,
    );
    for (const tool of toolNames(await ask('tools/list', {}))) {
      const before = performance.now();
      const answer = await ask('tools/call', { name: tool, arguments: wanted.inputs(tool) });
      answers.push({ tool, wallMs: Math.round(performance.now() - before), answer });
    }
    return { startMs: readyMs, answers, stderr, memory: memoryOf(child.pid) };
  } catch (error) {
    return { startMs: 0, answers, stderr, error: String(error), memory: [] };
  } finally {
    clearTimeout(timer);
    child.stdin.end();
    if (child.pid !== undefined) killGroup(child.pid);
  }
}

function script(root: string, driverRoot: string | undefined): string {
  const mounts = [...MOUNTS, ...(driverRoot === undefined ? [] : [driverRoot])].filter(
    (path, place, all) =>
      existsSync(path) && !all.slice(0, place).some(other => path.startsWith(`${other}/`)),
  );
  const pairs = [
    ...['/dev', '/proc', '/sys'].map(path => [path, join(root, path)] as const),
    ...mounts.map(path => [path, join(root, 'host', path)] as const),
  ];
  for (const [, to] of pairs) mkdirSync(to, { recursive: true });
  const words = entrypoint(existsSync(join(root, AGENT_SNAPSHOT)));
  const driver = driverRoot === undefined ? '' : ` GPU_MCP_DRIVER_ROOT=${driverRoot}`;
  return [
    ...pairs.map(([from, to]) => `mount --rbind '${from}' '${to}'`),
    `exec env -i PATH=/usr/bin GPU_MCP_HOST_ROOT=/host${driver} "$(command -v chroot)" '${root}' ${words.join(' ')}`,
  ].join('\n');
}

function memoryOf(pid: number | undefined): ImageSession['memory'] {
  if (pid === undefined) return [];
  const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8');
  const kb = (text: string, row: string) =>
    Number(new RegExp(`^${row}:\\s*(\\d+) kB`, 'm').exec(text)?.[1]);
  const rollup = read('smaps_rollup');
  const children = read(`task/${pid}/children`).trim().split(' ').filter(Boolean);
  return [
    { name: read('comm').trim(), rssKb: kb(rollup, 'Rss'), pssKb: kb(rollup, 'Pss') },
    ...children.flatMap(child => memoryOf(Number(child))),
  ];
}

function toolNames(answer: unknown): string[] {
  if (typeof answer !== 'object' || answer === null || !('tools' in answer)) return [];
  return Array.isArray(answer.tools)
    ? answer.tools.flatMap((tool: unknown) =>
        typeof tool === 'object' && tool !== null && 'name' in tool ? [String(tool.name)] : [],
      )
    : [];
}

function asker(child: ChildProcess): (method: string, params: unknown) => Promise<unknown> {
  const waiting = new Map<unknown, (answer: unknown) => void>();
  let last = 0;
  let failed: ((error: Error) => void) | undefined;
  const ended = new Promise<never>((_, reject) => {
    failed = reject;
  });
  ended.catch(() => undefined);
  child.once('error', error => failed?.(error));
  child.once('close', code => failed?.(new Error(`the agent ended with ${code}`)));
  if (child.stdout) {
    createInterface(child.stdout).on('line', line => {
      const message: unknown = JSON.parse(line);
      if (typeof message !== 'object' || message === null || !('id' in message)) return;
      const answer = 'result' in message ? message.result : message;
      waiting.get(message.id)?.(answer);
    });
  }
  return (method, params) => {
    const id = ++last;
    const answered = new Promise<unknown>(resolve => waiting.set(id, resolve));
    child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    return Promise.race([answered, ended]);
  };
}
