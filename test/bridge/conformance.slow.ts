import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { createBridge } from '../../src/bridge/bridge.ts';
import { freshToken, httpPlace, serveHttp } from '../../src/bridge/http.ts';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import { agentSession } from '../fakes/agent-session.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const PROGRAM = join(
  import.meta.dirname,
  '../../node_modules/@modelcontextprotocol/conformance/dist/index.js',
);

/** The suite knows no tokens: a door of the test's own adds ours, and leaves Host and Origin as they are. */
let url = '';
let folder = '';
let close: () => Promise<unknown> = async () => {};

beforeAll(async () => {
  const nodes = namedNodes([agentSession('gpu-1', instrumentsOf('healthy-t4'))]);
  const token = freshToken();
  const server = await serveHttp({
    bridge: createBridge({ nodes, clock: { nowMs: () => 0 } }),
    place: httpPlace('127.0.0.1:0'),
    token,
  });
  const door = createServer((asked, answer) => {
    const headers = { ...asked.headers, authorization: `Bearer ${token}` };
    const { url: path, method } = asked;
    const on = httpRequest({ port: server.port, path, method, headers }, response => {
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    on.on('error', () => answer.destroy());
    answer.once('close', () => on.destroy());
    asked.pipe(on);
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const address = door.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/mcp`;
  folder = await mkdtemp(join(tmpdir(), 'conformance-'));
  close = async () => {
    door.closeAllConnections();
    door.close();
    await server.close();
    await nodes.close();
    await rm(folder, { recursive: true });
  };
});
afterAll(() => close());

const Checks = z.array(z.object({ id: z.string(), status: z.string() }));

/** What the suite says of a revision: by scenario the checks that were met, and those that were not. */
async function checked(revision: string) {
  const out = join(folder, revision);
  const suite = spawn(
    process.execPath,
    [PROGRAM, 'server', '--url', url, '--requirements', revision, '-o', out],
    { stdio: 'ignore' },
  );
  await once(suite, 'close');
  const unmet: string[] = [];
  const met: Record<string, number> = {};
  for (const name of (await readdir(out)).toSorted()) {
    const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    const checks = Checks.parse(JSON.parse(await readFile(join(out, name, 'checks.json'), 'utf8')));
    const isMet = ({ status }: { status: string }) => ['SUCCESS', 'INFO'].includes(status);
    met[scenario] = checks.filter(isMet).length;
    unmet.push(...checks.filter(check => !isMet(check)).map(({ id }) => `${scenario}: ${id}`));
  }
  return { met, unmet };
}

/** Each calls a tool, a prompt or a resource that the suite's own sample server has, and no other. */
const SAMPLES = [
  ...['tools-call-simple-text', 'tools-call-image', 'tools-call-audio', 'tools-call-error'],
  ...['tools-call-embedded-resource', 'tools-call-mixed-content', 'tools-call-with-progress'],
  ...['tools-call-with-logging', 'tools-call-sampling', 'tools-call-elicitation'],
  ...['resources-read-text', 'resources-read-binary', 'resources-templates-read'],
  ...['prompts-get-simple', 'prompts-get-with-args', 'prompts-get-with-image'],
  ...['prompts-get-embedded-resource', 'json-schema-2020-12'],
  ...['elicitation-sep1034-defaults', 'elicitation-sep1330-enums'],
];
const isSample = (scenario: string) =>
  SAMPLES.includes(scenario) || /^(input-required-result|tasks)-/.test(scenario);

test('2025-11-25: all that is not about the suite’s own tools is met', async () => {
  const { met, unmet } = await checked('2025-11-25');
  expect(unmet.filter(check => !isSample(check.split(':')[0] ?? ''))).toEqual([
    // Nothing can be subscribed to, and we do not say that it can.
    'resources-subscribe: resources-subscribe',
    'resources-unsubscribe: resources-unsubscribe',
    // Recommended: a stream that is cut can be taken up again. Ours asks again; all tools only read.
    'server-sse-polling: server-sse-priming-event',
    'server-sse-polling: server-sse-retry-field',
  ]);
  expect(met).toMatchObject({
    'server-initialize': 3,
    ping: 2,
    'logging-set-level': 2,
    'completion-complete': 2,
    'tools-list': 3,
    'resources-list': 2,
    'prompts-list': 2,
    'server-sse-multiple-streams': 2,
    'dns-rebinding-protection': 2,
    'server-session-lifecycle': 3,
  });
});

test('2026-07-28: all that is not about the suite’s own tools is met', async () => {
  const { met, unmet } = await checked('2026-07-28');
  expect(unmet.filter(check => !isSample(check.split(':')[0] ?? ''))).toEqual([
    // No tool of ours takes an argument in a header.
    'http-custom-header-server-validation: sep-2243-server-no-xmcp-tool',
    'http-custom-header-server-validation: sep-2243-server-decode-base64',
    'http-custom-header-server-validation: sep-2243-server-validate-param-match',
    'http-custom-header-server-validation: sep-2243-server-reject-invalid-param-chars',
    'http-custom-header-server-validation: sep-2243-server-reject-param-mismatch',
    // Tools of the suite's own again.
    'server-stateless: sep-2575-server-rejects-undeclared-capability',
    'server-stateless: sep-2575-missing-capability-http-400',
    'server-stateless: sep-2575-http-server-no-independent-requests-on-stream',
    'server-stateless: sep-2575-server-no-log-without-loglevel',
    // Our lists do not change, and we do not say that they do.
    'server-stateless: sep-2575-server-sends-prompts-list-changed-on-subscription',
    'server-stateless: sep-2575-server-sends-tools-list-changed-on-subscription',
  ]);
  expect(met).toMatchObject({
    'server-stateless': 24,
    'http-header-validation': 14,
    'dns-rebinding-protection': 2,
    caching: 8,
    'completion-complete': 2,
    'tools-list': 4,
    'resources-list': 2,
    'prompts-list': 2,
    'sep-2164-resource-not-found': 4,
    'server-sse-multiple-streams': 2,
    'input-required-result-unsupported-methods': 2,
    'input-required-result-validate-input': 3,
  });
});
