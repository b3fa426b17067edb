import { PassThrough } from 'node:stream';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, expect, test } from 'vitest';
import * as z from 'zod';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { StreamTransport } from '../../src/mcp/stream-transport.ts';
import { asJson, type FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { FLEET_NOW_MS, fleetOf, putJob } from './fleet.ts';
import { collector } from './run.ts';

const open: FakeApiServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(api => api[Symbol.asyncDispose]()));
});

/** A client of `kubectl gpu-mcp serve`, with no node named, on a cluster of these machines. */
async function served(machines: Readonly<Record<string, string>>, ...flags: string[]) {
  const api = await fleetOf(machines);
  open.push(api);
  const [stdin, stdout, err] = [new PassThrough(), new PassThrough(), collector()];
  const access = ['--kubeconfig', await api.kubeconfig(), '--image', 'example/a:1'];
  const code = runCommandLine(['serve', ...access, ...flags], {
    stdin,
    stdout,
    stderr: err.stream,
    environment: {},
    stdoutIsTerminal: false,
    stdinIsTerminal: false,
    signal: new AbortController().signal,
    clock: { nowMs: () => FLEET_NOW_MS },
    program: { plugin: 'none', agent: 'none', node: process.version },
  });
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } });
  const questions: string[] = [];
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    questions.push(params.message);
    return { action: 'decline' };
  });
  await client.connect(new StreamTransport(stdout, stdin, { lineBytesMax: 1e7 }));
  const end = async () => {
    stdin.end();
    return { code: await code, stderr: err.text() };
  };
  return { api, client, end, questions };
}

const made = (api: FakeApiServer) =>
  api.requests.filter(({ method }) => method === 'POST').map(({ path }) => path);

test('serve without a node answers for any node of the cluster, and leaves nothing', async () => {
  const { api, client, end } = await served({ 'node-1': 'dgx-h100', 'node-2': 'lost-gpu' });
  await client.listTools();
  const nodes = await client.callTool({ name: 'list_gpu_nodes', arguments: {} });
  expect(nodes.structuredContent).toMatchObject({
    nodes: [{ node: 'node-1' }, { node: 'node-2' }],
  });
  expect(made(api).filter(path => path.endsWith('/jobs'))).toEqual([]);

  const triaged = await client.callTool({ name: 'triage_gpu_node', arguments: { node: 'node-2' } });
  expect(triaged.structuredContent).toMatchObject({ verdict: 'critical' });
  const both = await client.callTool({
    name: 'triage_gpu_node',
    arguments: { node: 'node-1,node-2' },
  });
  expect(both.structuredContent).toMatchObject({
    summary: '2 nodes: 1 critical, 1 healthy.',
    nodes: [{ node: 'node-2' }, { node: 'node-1' }],
  });
  expect(made(api).filter(path => path.endsWith('/jobs'))).toHaveLength(2);

  const wrong = await client.callTool({ name: 'triage_gpu_node', arguments: { node: 'node-3' } });
  const [text] = z.array(z.object({ text: z.string() })).parse(wrong.content);
  expect(text?.text).toMatch(/^node "node-3" was not found\. Try: did you mean node-1 or node-2\?/);

  const { code, stderr } = await end();
  expect(code).toBe(0);
  expect(stderr.match(/deleted, verified/g)).toHaveLength(2);
  expect(api.list('jobs').map(job => asJson(job['metadata'])['name'])).toEqual([]);
});

test.each([
  ['unmounted', 'a privileged pod with the PIDs of the node'],
  ['mounted', 'a privileged pod with the PIDs of the node and read-only mounts'],
  ['restricted', 'an unprivileged pod with CAP_SYSLOG at most, on node-1'],
])(
  '--confirm asks for what --profile %s starts, and nothing starts without a yes',
  async (profile, what) => {
    const words = ['--confirm', '--profile', profile];
    const { api, client, end, questions } = await served({ 'node-1': 'dgx-h100' }, ...words);
    const asked = { name: 'get_gpu_health', arguments: { node: 'node-1' } };
    expect(await client.callTool(asked)).toMatchObject({ isError: true });
    expect(questions).toEqual([expect.stringContaining(`Start ${what}`)]);
    expect(questions[0]).toContain('on node-1? It only reads');
    expect(made(api).filter(path => path.endsWith('/jobs'))).toEqual([]);
    await end();
  },
);

test('a job is a target of a whole cluster, in any namespace', async () => {
  const { api, client, end } = await served({ 'node-1': 'dgx-h100', 'node-2': 'lost-gpu' });
  putJob(api);
  const asked = { job: 'job/train', namespace: 'ml' };
  const judged = await client.callTool({ name: 'triage_job', arguments: asked });
  expect(judged.structuredContent).toMatchObject({
    ...{ job: 'Job/train', state: 'running', fault: 'hardware', takeOut: 'node-2' },
    nodes: [{ node: 'node-1' }, { node: 'node-2', verdict: 'critical' }],
  });
  const wrong = await client.callTool({ name: 'triage_job', arguments: { job: 'jbo/train' } });
  const [text] = z.array(z.object({ text: z.string() })).parse(wrong.content);
  expect(text?.text).toMatch(/^"jbo\/" is not a kind of target\. Try: did you mean job\/train\?/);
  expect((await end()).stderr.match(/deleted, verified/g)).toHaveLength(2);
});

test('of a job nothing is told with --redact-names that its client has not said', async () => {
  const { api, client, end } = await served({ 'node-1': 'dgx-h100' }, '--redact-names');
  const message = '0/1 nodes are available: 1 had untolerated taint {team: marks}';
  const conditions = [{ type: 'PodScheduled', status: 'False', message }];
  for (const name of ['markpod-0', 'markpod-1']) {
    api.put('pods', {
      metadata: { name, namespace: 'markns' },
      spec: { containers: [{ name: 'main' }] },
      status: { phase: 'Pending', conditions },
    });
  }
  const said = async (job: string, more: Json = {}) => {
    const asked = { job, namespace: 'markns', ...more };
    const { content, isError } = await client.callTool({ name: 'triage_job', arguments: asked });
    expect(isError).toBe(true);
    return JSON.stringify(content);
  };
  for (const word of ['pod/markpod-0', 'pod/markpod-7', 'job/markpod-0']) {
    expect(await said(word)).not.toMatch(/mark/);
  }
  expect(await said('markpod-7')).not.toMatch(/markns|markpod-[01]/);
  expect(await said('pod/markpod-7', { namespace: undefined })).not.toMatch(
    /mark|namespace \\*"gpu-mcp/,
  );
  await end();
});

const NODE_2 = { name: 'triage_gpu_node', arguments: { node: 'node-2' } };

test('a node of which nothing is asked gives back its pod after --idle seconds', async () => {
  const { api, client, end } = await served({ 'node-2': 'dgx-h100' }, '--idle', '77');
  await client.callTool(NODE_2);
  expect(api.list('jobs')).toHaveLength(1);
  await pass(77_000);
  await expect.poll(() => api.list('jobs')).toEqual([]);
  const { code } = await end();
  expect(code).toBe(0);
});

test('what of a node could not be removed is named at the end', async () => {
  const { api, client, end } = await served({ 'node-2': 'dgx-h100' });
  await client.callTool(NODE_2);
  api.answer = ({ method }) =>
    method === 'DELETE' ? status(403, 'Forbidden', 'no deletions today') : undefined;
  const { stderr } = await end();
  expect(stderr).toMatch(/^warning: job gpu-mcp\/\S+ was not seen gone; .*kubectl .*delete job/m);
});

test('of very many nodes the list says how many it leaves out', async () => {
  const { api, client, end } = await served({ 'node-2': 'dgx-h100' });
  for (let at = 100; at < 350; at += 1) {
    const labels = { 'nvidia.com/gpu.present': 'true' };
    api.put('nodes', { metadata: { name: `node-${at}`, labels }, status: {} });
  }
  const { content, structuredContent } = await client.callTool({
    name: 'list_gpu_nodes',
    arguments: {},
  });
  expect(structuredContent).toMatchObject({ nodesLeftOut: 51 });
  expect(
    z.object({ nodes: z.array(z.unknown()).length(200) }).parse(structuredContent),
  ).toBeDefined();
  expect(JSON.stringify(content)).toContain('51 nodes left out: choose by a selector');
  await end();
});
