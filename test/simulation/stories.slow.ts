import { describe, expect, test } from 'vitest';
import type { Finding, Verdict } from '../../src/contract/finding.ts';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import { loadMachine, MACHINES, type Machine } from '../../src/simulation/machine.ts';
import { machineOfText } from '../../src/simulation/machine-file.ts';
import { explainFailure } from '../../src/tools/catalog/explain-failure.ts';
import { FailureAnswer } from '../../src/tools/support/failure-answer.ts';
import { readNodeTwice } from '../../src/tools/support/read-node.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { read } from '../house/files.ts';

const never = new AbortController().signal;

/** What triage says of a machine and its cluster: the verdict, and what makes someone get up. */
async function triaged(machine: Machine): Promise<readonly [Verdict, ...string[]]> {
  const instruments = instrumentsFor(machine);
  const cluster = simulatedCluster(machine, instruments.clock)?.({ devices: true });
  const facts = await readNodeTwice(instruments, {}, never);
  const { verdict, findings } = diagnose({ ...facts, ...(cluster ? { cluster } : {}) });
  return [verdict, ...findings.filter(isSerious).map(idOf)];
}

const isSerious = ({ severity }: Finding): boolean => severity !== 'info';
const idOf = ({ id }: Finding): string => id.replace(/@.*/, '');

// biome-ignore format: a table
const TRUTH: Readonly<Record<string, readonly [Verdict, ...string[]]>> = {
  'dgx-h100': ['healthy'],
  'training-job': ['healthy'],
  'healthy-t4': ['healthy'],
  'mig-a100': ['healthy'],
  b200: ['healthy'],
  gb200: ['healthy'],
  'job-lost-gpu': ['critical', 'lost-gpu:0000:d1:00'],
  'job-ecc-error': ['critical', 'ecc-uncorrected:0000:4e:00'],
  'job-out-of-bounds': ['warning', 'xid-31:0000:52:00'],
  'job-out-of-memory': ['warning', 'oom'],
  'job-own-error': ['healthy'],
  'job-pending': ['warning', 'fewer-allocatable'],
  'job-straggler': ['warning', 'hardware-slowdown:0000:c3:00'],
  'wrong-gpu': ['warning', 'used-not-allocated:0000:41:00'],
  'devices-lost': ['warning', 'container-view-device-cgroup'],
  'stale-container': [
    ...(['warning', 'container-view-libraries', 'container-view-device-nodes'] as const),
  ],
  'node-cordoned': ['healthy'],
  'operator-stuck': ['critical', 'driver-not-loaded', 'gpu-stack-stuck'],
  'dra-tainted-gpu': ['warning', 'device-taint:gpu-2:gpu.nvidia.com/xid'],
  'lost-gpu': ['critical', 'lost-gpu:0000:61:00'],
  'gpu-missing': ['critical', 'gpu-absent', 'fewer-gpus-than-instance-type'],
  'gpu-for-vm': ['warning', 'gpus-for-virtual-machines'],
  'no-driver': ['critical', 'driver-not-loaded'],
  'version-mismatch': ['critical', 'driver-version-mismatch'],
  'hung-driver': ['critical', 'driver-unresponsive'],
  'gsp-timeout': ['critical', 'gsp-failure:0000:52:00'],
  'ecc-row-remap': ['critical', 'ecc-uncorrected:0000:0f:00'],
  'row-remap-failed': ['critical', 'row-remap-failed:0000:47:00'],
  'nvlink-down': ['critical', 'nvlink-down:0000:9d:00'],
  'nvlink-errors': ['warning', 'nvlink-errors:0000:52:00'],
  'fabric-manager-missing': ['critical', 'fabric-manager-missing'],
  overheating: ['warning', 'hardware-slowdown:0000:d1:00'],
  'power-brake': ['warning', 'hardware-slowdown'],
  'power-limit': ['warning', 'power-limit-outlier:0000:d1:00'],
  'slow-pcie': ['warning', 'pcie-width:0000:43:00'],
  'leaked-memory': ['warning', 'leaked-context:0000:52:00'],
  'network-down': ['warning', 'nic-down:mlx5_0-port-1'],
  'disk-read-only': ['critical', 'disk-read-only:/var/lib/containerd', 'node-condition:ReadonlyFilesystem'],
};

describe('the verdict of every story is its truth', () => {
  test('every story has a truth', () => {
    expect(Object.keys(TRUTH)).toEqual(MACHINES.map(({ name }) => name));
  });

  test.each(Object.entries(TRUTH))('%s', async (name, told) => {
    expect(await triaged(loadMachine(name))).toEqual(told);
  });
});

test.each([
  ['job-out-of-bounds', 'ml/finetune-0', 'application'],
  ['job-ecc-error', 'research/bert-0', 'hardware'],
  ['job-out-of-memory', 'vision/loader-0', 'application'],
  ['job-own-error', 'ml/pretrain-0', 'application'],
  ['job-own-error', 'ml/pretrain-1', 'application'],
  ['job-pending', 'ml/big-0', 'configuration'],
  ['job-lost-gpu', 'ml/pretrain-3', 'hardware'],
  ['devices-lost', 'ml/llm-train-0', 'configuration'],
  ['devices-lost', 'ml/llm-train-1', 'unknown'],
  ['stale-container', 'ml/tune-1', 'configuration'],
])('explain_failure of %s, %s: %s', async (name, pod, fault) => {
  const machine = loadMachine(name);
  const instruments = instrumentsFor(machine);
  const [namespace = '', podName = ''] = pod.split('/');
  const view = simulatedCluster(
    machine,
    instruments.clock,
  )?.({ pod: { namespace, name: podName } });
  if (!view) throw new Error(`${name} is in no cluster`);
  const { joined } = await answered(explainFailure, { pod }, instruments);
  expect(FailureAnswer.parse(joined(view).structured)).toMatchObject({ fault });
});

const EXAMPLES = [...read('docs/simulation.md').matchAll(/```json\n(.*?)```/gs)].map(
  ([, text = '']) => text,
);

// biome-ignore format: a table
const EXAMPLE_TRUTH: readonly (readonly [Verdict, ...string[]])[] = [
  ['critical', 'lost-gpu:0000:61:00'],
  ['warning', 'nvlink-errors:0000:52:00', 'hardware-slowdown:0000:43:00'],
  ['healthy'],
];

test('every example of docs/simulation.md is a machine, and triage says what it tells', async () => {
  const told = await Promise.all(
    EXAMPLES.map(text => triaged(machineOfText(text, 'docs/simulation.md'))),
  );
  expect(told).toEqual(EXAMPLE_TRUTH);
});
