import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import { present } from '../../src/contract/reading.ts';
import { MACHINE_NAMES } from '../../src/simulation/machine.ts';
import { aNode, aPod, aView } from '../fakes/cluster-view.ts';
import { modelAnswer, untold } from '../fakes/model-answers.ts';

const tokensOf = (value: unknown): number => countTokens(JSON.stringify(value));

/** Four pods on a node that a person cordoned: much of what a cluster can say of it. */
const BUSY = aView({
  node: present(
    aNode({
      cordoned: true,
      cordonedBy: { manager: 'kubectl-cordon', time: '2026-03-01T10:00:00Z' },
      taints: [{ key: 'node.kubernetes.io/unschedulable', value: '', effect: 'NoSchedule' }],
    }),
  ),
  pods: present({
    namespace: null,
    total: 30,
    gpuPods: Array.from({ length: 4 }, (_, at) =>
      aPod({ name: `train-llama-worker-${at}`, gpus: { 'nvidia.com/gpu': 2 } }),
    ),
  }),
});

describe.each(MACHINE_NAMES)('triage of %s', machine => {
  test.each([
    ['of the node alone', undefined],
    ['with its cluster', BUSY],
  ])('%s is in its budget, the verdict first', async (_what, view) => {
    const { text, structured } = await modelAnswer('triage_gpu_node', machine, {}, view);
    const isWell = structured['verdict'] === 'healthy';
    const cluster = view ? 220 : 0;
    expect(tokensOf(structured)).toBeLessThanOrEqual(isWell ? 700 : 1_400);
    expect(countTokens(text)).toBeLessThanOrEqual(isWell ? 340 + cluster : 1_400);
    for (const form of [text, JSON.stringify(structured)]) {
      expect(form.slice(0, 24).toLowerCase()).toContain(String(structured['verdict']));
    }
  });
});

describe.each([
  ['triage_gpu_node', 'summary'],
  ['triage_gpu_node', 'full'],
  ['get_gpu_inventory', 'summary'],
  ['get_gpu_inventory', 'full'],
  ['get_gpu_health', undefined],
  ['sample_gpu_telemetry', undefined],
] as const)('%s, detail %s', (name, detail) => {
  test.each(MACHINE_NAMES)(
    'says the same of %s in the text and in the structure',
    async machine => {
      const view = name === 'triage_gpu_node' ? BUSY : undefined;
      const { text, structured } = await modelAnswer(name, machine, detail ? { detail } : {}, view);
      expect(untold(text, structured)).toEqual([]);
    },
  );
});
