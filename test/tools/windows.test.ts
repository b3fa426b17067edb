import { expect, test } from 'vitest';
import * as z from 'zod';
import { machineFrom } from '../../src/simulation/machine.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const Answer = z.object({
  verdict: z.string().optional(),
  findings: z.array(z.object({ id: z.string(), action: z.string() })).optional(),
  incidents: z.array(z.object({ title: z.string(), action: z.string() })).optional(),
  searched: z.object({ since: z.string(), judgedSince: z.string().optional() }).optional(),
});

const DAY = 24 * 3_600;
const xid = (secondsAgo: number, code: number, text: string) => ({
  secondsAgo,
  text: `NVRM: Xid (PCI:0000:61:00): ${code}, ${text}`,
});

/** An H100 whose memory was to be drained three days ago, and whose program read out of bounds today. */
const machine = machineFrom('old-fault', {
  like: 'dgx-h100',
  kernelLog: {
    lines: [
      xid(3 * DAY, 48, "pid='<unknown>', name=<unknown>, DBE (Double Bit Error) ECC Error"),
      xid(600, 31, 'pid=4242, name=python, MMU Fault: ENGINE GRAPHICS faulted @ 0x7f_0'),
    ],
  },
});

async function asked(name: string, input: object = {}, of = machine) {
  const tool = TOOLS.find(each => each.name === name);
  if (!tool) throw new Error(name);
  const { structured, text } = await answered(tool, input, instrumentsFor(of));
  return { ...Answer.parse(structured), text };
}

test('a report of seven days shows old lines and judges by the last 24 hours, as triage does', async () => {
  const [triage, report] = [await asked('triage_gpu_node'), await asked('get_incident_report')];
  const { searched } = report;
  expect(report.verdict).toBe(triage.verdict);
  expect(report.findings).toEqual(triage.findings);
  expect(report.incidents).toHaveLength(2);
  expect(searched?.judgedSince).toBe(triage.searched?.since);
  expect(report.text).toContain(`judged by lines since ${searched?.judgedSince}`);
});

test('a shorter report shows less and judges by the same lines', async () => {
  const [triage, short] = [
    await asked('triage_gpu_node'),
    await asked('get_incident_report', { since: '5m' }),
  ];
  expect(short.incidents).toEqual([]);
  expect(short.findings).toEqual(triage.findings);
  expect(short.text).toContain(`judged by lines since ${triage.searched?.since}`);
});

test('a triage of 30 days tells of the old fault as a remark, and judges as that of a day', async () => {
  const [day, month] = [
    await asked('triage_gpu_node'),
    await asked('triage_gpu_node', { since: '30d' }),
  ];
  expect(month.verdict).toBe(day.verdict);
  expect(month.findings).toEqual([
    ...(day.findings ?? []),
    { id: 'earlier-incidents', action: 'none' },
  ]);
  expect(month.text).toContain(
    '1 incident is older than the part of the kernel log that decides, the last 3 d 0 h ago: XID 48',
  );
  expect(month.text).toContain('GPU 3 (0000:61:00); no reset, driver load or boot is seen since');
  expect(month.searched?.judgedSince).toBe(day.searched?.since);
  expect(day.text).not.toContain('judged by');
});

test.each(['10m', '2h', '7d'])(
  'a triage of %s does not hide the fault of an hour ago',
  async since => {
    const present = machineFrom('present-fault', {
      like: 'dgx-h100',
      kernelLog: {
        lines: [
          xid(3_600, 48, "pid='<unknown>', name=<unknown>, DBE (Double Bit Error) ECC Error"),
        ],
      },
    });
    const [short, day] = [
      await asked('triage_gpu_node', { since }, present),
      await asked('triage_gpu_node', {}, present),
    ];
    expect(short.verdict).toBe('critical');
    expect(short.findings).toEqual(day.findings);
  },
);

test('of an old fault that the next boot ended, the remark does not say that nothing was done', async () => {
  const ended = machineFrom('ended-fault', {
    like: 'dgx-h100',
    kernelLog: {
      lines: [
        xid(3 * DAY, 48, "pid='<unknown>', name=<unknown>, DBE (Double Bit Error) ECC Error"),
        {
          secondsAgo: 2 * DAY,
          text: 'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build',
        },
      ],
    },
  });
  const { verdict, text } = await asked('triage_gpu_node', { since: '7d' }, ended);
  expect(verdict).toBe('healthy');
  expect(text).toContain('1 incident is older');
  expect(text).not.toContain('is seen since');
});

test.each([{ since: '7d' }, { since: '7d', until: '2d' }])(
  'lines of %o get their action by the same findings',
  async input => {
    const { incidents = [] } = await asked('analyze_xid_errors', input);
    const report = await asked('get_incident_report');
    for (const { title, action } of incidents) {
      expect(report.incidents?.find(each => each.title === title)?.action).toBe(action);
    }
    expect(incidents).not.toEqual([]);
  },
);
