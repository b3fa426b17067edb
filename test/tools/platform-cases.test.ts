import { afterEach, beforeEach, expect, test } from 'vitest';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { TriageFacts } from '../../src/tools/support/triage-facts.ts';
import { FakeApiServer, type Json } from '../cluster/fake-api-server.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { PLATFORM_CASES, PLATFORM_CASES_AFTER, type PlatformCase } from './platform-cases.ts';

const READY = { type: 'Ready', status: 'True', reason: 'KubeletReady' };

let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(() => api[Symbol.asyncDispose]());

/** The triage of the machine, joined with what the API server answers for its node. */
async function triaged({ machine, node, events = [], objects = [] }: PlatformCase) {
  const { labels = {}, unschedulable = false, taints = [], conditions = [] } = node ?? {};
  api.put('nodes', {
    metadata: { name: 'gpu-3', labels: { 'nvidia.com/gpu.count': '8', ...labels } },
    spec: { unschedulable, taints },
    status: {
      conditions: [
        ...(conditions.some(({ type }) => type === 'Ready') ? [] : [READY]),
        ...conditions,
      ],
      ...{ capacity: { 'nvidia.com/gpu': '8' }, allocatable: { 'nvidia.com/gpu': '8' } },
    },
  });
  for (const [at, event] of events.entries()) {
    api.put('events', {
      metadata: { namespace: 'default', name: `gpu-3.${at}` },
      involvedObject: { kind: 'Node', name: 'gpu-3' },
      ...event,
    });
  }
  const domains: Json[] = [];
  for (const [resource, object] of objects) {
    if (resource === 'computedomains') domains.push(object);
    else api.put(resource, object);
  }
  api.answer = ({ path }) => {
    const list = (kind: string, items: readonly Json[]) => ({
      code: 200,
      body: { kind, metadata: {}, items },
    });
    if (path === '/apis/resource.k8s.io')
      return { code: 200, body: { kind: 'APIGroup', versions: [{ version: 'v1' }] } };
    if (path.endsWith('/devicetaintrules')) return list('DeviceTaintRuleList', []);
    if (path.endsWith('/computedomains')) return list('ComputeDomainList', domains);
    return undefined;
  };
  const cluster = await api.connect();
  try {
    const view = await cluster.view({ node: 'gpu-3', devices: true }, new AbortController().signal);
    const alone = await answered(triageGpuNode, {}, instrumentsOf(machine));
    return { alone, joined: TriageFacts.parse(alone.joined(view).structured) };
  } finally {
    cluster.close();
  }
}

test.each([...PLATFORM_CASES, ...PLATFORM_CASES_AFTER])('$thread: $name', async one => {
  const { alone, joined } = await triaged(one);
  const own = TriageFacts.parse(alone.structured);
  const added = joined.findings.filter(({ id }) => own.findings.every(other => other.id !== id));
  const said = added.map(({ blame, title, advice, evidence }) => ({
    blame,
    text: [title, advice, ...evidence.map(({ what }) => what)].join('\n'),
  }));
  expect(said.filter(({ blame }) => blame === one.blame).map(({ text }) => text)).toContainEqual(
    expect.stringMatching(one.says),
  );
  // What the platform believes never accuses the hardware; what the node itself shows stays.
  expect(added.filter(({ blame }) => blame === 'hardware')).toEqual([]);
  expect(joined.findings.some(({ blame }) => blame === 'hardware')).toBe(one.hardware);
  expect(added.flatMap(({ action }) => action).filter(isHeavy)).toEqual([]);
});

const isHeavy = (action: string): boolean =>
  /^(?:reset_gpu|drain|drain_and_reset|reboot_node|power_cycle|contact_support)$/.test(action);
