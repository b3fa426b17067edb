import { expect, test } from 'vitest';
import { ACTIONS, type Finding } from '../../src/contract/finding.ts';
import { nextAction } from '../../src/tools/support/next-action.ts';

const finding = (over: Partial<Finding>): Finding => ({
  id: 'x',
  severity: 'critical',
  component: 'gpu',
  title: 'a title',
  action: 'reset_gpu',
  advice: 'Do it.',
  blame: 'hardware',
  confidence: 'high',
  evidence: [],
  counterEvidence: [],
  ...over,
});
const AT = { verdict: 'critical', node: 'gpu-7', hasSwitches: false } as const;

test('a reset names the GPU, who uses it, and where the command runs', () => {
  expect(nextAction(finding({ gpu: { index: 3 } }), AT)).toEqual({
    action: 'reset_gpu',
    advice: 'Do it.',
    commands: [
      'kubectl cordon gpu-7',
      'kubectl gpu-mcp call gpu-7 get_gpu_processes',
      'nvidia-smi --gpu-reset -i 3  # on the node, as root; nothing may use it',
    ],
  });
});

test('on a machine with NVSwitches, or without a known index, all GPUs are reset', () => {
  const all =
    'nvidia-smi --gpu-reset  # on the node, as root; resets all GPUs, nothing may use them';
  const last = (at: typeof AT | { hasSwitches: true }, gpu: object) =>
    nextAction(finding({ gpu }), { ...AT, ...at }).commands.at(-1);
  expect(last({ hasSwitches: true }, { index: 3 })).toBe(all);
  expect(last(AT, { pci: '0000:3b:00' })).toBe(all);
});

test('the evidence is kept before the reboot takes it away', () => {
  expect(nextAction(finding({ action: 'reboot_node' }), AT).commands).toEqual([
    'kubectl gpu-mcp capture gpu-7 -f before.json.gz',
    'kubectl drain gpu-7 --ignore-daemonsets --delete-emptydir-data',
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
  });
  expect(nextAction(undefined, { ...AT, verdict: 'unknown' })).toMatchObject({
    action: 'watch',
    commands: [],
  });
});
