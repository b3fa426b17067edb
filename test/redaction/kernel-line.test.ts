import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { concealing } from '../../src/redaction/kernel-line.ts';
import { createNames, isToken } from '../../src/redaction/names.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';

const names = createNames('00112233445566778899aabbccddeeff');

const record = (text: string): KernelRecord => ({
  ...{ source: '/dev/kmsg', line: 1, text, level: 4, boot: null, bootSeconds: 1 },
  ...{ timeMs: Date.parse('2026-03-01T12:00:00Z'), timeUncertaintyMs: 0 },
});

function eventOf(text: string, hidden: boolean) {
  const analysis = createAnalysis(hidden ? { conceal: concealing(names) } : {});
  analysis.see(record(text));
  const [event] = analysis.finish().events;
  return event;
}

const proc = names.token('proc', 'python3');
const UID = '11111111-2222-4333-8444-555555555555';

test.each([
  [
    'NVRM: Xid (PCI:0000:1b:00): 13, pid=100, name=python3, Graphics SM Warp Exception on (GPC 0, TPC 0, SM 0)',
    `NVRM: Xid (PCI:0000:1b:00): 13, pid=100, name=${proc}, Graphics SM Warp Exception on (GPC 0, TPC 0, SM 0)`,
  ],
  [
    'python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
    `${proc} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0`,
  ],
  [
    `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,task_memcg=/kubepods/pod${UID}/app,task=python3,pid=7,uid=0`,
    `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,task_memcg=/kubepods/pod${UID}/${names.token('cg', 'app')},task=${proc},pid=7,uid=0`,
  ],
  [
    'Out of memory: Killed process 7 (python3) total-vm:1kB',
    `Out of memory: Killed process 7 (${proc}) total-vm:1kB`,
  ],
  [
    'INFO: task python3:7 blocked for more than 122 seconds.',
    `INFO: task ${proc}:7 blocked for more than 122 seconds.`,
  ],
  [
    'watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [python3:7]',
    `watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [${proc}:7]`,
  ],
  [
    'python3[7]: segfault at 10 ip 0f sp 0f error 4 in libcuda.so[7f00+1000]',
    `${proc}[7]: segfault at 10 ip 0f sp 0f error 4 in libcuda.so[7f00+1000]`,
  ],
  ['NVRM: Xid (PCI:00, pid=1, name=pyth', 'NVRM: Xid (text withheld: it cannot be read)'],
])('%s', (text, shown) => {
  expect(eventOf(text, true)?.text).toBe(shown);
});

test('a process in the driver is judged by its trace also where names are tokens', () => {
  const line =
    'INFO: task cuda-worker:7 blocked for more than 122 seconds.\n rm_ioctl+0x40/0x50 [nvidia]';
  const { process, text, ...judged } = eventOf(line, true) ?? {};
  expect(isToken('proc', process ?? '')).toBe(true);
  expect(text).not.toContain('cuda');
  expect(eventOf(line, false)).toMatchObject({ ...judged, severity: 'critical' });
});

test('programs that every node runs keep their names', () => {
  const line = 'INFO: task nvidia-smi:7 blocked for more than 122 seconds.';
  expect(eventOf(line, true)).toEqual(eventOf(line, false));
});

const FORMS = [
  (name: string) => `NVRM: Xid (PCI:0000:1b:00): 31, pid=100, name=${name}, Ch 00000008`,
  (name: string) => `Out of memory: Killed process 7 (${name}), UID 0`,
  (name: string) => `oom-kill:constraint=CONSTRAINT_NONE,task_memcg=/,task=${name},pid=7,uid=0`,
  (name: string) => `INFO: task ${name}:7 blocked for more than 122 seconds.`,
  (name: string) => `${name} invoked oom-killer: gfp_mask=0xcc0, order=0`,
];
/** What a tenant may call a process; nothing else in an event holds `zz`. */
const NAMES = fc.stringMatching(/^zz[\w .:()[\],=/-]{0,12}[a-z0-9]$/);

test('whatever a process is called, its name is nowhere in the event', async () => {
  await fc.assert(
    fc.property(fc.constantFrom(...FORMS), NAMES, (form, name) => {
      const { process } = eventOf(form(name), false) ?? {};
      fc.pre(process === name);
      const event = eventOf(form(name), true);
      expect(event?.process).toBe(names.token('proc', name));
      expect(JSON.stringify(event)).not.toContain(JSON.stringify(name).slice(1, -1));
    }),
  );
});
