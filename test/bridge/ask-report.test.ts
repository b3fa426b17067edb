import { expect, test } from 'vitest';
import { withReport } from '../../src/bridge/ask-report.ts';
import { askSession } from '../../src/bridge/ask-session.ts';
import { SessionError } from '../../src/contract/errors.ts';
import type { Session, ToolRequest } from '../../src/session/port.ts';
import { getGpuHealth } from '../../src/tools/catalog/get-gpu-health.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { agentSession } from '../fakes/agent-session.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const quiet = { signal: new AbortController().signal, onProgress: () => {} };

/** A session that writes down what it is asked, and ends at a tool. */
function session(endsAt?: string) {
  const asked: Pick<ToolRequest, 'tool' | 'input'>[] = [];
  const real = agentSession('node-a', instrumentsOf('lost-gpu'));
  const recorded: Session = {
    ...real,
    async call(request) {
      asked.push({ tool: request.tool, input: request.input });
      if (request.tool === endsAt) throw new SessionError('the stream ended');
      return real.call(request);
    },
  };
  return { asked, session: recorded };
}

test('a triage is asked for all that its report shows, over the same time', async () => {
  const { asked, session: node } = session();
  const question = triageGpuNode.question({ since: '7d' });
  const answer = await withReport(node, question, await askSession(node, question, quiet), quiet);
  expect(asked.map(({ tool }) => tool)).toEqual([
    'triage_gpu_node',
    ...Object.keys(answer.beside ?? {}),
  ]);
  expect(Object.keys(answer.beside ?? {})).toEqual([
    'get_gpu_timeline',
    'get_gpu_health',
    'get_nvlink_topology',
    'sample_gpu_telemetry',
    'get_incident_report',
  ]);
  expect(asked[1]?.input).toMatchObject({ since: '7d' });
  expect(asked[3]?.input).toMatchObject({ detail: 'full' });
});

test('what ends on the way costs its part, and the triage stands', async () => {
  const { session: node } = session('get_nvlink_topology');
  const question = triageGpuNode.question({});
  const own = await askSession(node, question, quiet);
  const { beside = {}, structured } = await withReport(node, question, own, quiet);
  expect(structured).toEqual(own.structured);
  expect(beside['get_nvlink_topology']).toEqual({ why: 'the stream ended' });
  expect(beside['get_incident_report']).toHaveProperty('lines');
});

test('whoever does not wait any more gets what there is, and asks nothing further', async () => {
  const { asked, session: node } = session();
  const question = triageGpuNode.question({});
  const own = await askSession(node, question, quiet);
  const over = AbortSignal.abort(new SessionError('no answer in time'));
  const { beside = {} } = await withReport(node, question, own, { ...quiet, signal: over });
  expect(new Set(Object.values(beside).map(each => JSON.stringify(each)))).toEqual(
    new Set(['{"why":"no answer in time"}']),
  );
  expect(asked).toHaveLength(1);
});

test('another tool is asked alone', async () => {
  const { asked, session: node } = session();
  const question = getGpuHealth.question({});
  const own = await askSession(node, question, quiet);
  expect(await withReport(node, question, own, quiet)).toBe(own);
  expect(asked).toHaveLength(1);
});
