import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { REAL_INCIDENTS, REAL_LINES } from '../xid/fixtures.ts';
import { run } from './run.ts';

const Analysis = z.looseObject({
  events: z.array(
    z.looseObject({
      line: z.int(),
      kind: z.string(),
      pci: z.string().nullable(),
      bootSeconds: z.number().nullable(),
      details: z.record(z.string(), z.unknown()),
    }),
  ),
  incidents: z.array(
    z.looseObject({
      root: z.looseObject({ xid: z.int().nullable(), pci: z.string().nullable() }),
      action: z.string(),
      lines: z.array(z.int()),
    }),
  ),
  coverage: z.array(z.looseObject({ records: z.int() })),
});

async function analyzed(text: string) {
  const ran = await run(['analyze', '-', '-o', 'json'], { input: text });
  expect(ran.stderr).toBe('');
  expect(ran.code).toBe(0);
  return Analysis.parse(JSON.parse(ran.stdout));
}

describe('each real line, with its own prefix, as `analyze -` prints it', () => {
  test.each(REAL_LINES.map(line => [line.id, line] as const))('%s', async (_, real) => {
    const { events } = await analyzed(`${real.line}\n`);
    const { kind, pci, xid, sxid, pid, process, sub, ts } = real.expect;
    if (kind === 'other') return expect(events).toEqual([]);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      line: 1,
      kind,
      pci,
      xid: xid ?? null,
      sxid: sxid ?? null,
      pid: pid ?? null,
      process: process ?? null,
      ...(ts?.boot_s === undefined ? {} : { bootSeconds: Number(ts.boot_s) }),
    });
    return expect(events[0]?.details).toMatchObject(sub);
  });
});

describe('each real incident', () => {
  test.each(REAL_INCIDENTS.map(incident => [incident.name, incident] as const))(
    '%s is one incident with its root',
    async (_, real) => {
      const lines = real.lines.map(id => REAL_LINES.find(line => line.id === id)?.line ?? id);
      const { incidents } = await analyzed(`${lines.join('\n')}\n`);
      expect(incidents).toHaveLength(real.incidents);
      expect(incidents[0]?.root).toMatchObject(real.root);
    },
  );
});

test('lines are counted in the input, junk between them included', async () => {
  const junk = 'Aug 10 15:36:05 host sshd[1]: NVRM: Xid (PCI:0000:3b:00): 79, forged\n';
  const real =
    'Aug 10 15:36:06 host kernel: NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n';
  const { events } = await analyzed(`${junk}${junk}${real}`);
  expect(events.map(event => [event.line, event.kind])).toEqual([[3, 'xid']]);
});

test('a file that is not there is named, with exit code 2', async () => {
  const ran = await run(['analyze', '/no/such/file.log']);
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toMatch(/^error: "\/no\/such\/file\.log" could not be read: not_found\ntry: /);
});

test('error texts of programs are told apart from what the kernel says', async () => {
  const input = [
    '[rank3]: RuntimeError: CUDA error: unspecified launch failure',
    '[  100.1] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.',
    'Failed to initialize NVML: Unknown Error',
  ].join('\n');
  const ran = await run(['analyze', '-'], { input: `${input}\n` });
  expect(ran.stdout).toMatch(/^1 incident in 1 event\. Worst: XID 79/);
  expect(ran.stdout).toMatch(/error texts of programs, which the kernel does not vouch for:/);
  expect(ran.stdout).toMatch(
    /line 1 {2}Unspecified launch failure \(1 line; likely layer: application\)/,
  );
  expect(ran.stdout).toMatch(/line 3 {2}Container has lost its GPU/);
});

test('--place says what can be done there', async () => {
  const input = '[  100.1] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n';
  const at = async (place: string) =>
    (await run(['analyze', '-', '--place', place], { input })).stdout;
  expect(await at('aws')).toMatch(/stop and start it/);
  expect(await at('bare-metal')).toMatch(/seating/);
  expect(await run(['analyze', '-', '--place', 'moon'], { input })).toMatchObject({ code: 2 });
  const explained = await run(['explain', '79', '--place', 'aws']);
  expect(explained.stdout).toMatch(/stop and start it/);
  expect(await run(['explain', '79', '--place', 'moon'])).toMatchObject({ code: 2 });
});

test('whom a reset ends is told as far as the log knows', async () => {
  const at = (pci: string, text: string) => `NVRM: Xid (PCI:0000:${pci}:00): ${text}`;
  const input = [
    `[  90.1] ${at('3b', '43, pid=1, name=earlier, Ch 00000008')}`,
    `[  900.1] ${at('3b', '119, pid=7, name=nvidia-smi, Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76 (GSP_RM_CONTROL) (0x2080 0x4).')}`,
    `[  900.2] ${at('3b', '45, pid=8, name=train, Ch 00000009')}`,
    `[  900.3] ${at('4f', '43, pid=9, name=other, Ch 00000009')}`,
  ].join('\n');
  const ran = await run(['analyze', '-'], { input: `${input}\n` });
  expect(ran.stdout).toMatch(
    / {4}hits {6}process 7 \(nvidia-smi\); process 8 \(train\); not read: who else uses this GPU, which no log tells \(kubectl gpu-mcp triage NODE does, or on it: nvidia-smi /,
  );
  expect(ran.stdout.match(/ hits /g)).toHaveLength(1);
  const lost = await run(['analyze', '-', '-o', 'json'], {
    input: '[ 1.5] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n',
  });
  expect(JSON.parse(lost.stdout)).toMatchObject({
    incidents: [{ hits: { processes: [], notRead: [expect.stringMatching(/GPUs of this node/)] } }],
  });
});

test('what is over is said in the headline, and orders no reboot', async () => {
  const input = [
    '[  100.1] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.',
    '[  900.1] NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024',
  ].join('\n');
  const ran = await run(['analyze', '-'], { input: `${input}\n` });
  expect(ran.stdout).toMatch(
    /Worst: XID 79: GPU has fallen off the bus, which is over, action watch\./,
  );
});

test('an empty log is no all-clear: it says what was searched', async () => {
  const ran = await run(['analyze', '-'], { input: 'nothing of ours\n' });
  expect(ran.stdout).toMatch(/^No XID or SXid incident found in 1 record of -/);
});
