import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import { loadMachine, MACHINE_NAMES } from '../../src/simulation/machine.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { modelAnswer } from '../fakes/model-answers.ts';

/** What a model acts on, by the key that it has in the structure. */
const ACTED_ON = new Set([
  ...[
    'verdict',
    'severity',
    'title',
    'action',
    'advice',
    'otherwise',
    'fault',
    'blame',
    'confidence',
  ],
  ...['pci', 'serial', 'error', 'state', 'xid', 'sxid', 'pod', 'namespace', 'type', 'reason'],
]);

/** What only the structure has, and why that is no fact that a reader of the text lacks. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  // The text names these GPUs by their index.
  get_pod_gpu_allocation: ['pci'],
  explain_failure: ['pci'],
  // A link that a board has not is told by the absence of its fabric.
  get_nvlink_topology: ['state'],
  // The text gives an incident's action and blame; what a single line asks for is in explain_xid.
  // How sure it is that a pod was hit stands there in words.
  analyze_xid_errors: ['action', 'blame', 'confidence'],
  get_gpu_timeline: ['confidence'],
};

const NODE_TOOLS = TOOLS.filter(({ isLocal }) => !isLocal).map(({ name }) => name);

/** Values of the keys that count, with their key. */
function factsOf(value: unknown, key = ''): readonly (readonly [key: string, fact: string])[] {
  if (Array.isArray(value)) return value.flatMap(item => factsOf(item, key));
  const { data } = z.record(z.string(), z.unknown()).safeParse(value);
  if (data) return Object.entries(data).flatMap(([name, item]) => factsOf(item, name));
  const isFact = ACTED_ON.has(key) && (typeof value === 'string' || typeof value === 'number');
  return isFact ? [[key, String(value)]] : [];
}

const holds = (text: string, fact: string): boolean =>
  /^\d+$/.test(fact)
    ? new RegExp(`(?<!\\d)${fact}(?!\\d)`).test(text)
    : text.toLowerCase().includes(fact.toLowerCase());

/** XIDs and addresses of GPUs that a text names. */
const namedIn = (text: string): readonly string[] => [
  ...[...text.matchAll(/XID (\d+)/g)].flatMap(([, code]) => code ?? []),
  ...(text.match(/\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\b/g) ?? []),
];

describe.each(MACHINE_NAMES)('%s: text and structure tell the same', machine => {
  test.each(NODE_TOOLS)('%s', async name => {
    const { clock } = instrumentsOf(machine);
    const look = simulatedCluster(loadMachine(machine), clock);
    const view = await look?.({});
    const pod = view?.pods.ok ? view.pods.value.gpuPods[0] : undefined;
    const about = pod ? { pod: pod.name, namespace: pod.namespace } : { pod: 'a/b' };
    const input = name === 'explain_failure' ? about : {};
    const { text, structured } = await modelAnswer(name, machine, input, view);
    const beside = BESIDE[name] ?? [];
    const onlyInStructure = factsOf(structured).filter(
      ([key, fact]) => !beside.includes(key) && !holds(text, fact),
    );
    expect(onlyInStructure).toEqual([]);
    const whole = JSON.stringify(structured);
    expect(namedIn(text).filter(fact => !holds(whole, fact))).toEqual([]);
  });
});
