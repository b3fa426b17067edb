import { VERSION } from '../../src/contract/version.ts';
import { CLOCK_METHOD } from '../../src/mcp/clock.ts';
import { sentFacts } from '../../src/mcp/results.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { triageRow } from '../../src/tools/triage-row.ts';
import { asJson, FakeApiServer, type Json } from '../cluster/fake-api-server.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { agent, runAgent } from '../session/fake-agent.ts';
import { container, type Fate, node, runKubelet, running } from '../session/fake-kubelet.ts';

/** By the clocks of all nodes, and by ours. */
export const FLEET_NOW_MS = Date.parse('2026-03-01T12:00:00Z');

/** Pods that never come to run. */
export const stuck: Fate = { statuses: [{ phase: 'Pending' }] };

/** Each machine is read once: it says the same again. */
function onceEach<Said>(ask: (machine: string) => Promise<Said>) {
  const said = new Map<string, Promise<Said>>();
  return (machine: string): Promise<Said> => {
    const found = said.get(machine) ?? ask(machine);
    said.set(machine, found);
    return found;
  };
}

/** What the agent of a simulated machine sends of its triage. */
export const triageOf = onceEach(async machine => {
  const { signal } = new AbortController();
  const facts = await triageGpuNode.question({}).observe(instrumentsOf(machine), signal);
  return asJson(sentFacts(facts, {}));
});

/** What the pod of a simulated machine leaves as its last words, where nobody attaches. */
export const rowOf = onceEach(async machine => {
  const { signal } = new AbortController();
  const facts = await triageRow.question({}).observe(instrumentsOf(machine), signal);
  return JSON.stringify({ version: VERSION, provenance: {}, facts });
});

/** Reads its node and ends. */
export const ended = (message: string, exitCode = 0): Fate => ({
  statuses: [
    ...running.statuses,
    {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [
        container({
          terminated: { exitCode, message, reason: exitCode === 0 ? 'Completed' : 'Error' },
        }),
      ],
    },
  ],
});

/** A cluster of such nodes; a Job that asks for no pods gets none. */
export async function rowsOf(
  machines: Readonly<Record<string, string>>,
  fates: Readonly<Record<string, Fate>> = {},
): Promise<FakeApiServer> {
  const api = await FakeApiServer.start();
  const rows = new Map<string, Fate>();
  for (const [name, machine] of Object.entries(machines)) {
    rows.set(name, fates[name] ?? ended(await rowOf(machine)));
  }
  const nodes = Object.keys(machines).map(name =>
    node({ metadata: { name, labels: { 'nvidia.com/gpu.present': 'true', pool: 'gpu' } } }),
  );
  runKubelet(api, pod => rows.get(String(asJson(pod['spec'])['nodeName'])) ?? stuck, nodes);
  return api;
}

/** A cluster of nodes, each a simulated machine or one whose pods do not start, behind real HTTP. */
export async function fleetOf(
  machines: Readonly<Record<string, string>>,
  fates: Readonly<Record<string, Fate>> = {},
): Promise<FakeApiServer> {
  const api = await FakeApiServer.start();
  const nodes = Object.keys(machines).map(name =>
    node({
      metadata: { name, labels: { 'nvidia.com/gpu.present': 'true', pool: 'gpu' } },
    }),
  );
  const nodeOfPod = new Map<string, string>();
  runKubelet(
    api,
    pod => {
      const name = String(asJson(pod['spec'])['nodeName']);
      nodeOfPod.set(String(asJson(pod['metadata'])['name']), name);
      return fates[name] ?? running;
    },
    nodes,
  );
  const facts = new Map<string, Json>();
  for (const machine of new Set(Object.values(machines))) {
    facts.set(machine, await triageOf(machine));
  }
  runAgent(api, (message, _socket, { path }) => {
    const name = nodeOfPod.get(path.split('/').at(-2) ?? '') ?? '';
    if (message['method'] === CLOCK_METHOD) return { result: { nowMs: FLEET_NOW_MS } };
    return agent(() => ({ result: facts.get(machines[name] ?? '') }))(message);
  });
  const { onAttach } = api;
  api.onAttach = (socket, request) => {
    const name = nodeOfPod.get(request.path.split('/').at(-2) ?? '') ?? '';
    if (!(name in fates)) return onAttach(socket, request);
    // A container that does not run has no streams.
    const failure = { status: 'Failure', message: 'container mcp not found in pod' };
    socket.send(Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(failure))]));
    socket.close(1000);
  };
  return api;
}

/** node-1 and on, each with its machine: of those that are ill another than the usual one. */
export const machinesOf = (count: number, ill: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => `node-${index + 1}`).map(name => [
      name,
      ill[name] ?? 'dgx-h100',
    ]),
  );

/** job/train in the namespace ml, with a pod on node-1 and one on node-2. */
export function putJob(api: FakeApiServer): void {
  for (const at of [1, 2]) {
    api.put('pods', {
      metadata: { name: `train-${at}`, namespace: 'ml', labels: { job: 'train' } },
      spec: { nodeName: `node-${at}`, containers: [{ name: 'main' }] },
      status: { phase: 'Running' },
    });
  }
  api.put('jobs', {
    metadata: { name: 'train', namespace: 'ml' },
    spec: { selector: { matchLabels: { job: 'train' } } },
  });
}
