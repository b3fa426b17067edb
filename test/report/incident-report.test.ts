import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Answer } from '../../src/contract/answer.ts';
import { type IncidentReport, incidentReport } from '../../src/report/incident-report.ts';
import { escaped } from '../../src/report/markup.ts';
import { type Neighbours, neighboursOf } from '../../src/report/neighbours.ts';
import { rendered } from '../../src/report/render.ts';
import { timelineDrawing } from '../../src/report/timeline-drawing.ts';
import { brokenLinks } from '../../src/report/topology.ts';
import { TriageFacts } from '../../src/tools/support/triage-facts.ts';
import { formOf, reportOf, triageOf } from '../fakes/pages.ts';
import { htmlOf, isOneSmallFile, REPORT_BYTES_MAX } from './one-file.ts';

const PAGE = { title: 'Test', provenance: {}, details: true } as const;
const NOWHERE = { connection: [], namespace: [] };

const modelOf = (answer: Answer): IncidentReport =>
  incidentReport(TriageFacts.parse(answer.structured), answer, { ...PAGE, commandWords: NOWHERE });

// test/report/every-machine.slow.ts takes the others.
test.each(['dgx-h100', 'lost-gpu', 'nvlink-down', 'job-own-error'])(
  'the report of %s is one small file',
  isOneSmallFile,
);

test('verdict, impact and steps come first, in this order', async () => {
  const html = await htmlOf('lost-gpu');
  const headings = [...html.matchAll(/<h[12][^>]*>(.*?)<\/h[12]>/g)].map(([, words = '']) =>
    words.replaceAll(/<[^>]+>/g, ''),
  );
  expect(headings).toEqual([
    'GPU 3 (0000:61:00) is lost: it fell off the PCIe bus.',
    'Who is hit',
    'What to do',
    'How it came about',
    'The GPUs',
    'Compared with their neighbours',
    'How they are joined',
    'The machine',
    'Evidence',
    'For the vendor’s ticket',
    'The facts as JSON',
  ]);
  expect(html.indexOf('kubectl</span> <span class="word">drain')).toBeLessThan(
    html.indexOf('How it came about'),
  );
});

test('the timeline has the node first, then each GPU, and every event with its lane', async () => {
  const { timeline } = modelOf(await reportOf('job-lost-gpu'));
  expect(timeline?.lanes).toEqual(['Node', ...Array.from({ length: 8 }, (_, at) => `GPU ${at}`)]);
  expect(
    timeline?.events.map(({ time, lane, origin, severity, code }) =>
      [time, lane, origin, severity, code].join(' '),
    ),
  ).toEqual([
    '2026-02-28T12:00:00Z Node pod info ',
    '2026-03-01T11:52:59.000Z GPU 6 driver critical XID 79',
    '2026-03-01T11:52:59.200Z GPU 6 driver critical XID 154',
  ]);
});

test('what the cluster and the kernel say stands beside what the driver says', async () => {
  const answer = await reportOf('lost-gpu');
  const event = { type: 'Warning', reason: 'Rebooted', message: 'm', count: 1, from: 'kubelet' };
  const cluster = { events: [{ ...event, firstAt: '2026-03-01T11:50:00Z' }] };
  const { timeline } = modelOf({ ...answer, structured: { ...answer.structured, cluster } });
  const told = timeline?.events.map(({ origin, lane, severity }) => [origin, lane, severity]) ?? [];
  expect(told.slice(0, 3)).toEqual([
    ['cluster', 'Node', 'warning'],
    ['kernel', 'GPU 3', 'critical'],
    ['driver', 'GPU 3', 'critical'],
  ]);
});

const Moment = fc.integer({ min: 0, max: 10 ** 9 }).map(ms => new Date(ms).toISOString());
const Event = fc.record({
  time: Moment,
  lane: fc.constantFrom('Node', 'GPU 0', 'GPU 1'),
  origin: fc.constantFrom('driver', 'kernel', 'pod', 'boot', 'cluster'),
  severity: fc.constantFrom('critical', 'warning', 'info'),
  code: fc.constantFrom('XID 79', undefined),
  text: fc.string(),
});

test('whatever happened: later stands right of earlier, all of it within the drawing', () => {
  void fc.assert(
    fc.property(fc.array(Event, { minLength: 1, maxLength: 90, size: 'max' }), found => {
      const events = found.toSorted((a, b) => a.time.localeCompare(b.time));
      const lanes = ['Node', 'GPU 0', 'GPU 1'];
      const now = new Date(10 ** 9).toISOString();
      const { markup } = timelineDrawing({ lanes, events, timeless: 0, leftOut: 0, now }, 'n');
      const xs = [...markup.matchAll(/<svg x="([\d.]+)%"[^>]*class="mark/g)].map(([, x]) =>
        Number(x),
      );
      expect(xs).toEqual(xs.toSorted((a, b) => a - b));
      expect(xs.length).toBeGreaterThan(0);
      expect(new Set(xs).size).toBeLessThanOrEqual(12);
      expect(Math.min(...xs)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...xs)).toBeLessThan(96.01);
      expect(markup).not.toContain('NaN');
    }),
  );
});

test.each([
  ['dgx-h100', []],
  ['nvlink-down', ['GPU 4 to NVSwitch: 16 of 18 links active, link 6, 7 down.']],
  ['network-down', ['NIC mlx5_0: DOWN 400 Gb/s.']],
  ['lost-gpu', ['GPU 3: the driver cannot open it; its links were not read.']],
  ['slow-pcie', [expect.stringMatching(/^GPU \d to PCIe: Gen\d x\d+, see the findings\.$/)]],
])('of the links of %s these are broken: %j', async (name, broken) => {
  const answer = await reportOf(name);
  const { topology } = modelOf(answer);
  expect(topology && brokenLinks(topology)).toEqual(broken);
  const html = await rendered(answer, formOf({ format: 'html' }));
  // Each is crossed out in the drawing, or is a box of its own.
  const crossed = html.match(/class="cross"|✕ DOWN/g) ?? [];
  expect(crossed).toHaveLength(broken.length);
});

test.each(['first', 'last'])(
  'a direct link that its %s end alone calls down is marked',
  async end => {
    const answer = await reportOf('ecc-row-remap');
    const text = JSON.stringify(answer.beside['get_nvlink_topology']?.structured);
    const state = '"state":"active"';
    const at = end === 'first' ? text.indexOf(state) : text.lastIndexOf(state);
    const cut = `${text.slice(0, at)}"state":"inactive"${text.slice(at + state.length)}`;
    const told = { lines: [], structured: { ...Object(JSON.parse(cut)) } };
    const { topology } = modelOf({ ...answer, beside: { get_nvlink_topology: told } });
    expect(topology && brokenLinks(topology)).toEqual([
      expect.stringMatching(/^GPU \d to GPU \d: 3 of 4 links active, link \d+ down\.$/),
    ]);
    expect(topology?.pairs).toHaveLength(6);
  },
);

describe('neighbours', () => {
  const outliers = ({ outliers }: Neighbours) =>
    outliers.map(({ label, gpus }) => `${label}: ${gpus.map(({ name }) => name).join()}`);

  test('the GPU that waits for its reset stands out from those that work', async () => {
    const { neighbours } = modelOf(await reportOf('ecc-row-remap'));
    expect(outliers(neighbours)).toEqual([
      'Temperature: 1',
      'Power: 1',
      'SM clock: 1',
      'Busy: 1',
      'Memory used: 1',
      'Uncorrected ECC errors: 1',
      'Uncorrected ECC errors, lifetime: 1',
      'Rows remapped for uncorrectable errors: 1',
    ]);
  });

  const gpus = (...celsius: readonly number[]) => ({
    gpus: celsius.map((temperatureC, index) => ({ index, temperatureC })),
  });
  test.each([
    ['one is hot', [60, 61, 62, 90], ['Temperature: 3']],
    ['places differ', [57, 64, 60, 58], []],
    ['half of them are', [60, 60, 90, 90], []],
    ['there are two', [60, 90], []],
    ['all differ a lot', [30, 50, 70, 90], []],
    ['the last is only the end of a spread', [40, 50, 60, 70, 85], []],
  ])('%s', (_words, celsius, expected) => {
    expect(outliers(neighboursOf(gpus(...celsius), {}))).toEqual(expected);
  });

  test('a GPU that gave no reading is none of them', () => {
    const { compared } = neighboursOf(
      { gpus: [...gpus(60, 61, 62).gpus, { index: 3, error: 'gpu_is_lost' }] },
      {},
    );
    expect(compared).toBe(3);
  });
});

test('a course is drawn where a window was taken, and else it says why there is none', async () => {
  const { strip } = modelOf(await reportOf('training-job'));
  const power = strip.cards[0]?.figures.find(({ label }) => label === 'Power');
  expect(power?.samples).toHaveLength(10);
  expect(await htmlOf('training-job')).toContain('class="spark"');

  const hung = await htmlOf('hung-driver');
  expect(hung).toContain('No course over time: the driver gave one sample only.');
  expect(hung).not.toContain('class="spark"');

  const why = 'this is a replay of one reading of the driver, and telemetry needs two';
  const beside = { sample_gpu_telemetry: { why } };
  const replay = { ...(await triageOf('dgx-h100')), beside };
  const html = await rendered(replay, formOf({ format: 'html' }));
  expect(html).toContain(`No course over time: ${why}.`);
  expect(html).not.toContain('class="spark"');
});

test('what a node did not answer is a gap of its report, and the rest of it stands', async () => {
  const beside = { get_gpu_timeline: { why: 'the session ended' } };
  const html = await rendered(
    { ...(await triageOf('lost-gpu')), beside },
    formOf({ format: 'html' }),
  );
  expect(html).toContain('Not in this report: Timeline: the session ended.');
  expect(html).toContain('Not in this report: Links: nobody asked for one.');
  expect(html).toContain('What to do');
  expect(html).not.toContain('class="topology"');
});

test('facts that are too long for a mail are left out by name', async () => {
  const answer = await reportOf('lost-gpu');
  const long = { lines: [], structured: { text: 'x'.repeat(300_000) } };
  const html = await rendered(
    { ...answer, beside: { ...answer.beside, get_incident_report: long } },
    formOf({ format: 'html' }),
  );
  expect(Buffer.byteLength(html)).toBeLessThanOrEqual(REPORT_BYTES_MAX);
  expect(html).toContain('Too long for this file: the same call with -o json prints it.');
});

test.each([
  ['<b> & "q" \'a\'', '&lt;b&gt; &amp; &quot;q&quot; &#39;a&#39;'],
  ['a\u0000b\u001bc\td\ne', 'a\ufffdb\ufffdc\ufffdd\ne'],
  ['\u202egnp\u2066x\u200b', '\ufffdgnp\ufffdx\ufffd'],
  ['\ud800 \u{1f525}', '\ufffd \u{1f525}'],
])('the text %j stands in a page as %j', (text, told) => {
  expect(escaped(text)).toBe(told);
});
