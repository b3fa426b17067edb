import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { afterAll, beforeAll, describe, type ExpectStatic, expect, inject, test } from 'vitest';
import * as z from 'zod';
import { ENVIRONMENT, type Ended, markOf, runClient, type Server, simulated } from './program.ts';

const MACHINE = 'job-lost-gpu';

/** Every tool with what it needs; in this order, as the comparison takes what the capture kept. */
const CALLS = {
  ...{ triage_gpu_node: {}, get_gpu_inventory: {}, get_gpu_health: {}, analyze_xid_errors: {} },
  ...{ explain_xid: { query: '79' }, get_gpu_timeline: {}, describe_gpu_node: {} },
  ...{ explain_failure: { pod: 'pretrain-3', namespace: 'ml' }, get_pod_gpu_allocation: {} },
  ...{ get_gpu_processes: {}, get_nvlink_topology: {}, sample_gpu_telemetry: { seconds: 1 } },
  ...{ get_incident_report: {}, capture_node: { seconds: 1 } },
  compare_snapshots: { before: 'SNAPSHOT' },
  analyze_kernel_log: {
    text: 'NVRM: Xid (PCI:0000:d1:00): 79, pid=0, GPU has fallen off the bus.',
  },
};

/** A word that the model must be given of an answer, whichever of its forms the client takes. */
const FACTS: Readonly<Record<keyof typeof CALLS, RegExp>> = {
  triage_gpu_node: /reboot_node.*pretrain-3|pretrain-3.*reboot_node/s,
  get_gpu_inventory: /gpu_is_lost/,
  get_gpu_health: /lost/,
  analyze_xid_errors: /79/,
  explain_xid: /reboot_node/,
  get_gpu_timeline: /79/,
  describe_gpu_node: /critical/i,
  explain_failure: /pretrain-3/,
  get_pod_gpu_allocation: /pretrain-3/,
  get_gpu_processes: /pretrain-3/,
  get_nvlink_topology: /NVLink/,
  sample_gpu_telemetry: /gpu_is_lost/,
  get_incident_report: /serial/,
  capture_node: /job-lost-gpu@/,
  compare_snapshots: /unchanged/,
  analyze_kernel_log: /79/,
};

const Answer = z.object({
  isError: z.boolean(),
  thrown: z.boolean().optional(),
  model: z.string(),
});
const Report = z.object({
  tools: z.array(z.string()),
  answers: z.record(z.string(), Answer),
  /** Null where the client shows none to who uses it. */
  progress: z.number().nullable(),
  unknown: Answer,
  wrong: Answer,
  /** Null where the client has no way to stop a call. */
  cancelled: z.object({ how: z.string(), ms: z.number() }).nullable(),
  after: Answer.nullable(),
});

interface Client {
  readonly title: string;
  readonly adapter: string;
  readonly python?: true;
  readonly mode?: string;
}

const CLIENTS: readonly Client[] = [
  { title: 'TypeScript SDK v1', adapter: 'sdk-v1' },
  { title: 'TypeScript client v2, legacy', adapter: 'sdk-v2', mode: 'legacy' },
  { title: 'TypeScript client v2, auto', adapter: 'sdk-v2', mode: 'auto' },
  { title: 'TypeScript client v2, 2026-07-28 alone', adapter: 'sdk-v2', mode: '2026-07-28' },
  { title: 'AI SDK', adapter: 'ai-sdk' },
  { title: 'OpenAI Agents for JavaScript, strict', adapter: 'openai-agents' },
  { title: 'LangChain adapters', adapter: 'langchain' },
  { title: 'Mastra', adapter: 'mastra' },
  { title: 'mcporter', adapter: 'mcporter' },
  { title: 'mcp for Python', adapter: 'mcp', python: true },
  { title: 'FastMCP', adapter: 'fastmcp', python: true },
  { title: 'OpenAI Agents for Python, strict', adapter: 'openai-agents', python: true },
];

interface Driven {
  readonly ended: Ended;
  readonly report: z.infer<typeof Report>;
}

/** Drives a client over the server and reads its report. @throws what kept it from being installed. */
async function drive(
  { adapter, python, mode }: Client,
  server: Server | { readonly url: string; readonly headers: object },
  calls: object,
) {
  const installed = inject('clients')[python ? 'python' : 'npm'];
  if ('why' in installed) return installed;
  const program = python
    ? [join(installed.folder, 'bin/python'), 'drive.py']
    : [execPath, 'drive.mjs'];
  const ended = await runClient([...program, adapter, JSON.stringify({ server, mode, calls })], {
    cwd: inject('drivers'),
    env: ENVIRONMENT,
    ...('env' in server && { mark: markOf(server) }),
  });
  const line = ended.stdout.split('\n').findLast(text => text.startsWith('{'));
  if (line === undefined)
    throw new Error(`${adapter} (${ended.code}): ${ended.stderr.slice(-2_000)}`);
  return { ended, report: Report.parse(JSON.parse(line)) };
}

/** What holds of every client, over either transport. */
function holds({ ended, report }: Driven, expect: ExpectStatic) {
  expect(ended.left).toEqual([]);
  expect(report.tools.toSorted()).toEqual(Object.keys(CALLS).toSorted());
  for (const [name, answer] of Object.entries(report.answers)) {
    expect.soft(answer, name).toMatchObject({ isError: false });
    const fact = Object.entries(FACTS).find(([tool]) => tool === name)?.[1];
    expect.soft(answer.model, name).toMatch(fact ?? /^$/);
  }
  // The words reach the model wherever the client puts them.
  expect(report.wrong.model).toContain('here are 0, 1, 2, 3, 4, 5, 6, 7');
  expect(report.unknown.isError).toBe(true);
  expect(report.unknown.model).toContain('no_such_tool');
  if (report.progress !== null) expect(report.progress).toBeGreaterThanOrEqual(1);
  if (report.cancelled !== null) {
    expect(report.cancelled.how).toBe('ended');
    expect(report.after).toMatchObject({ isError: false, model: expect.stringContaining('79') });
  }
}

describe.concurrent('over stdin and stdout: every tool and every ending', () => {
  test.for(CLIENTS)('$title', async (client, { skip, expect }) => {
    const driven = await drive(client, simulated(MACHINE), CALLS);
    if ('why' in driven) return skip(driven.why);
    holds(driven, expect);
  });
});

describe('over HTTP, all at one server with a token', () => {
  let server: ChildProcess;
  let door: { readonly url: string; readonly headers: { readonly Authorization: string } };

  beforeAll(async () => {
    const { command, args, env } = simulated(MACHINE);
    server = spawn(command, [...args, '--http', '127.0.0.1:0'], {
      env: { ...ENVIRONMENT, ...env },
    });
    door = await new Promise((resolve, reject) => {
      let said = '';
      server.once('close', () => reject(new Error(said)));
      server.stderr?.on('data', chunk => {
        said += String(chunk);
        const [, url] = /^MCP over HTTP: (\S+)$/m.exec(said) ?? [];
        const [, Authorization] = /^Authorization: (Bearer \S+)$/m.exec(said) ?? [];
        if (url && Authorization) resolve({ url, headers: { Authorization } });
      });
    });
  });

  afterAll(async () => {
    const ended = new Promise(resolve => server.once('close', resolve));
    server.kill('SIGTERM');
    expect(await ended).toBe(130);
  });

  const { triage_gpu_node, get_gpu_health, explain_xid } = CALLS;
  test.concurrent.for(CLIENTS)('$title', async (client, { skip, expect }) => {
    const driven = await drive(client, door, { triage_gpu_node, get_gpu_health, explain_xid });
    if ('why' in driven) return skip(driven.why);
    holds(driven, expect);
  });

  test.concurrent('a client with another token is not let in', async ({ skip, expect }) => {
    const [client] = CLIENTS;
    const wrong = { ...door, headers: { Authorization: `${door.headers.Authorization}x` } };
    const asked = client && drive(client, wrong, {});
    if ('folder' in inject('clients').npm) await expect(asked).rejects.toThrow('401');
    else skip('the clients of npm are not installed');
  });
});
