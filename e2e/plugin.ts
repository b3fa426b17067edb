import { type ChildProcess, spawn } from 'node:child_process';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { expect, inject } from 'vitest';
import { type Cluster, openCluster } from './cluster/cluster.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A folder with kubectl and the plugin, to stand first on PATH. */
    bin: string;
    /** The agent's image as the nodes know it. */
    image: string;
    /** The archive of that image. */
    archive: string;
    /** The compiled libnvidia-ml.so.1 of the simulation. */
    library: string;
  }
}

/** The cluster that the global setup started. */
export function cluster(): Cluster {
  const running = openCluster();
  if (!running) throw new Error('the e2e cluster does not run');
  return running;
}

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly kubeconfig?: string;
  readonly input?: string | Buffer;
  readonly environment?: Readonly<Record<string, string>>;
}

export function environmentOf(options: RunOptions = {}): Record<string, string> {
  return {
    PATH: `${inject('bin')}:/usr/bin:/bin`,
    HOME: process.env['HOME'] ?? '/root',
    KUBECONFIG: options.kubeconfig ?? cluster().kubeconfig,
    ...options.environment,
  };
}

/** Starts `kubectl ARGS...` with the plugin on PATH. */
export function start(args: readonly string[], options: RunOptions = {}): ChildProcess {
  return spawn(`${inject('bin')}/kubectl`, args, { env: environmentOf(options) });
}

/** Runs `kubectl ARGS...` to its end. */
export function kubectl(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = start(args, options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', chunk => out.push(chunk));
  child.stderr?.on('data', chunk => err.push(chunk));
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({
        code,
        signal,
        stdout: String(Buffer.concat(out)),
        stderr: String(Buffer.concat(err)),
      }),
    );
  });
}

/** The flags that every session of these tests needs: the image that the nodes hold. */
export const withImage = (...args: string[]): string[] => [
  'gpu-mcp',
  ...args,
  `--image=${inject('image')}`,
];

/** A real MCP client whose stdio command is the plugin. */
export async function mcpClient(args: readonly string[], options: RunOptions = {}) {
  const transport = new StdioClientTransport({
    command: `${inject('bin')}/kubectl`,
    args: withImage(...args),
    env: environmentOf(options),
    stderr: 'ignore',
  });
  const client = new Client({ name: 'e2e', version: '1' });
  await client.connect(transport);
  return { client, transport };
}

/** Everything of ours in the cluster, and every process of the agent on the nodes. */
export async function leftovers(): Promise<readonly string[]> {
  const listed = await kubectl([
    ...['get', 'pods,jobs', '-A', '-o', 'name'],
    ...['-l', 'app.kubernetes.io/managed-by=kubectl-gpu-mcp'],
  ]);
  if (listed.code !== 0) return [`kubectl get failed: ${listed.stderr}`];
  const processes = cluster().nodes.flatMap(node =>
    node
      .podProcesses()
      .filter(process => process.argv.some(word => word.includes('agent.mjs')))
      .map(process => `${node.name}: process ${process.pid} ${process.argv.join(' ')}`),
  );
  return [...listed.stdout.split('\n').filter(line => line !== ''), ...processes];
}

/** An agent answers before its kubelet has told the API server that its pod runs. */
export async function untilRunning(namespace: string): Promise<void> {
  const ours = ['-n', namespace, '-l', 'app.kubernetes.io/managed-by=kubectl-gpu-mcp'];
  const phases = ['-o', 'jsonpath={.items[*].status.phase}'];
  while ((await kubectl(['get', 'pods', ...ours, ...phases])).stdout !== 'Running') {
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

/** Waits until nothing of ours is left; what is left after 10 s is returned. */
export async function leftAfterTenSeconds(): Promise<readonly string[]> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const left = await leftovers();
    if (left.length === 0) return left;
    if (Date.now() > deadline) {
      process.stderr.write(`${await whyLeft()}\n`);
      return left;
    }
    await new Promise(resolve => setTimeout(resolve, 200));
  }
}

/** The objects themselves, and what was said of them. */
async function whyLeft(): Promise<string> {
  const ours = ['-l', 'app.kubernetes.io/managed-by=kubectl-gpu-mcp'];
  const objects = await kubectl(['get', 'pods,jobs', '-A', '-o', 'yaml', ...ours]);
  const events = await kubectl(['get', 'events', '-A', '--sort-by=.lastTimestamp']);
  const last = events.stdout.split('\n').slice(-40);
  return [objects.stdout, objects.stderr, ...last].join('\n');
}

/** Creates an object of the cluster. */
export async function made(object: object): Promise<void> {
  const ran = await kubectl(['create', '-f', '-'], { input: JSON.stringify(object) });
  expect(ran.code, ran.stderr).toBe(0);
}

/** Waits for what a path of an object is to say, a minute at most. */
export async function until(
  [kind = '', name = '', path = '']: string[],
  wanted: string,
): Promise<void> {
  for (const endMs = Date.now() + 60_000; ; ) {
    const { stdout } = await kubectl(['get', kind, name, '-o', `jsonpath=${path}`]);
    if (stdout === wanted) return;
    if (Date.now() > endMs) throw new Error(`${path} of ${name} is "${stdout}", not ${wanted}`);
    await new Promise(resolve => setTimeout(resolve, 250));
  }
}
