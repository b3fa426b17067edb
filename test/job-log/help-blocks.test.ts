import { expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/** Open MPI and its launcher tell a user what went wrong between two rules, in wrapped sentences. */

const RULE = '-'.repeat(74);
const SENTENCE = [
  'A cell of the grid lacks its neighbour.  This means that the MCA parameter',
  'that names it is wrong, or that it',
  'is missing.',
];

const entries = (...log: readonly string[]) => {
  const text = log.join('\n');
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  return readJobLog({ ...asked, text, cut: false }).entries;
};

test('its first paragraph is read and quoted as one sentence, at its first line', () => {
  const found = entries('step 7', RULE, ...SENTENCE, '', '  Local host: w-0', RULE, 'bye');
  expect(found).toMatchObject([{ role: 'cause', line: 3, text: SENTENCE.join(' ') }]);
});

test('what it names behind a colon is read with it', () => {
  const found = entries(
    RULE,
    'PRTE cannot read the grid:',
    '',
    '  /etc/grid',
    '',
    'Check it.',
    RULE,
  );
  expect(found).toMatchObject([{ line: 2, text: 'PRTE cannot read the grid: /etc/grid' }]);
});

test.each([
  ['a warning', [RULE, `WARNING: ${SENTENCE.join(' ')}`, RULE]],
  ['that it goes on', [RULE, ...SENTENCE, 'Your MPI job will continue.', RULE]],
  ['no failure', [RULE, 'Open MPI runs on 4 hosts today', RULE]],
  ['a table of somebody else', [RULE, 'No. of cells which were not opened', RULE]],
  ['a program of its ranks', [RULE, 'Running on 8 MPI ranks. No restart file was given.', RULE]],
  ['its settings', [RULE, '  MPI ranks        : 8', '  OpenMP threads   : 4 (not bound)', RULE]],
  ['its banner', [RULE, '  MyCFD 3     MPI ranks: 8', '  restart file : none given', RULE]],
  ['settings that miss one', [RULE, 'MPI ranks      : 8', 'restart file   : missing', RULE]],
  ['a head of a table', [RULE, 'slots   used   not used', RULE]],
  ['a block that does not end', [RULE, ...SENTENCE]],
  ['a rule of another length', ['-----', ...SENTENCE, '-----']],
  ['what is too long for a block', [RULE, ...SENTENCE, ...Array<string>(41).fill('7'), RULE]],
])('no failure is told by %s', (_, log) => {
  expect(entries('step 7', ...log, 'step 8', 'done')).toEqual([]);
});
