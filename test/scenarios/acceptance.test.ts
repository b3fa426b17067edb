import { expect, test } from 'vitest';
import { machineFrom } from '../../src/simulation/machine.ts';
import { analyzeXidErrors } from '../../src/tools/catalog/analyze-xid-errors.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { ids, serious, Triage } from './acceptance.ts';
import { EVERY_H100, fabric, h100 } from './machines.ts';

// What other tools for GPU nodes get wrong, one test each; through-agent.slow.ts has the rest.

/** Asks a tool of a machine without a name, in this process. */
async function ask(tool: AnyTool, machine: object, input: object = {}) {
  const instruments = instrumentsFor(machineFrom('scenario', machine));
  return answered(tool, input, instruments);
}
const triage = async (machine: object) =>
  Triage.parse((await ask(triageGpuNode, machine)).structured);

test('a MIG line and its cause: parsed, joined to the GPU, chained', async () => {
  const answer = await triage(
    h100({
      log: [
        [
          600,
          'NVRM: Xid (PCI:0000:43:00 GPU-I:05): 94, pid=7194, name=ray::train, Contained: SM (0x1). RST: No, D-RST: No',
        ],
        [
          599,
          'NVRM: Xid (PCI:0000:43:00 GPU-I:05 GPU-CI:00): 45, pid=7194, name=ray::train, Ch 00000010 caused by previous Xid 94',
        ],
      ],
    }),
  );
  expect(ids(answer)).toEqual(['xid-94:0000:43:00']);
  expect(answer.findings[0]?.evidence[0]?.what).toContain('Seen with it: XID 45');
});

test('an empty log is no evidence of health, and says what it covers', async () => {
  const machine = { ...h100(), kernelLog: { reachSeconds: 600, records: 0, lines: [] } };
  const { text } = await ask(analyzeXidErrors, machine);
  expect(text).toContain('0 records');
  expect(text).not.toMatch(/healthy|health is good/i);
});

test('99 % of the power limit, 97 % of memory, one lifetime error: healthy', async () => {
  const answer = await triage(
    h100({
      every: { deviceGetPowerUsage: 695_000, 'deviceGetTotalEccErrors uncorrected aggregate': 1 },
    }),
  );
  expect(answer.verdict).toBe('healthy');
});

test.each([
  ['every two-bit field 2: healthy', 0x1aa, 'healthy', []],
  ['all zeros: not supported, and no fault', 0, 'healthy', []],
  ['an unhealthy route', 0x19a, 'critical', ['fabric-unhealthy:0000:43:00']],
] as const)('the fabric health mask, %s', async (_name, healthMask, verdict, findings) => {
  const answer = await triage(
    h100({ gpus: { 1: { deviceGetGpuFabricInfoV3: fabric({ healthMask, healthSummary: 0 }) } } }),
  );
  expect({ verdict: answer.verdict, findings: ids(answer) }).toEqual({ verdict, findings });
});

test('a B200 with one of 18 links down: the link and how many the neighbours have', async () => {
  const answer = await triage({
    like: 'b200',
    gpus: { 2: { answers: { 'deviceGetFieldValue nvlinkState 11': 0 } } },
  });
  const [finding] = serious(answer);
  expect(finding?.title).toMatch(/has 1 of 18 NVLinks down: link 11$/);
  expect(finding?.evidence[0]?.what).toContain('17 links up; 7 neighbours have 18 up');
});

test('NVML that blocks for ever at its start: blocked task, XIDs and PCI list all the same', async () => {
  const answer = await triage({
    like: 'hung-driver',
    gpus: { 2: { faults: {} } },
    driver: { faults: { init: { hang: true } } },
  });
  expect(ids(answer)).toEqual(['driver-unresponsive']);
  const told = JSON.stringify(answer.findings);
  expect(told).toContain('nvidia-smi) is blocked in');
  expect(told).toContain('XID 119');
  expect(answer.gpus).toHaveLength(8);
});

test('after the reset of a lost GPU its XID is history, and asks for nothing now', async () => {
  const answer = await triage(
    h100({
      every: EVERY_H100,
      log: [
        [
          7_200,
          "NVRM: Xid (PCI:0000:61:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
        ],
        [
          3_600,
          'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22-I3-G01-1-1)  Wed Feb 19 17:02:09 UTC 2025',
        ],
      ],
    }),
  );
  expect(answer.verdict).toBe('warning');
  expect(answer.findings.map(({ id, action }) => [id.replace(/@.*/, ''), action])).toEqual([
    ['xid-79:0000:61:00', 'watch'],
  ]);
});
