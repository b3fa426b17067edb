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

async function asked(name: string, input: object = {}) {
  const tool = TOOLS.find(each => each.name === name);
  if (!tool) throw new Error(name);
  const { structured, text } = await answered(tool, input, instrumentsFor(machine));
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

test('a shorter report judges by what it shows', async () => {
  const { searched, text } = await asked('get_incident_report', { since: '1h' });
  expect(searched?.judgedSince).toBe(searched?.since);
  expect(text).not.toContain('judged by');
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
