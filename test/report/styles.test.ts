import { expect, test } from 'vitest';
import type { Answer, Provenance } from '../../src/contract/answer.ts';
import { rendered } from '../../src/report/render.ts';

const FORM = { colour: true, width: 80, wraps: false, details: false };

const page = (answer: Omit<Answer, 'structured'>, format: 'text' | 'html') =>
  rendered({ ...answer, structured: {}, title: 'Test' }, { ...FORM, format });

const LINES: Answer['lines'] = [
  { kind: 'summary', text: 'critical-apps/train-0 runs' },
  { kind: 'plain', text: 'CRITICAL  is the name of a namespace here' },
  { kind: 'plain', text: 'GPU 0  0000:3b:00  ERROR in the name of a pod' },
  { kind: 'critical', text: 'GPU 3  address unknown  ERROR gpu_is_lost' },
  { kind: 'detail', text: 'searched journal' },
];

test('a line is coloured by what it is, never by what it reads like', async () => {
  expect(await page({ lines: LINES }, 'text')).toBe(
    [
      'critical-apps/train-0 runs',
      'CRITICAL  is the name of a namespace here',
      'GPU 0  0000:3b:00  ERROR in the name of a pod',
      '\u001b[1;31mGPU\u001b[0m 3  address unknown  ERROR gpu_is_lost',
      '\u001b[2msearched journal\u001b[0m',
      '',
    ].join('\n'),
  );
  expect((await page({ lines: LINES }, 'html')).match(/(?<=span class=")\w+/g)).toEqual([
    'plain',
    'plain',
    'plain',
    'critical',
    'detail',
  ]);
});

test.each<[Provenance, string]>([
  [{}, 'plain'],
  [{ simulated: 'lost-gpu' }, 'simulated'],
  [{ replay: { node: 'gpu-3', capturedAt: '2026-03-01T12:00:00Z' } }, 'simulated'],
])('a summary of %j is %s', async (provenance, style) => {
  expect(await page({ lines: LINES, provenance }, 'html')).toContain(
    `<pre><span class="${style}">`,
  );
});
