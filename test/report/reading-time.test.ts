import { describe, expect, test } from 'vitest';
import { present } from '../../src/contract/reading.ts';
import type { TargetJob } from '../../src/contract/target-job.ts';
import { jobPage } from '../../src/report/job-page.ts';
import { rendered } from '../../src/report/render.ts';
import { terminalText } from '../../src/report/terminal.ts';
import { MACHINES } from '../../src/simulation/machine.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import { answered } from '../fakes/answers.ts';
import { aPod } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { formOf, triageOf } from '../fakes/pages.ts';

/** A job that runs on the machine. */
const JOB: TargetJob = {
  ...{ name: 'Job/train', namespace: 'ml', gone: present([]) },
  pods: [{ pod: aPod({ node: 'here', name: 'train-0' }) }],
};

/** Lines with a time of the minute in which the machine is read: its records are all older. */
const timesOfReading = (text: string, takenAt: string): readonly string[] =>
  text
    .replaceAll(/read at \S+/g, '')
    .replaceAll(new RegExp(`(?!${takenAt.slice(0, 10)})\\d{4}-\\d\\d-\\d\\d[T ]\\S+`, 'g'), '')
    .match(new RegExp(`.*${takenAt.slice(11, 17)}\\d\\d.*`, 'g')) ?? [];

describe.each(MACHINES.map(({ name }) => name))('%s: a time of reading is called one', name => {
  test('on the page of the node, but for its own date', async () => {
    const answer = await triageOf(name);
    const page = await rendered(answer, formOf({ details: true, width: 200 }));
    const [, ...lines] = page.split('\n');
    expect(timesOfReading(lines.join('\n'), String(answer.structured['takenAt']))).toEqual([]);
  });

  test('on the page of a job', async () => {
    const { structured } = await triageOf(name);
    const takenAt = String(structured['takenAt']);
    const judged = judgeJob(JOB, [{ node: 'here', gpus: [], triage: structured }]);
    const document = jobPage(judged, Date.parse(takenAt));
    const page = terminalText(document, { width: 200, colour: false });
    expect(timesOfReading(page, takenAt)).toEqual([]);
  });

  test('in what a model reads', async () => {
    const { text, structured } = await answered(triageGpuNode, {}, instrumentsOf(name));
    expect(timesOfReading(text, String(structured['takenAt']))).toEqual([]);
  });
});
