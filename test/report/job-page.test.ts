import stringWidth from 'fast-string-width';
import { expect, test } from 'vitest';
import { jobPage } from '../../src/report/job-page.ts';
import { terminalText } from '../../src/report/terminal.ts';
import type { JobAnswer } from '../../src/tools/support/job-answer.ts';

const NOW = Date.parse('2026-03-01T12:30:00Z');
const FAILED: JobAnswer = {
  job: 'PyTorchJob/llama',
  namespace: 'ml',
  summary: 'unused here',
  state: 'failed',
  fault: 'hardware',
  confidence: 'high',
  action: 'reboot_node',
  advice: 'drain the node and reboot it',
  takeOut: 'node-b',
  first: {
    ...{ node: 'node-b', pod: 'llama-1', gpu: '0000:52:00', time: '2026-03-01T12:00:00.250Z' },
    what: 'XID 79: GPU has fallen off the bus',
  },
  why: ['XID 79 while the container ran', 'its log says nothing before that'],
  against: ['a log of another pod was not read'],
  saw: Array.from({ length: 9 }, (_, at) => ({
    ...{ pod: `llama-${at + 2}`, node: `node-${at}`, exitCode: 134 },
    ...{ finishedAt: '2026-03-01T12:10:03Z', what: 'NCCL watchdog: a collective timed out' },
  })),
  nodes: [
    {
      ...{ node: 'node-b', verdict: 'critical', pods: ['llama-1'], failed: 1, gpus: [0, 1, 2, 5] },
      ...{ findings: ['GPU 2 is lost', 'XID 79'], otherGpus: 0 },
    },
    {
      ...{ node: 'node-c', verdict: 'unread', pods: ['a', 'b', 'c', 'd', 'e'], failed: 0 },
      ...{ gpus: [], findings: [], otherGpus: 2 },
    },
  ],
  pods: { all: 10, running: 0, pending: 0, succeeded: 0, failed: 10, gone: 0 },
  logs: { read: 10, requests: 12, bytes: 81_920 },
  notes: ['1 node not read: no fault there can be ruled out'],
};
const page = (answer: JobAnswer, width = 80): string =>
  terminalText(jobPage(answer, NOW, { connection: ['--context=a b'], namespace: [] }), {
    width,
    colour: false,
  });

test('the page of a job: the fault, what to take out, since when, what the others saw', () => {
  expect(page(FAILED)).toMatchInlineSnapshot(`
    "FAILED  PyTorchJob/llama   10 pods: 10 failed                       namespace ml

    XID 79: GPU has fallen off the bus, GPU 0000:52:00 of node node-b.
    Hardware fault, high confidence.

    DO    Take node node-b out of the job. Drain the node and reboot it.
          1  kubectl '--context=a b' cordon node-b
                no new pod of the job goes there

    WHY   It began at 12:00:00.2 UTC in pod llama-1.
          XID 79 while the container ran.
          Its log says nothing before that.
          Against it: A log of another pod was not read.

    SAW   12:10:03  llama-2  node-0  exit 134  NCCL watchdog: a collective timed out
          12:10:03  llama-3  node-1  exit 134  NCCL watchdog: a collective timed out
          12:10:03  llama-4  node-2  exit 134  NCCL watchdog: a collective timed out
          12:10:03  llama-5  node-3  exit 134  NCCL watchdog: a collective timed out
          12:10:03  llama-6  node-4  exit 134  NCCL watchdog: a collective timed out
          12:10:03  llama-7  node-5  exit 134  NCCL watchdog: a collective timed out
          12:10:03  llama-8  node-6  exit 134  NCCL watchdog: a collective timed out
          12:10:03  llama-9  node-7  exit 134  NCCL watchdog: a collective timed out
          1 pod failed too.

    NODE  node-b  llama-1                1 failed; GPU 0-2, 5; GPU 2 is lost (and 1
                                         more)
          node-c  a, b, c, d and 1 more  which GPUs it had is not known; not read;
                                         2 more findings there, not known to be of
                                         its GPUs

    10 logs of its pods read: 12 requests, 81920 bytes.
    1 node not read: no fault there can be ruled out."
  `);
});

test.each([
  [
    'a time and the XID that the headline leaves out',
    { time: '2026-03-01T12:00:00.250Z', code: 'XID 79', pod: 'llama-1' },
    'It began at 12:00:00.2 UTC with XID 79 in pod llama-1.',
  ],
  ['another day', { time: '2026-02-27T12:00:00Z' }, 'It began at 2026-02-27 12:00:00 UTC.'],
  [
    'an XID without a time',
    { code: 'XID 79' },
    'It began with XID 79. When it began is not known.',
  ],
  ['neither', {}, 'When it began is not known.'],
])('WHY begins with when it began, by %s', (_, began, words) => {
  const first = { node: 'node-b', what: 'GPU 6 is lost', ...began };
  expect(page({ ...FAILED, first }, 200)).toContain(`\nWHY   ${words}\n`);
});

test('a job that runs has begun nothing: since when it is slow is not known', () => {
  const first = { node: 'node-b', pod: 'llama-1', what: 'SM clock 900 of 1980 MHz' };
  expect(page({ ...FAILED, state: 'running', first }, 200)).toContain(
    '\nWHY   Pod llama-1 runs there; since when it is so is not known.\n',
  );
});

test('of an error of the program the headline names the pod', () => {
  const first = { node: 'node-b', pod: 'llama-1', what: 'Exception ValueError' };
  expect(page({ ...FAILED, fault: 'application', first }, 200)).toContain(
    '\nException ValueError, pod llama-1 on node node-b.\n',
  );
});

test('whom the step hits is left out where that is nobody, and told where it was not read', () => {
  const nobody = { pods: [], processes: [], more: 0, notRead: [] };
  expect(page({ ...FAILED, hits: nobody })).not.toContain('HIT');
  expect(page({ ...FAILED, hits: { ...nobody, notRead: ['processes'] } })).toContain(
    'HIT   Nobody that was seen. Not read: processes.',
  );
});

test('what the job took of the API server stands beside what its logs did', () => {
  expect(page({ ...FAILED, asked: { requests: 5, bytes: 40_960 } }, 200)).toContain(
    '10 logs of its pods read: 12 requests, 81920 bytes; the job, its pods and events: 5 requests, 40960 bytes.',
  );
});

test('WHY does not say again what the headline says', () => {
  const first = { node: 'node-b', what: 'GPU 6 is lost: it fell off the PCIe bus' };
  const told = page({ ...FAILED, first, why: [first.what, 'NVML says so'] });
  expect(told.match(/it fell off/g)).toHaveLength(1);
  expect(told).toContain('NVML says so.');
});

test.each([40, 60, 80, 120, 200])('no line is wider than %d columns', width => {
  const lines = page(FAILED, width).split('\n');
  expect(lines.filter(line => stringWidth(line) > width && !line.includes('kubectl'))).toEqual([]);
});

test('a job that runs is not accused, and a reason is said once', () => {
  const why = ['no pod of it has failed, and no finding stands against its GPUs'];
  const { first: _, takeOut: __, ...failed } = FAILED;
  const text = page({
    ...{ ...failed, state: 'running', fault: 'unknown', why, against: [], saw: [] },
    advice: 'no GPU fault seen',
  });
  expect(text).toMatch(/^RUNNING {2}PyTorchJob\/llama/);
  expect(text.match(/No pod of it has failed/g)).toHaveLength(1);
  expect(text).not.toMatch(/WHY|SAW|Take node|cordon|fault,/);
});

test('a job of which no node was read is not shown as one that is well', () => {
  const { first: _, takeOut: __, ...failed } = FAILED;
  const nodes = failed.nodes.map(node => ({ ...node, verdict: 'unread' as const }));
  const unread: JobAnswer = {
    ...{ ...failed, nodes, state: 'running', fault: 'unknown', saw: [] },
    why: ['none of its nodes could be read'],
  };
  const { headline } = jobPage(unread, NOW);
  expect(headline?.verdict).toEqual({ text: 'RUNNING', tone: 'unknown' });
  expect(page(unread)).toMatch(/\n\nNone of its nodes could be read\.\nCause not known/);
});

test('a pod that waits had no GPUs that could be unknown', () => {
  const [node] = FAILED.nodes;
  const nodes = node ? [{ ...node, gpus: [] }] : [];
  expect(page({ ...FAILED, nodes, state: 'pending' })).not.toContain('is not known');
  expect(page({ ...FAILED, nodes })).toContain('is not known');
});

test('what is simulated has no node that a command could name', () => {
  const words = { connection: [], namespace: [], instead: ['--simulate=job-ecc-error'] };
  const document = jobPage(FAILED, NOW, words);
  expect(terminalText(document, { width: 80, colour: false })).not.toContain('cordon');
});

test('of a job that was looked at from within its pod the node is for who owns it', () => {
  const words = { connection: [], namespace: [], within: { pod: 'pod/llama-1', node: 'node-b' } };
  const told = terminalText(jobPage(FAILED, NOW, words), { width: 200, colour: false });
  const page = told.replaceAll(/\s+/g, ' ');
  expect(page).toContain(
    'Hand this on to who owns the node, who reads the node itself first. Take node node-b out of the job.',
  );
  expect(page).toMatch(/kubectl cordon node-b by who owns the node; no new pod/);
  const usual = terminalText(jobPage(FAILED, NOW), { width: 200, colour: false });
  expect(usual).not.toContain('owns');
});
