import { expect, test } from 'vitest';
import { run } from '../cli/run.ts';
import { errorSentences } from './error-sentences.ts';
import { read } from './files.ts';
import { cell, folded, withSection } from './sections.ts';
import { WHAT_HELPS } from './what-helps.ts';

/** The whole source, read once. */
const ERRORS = errorSentences();

test('docs/troubleshooting.md has every error that the source can end with, and what to do', async () => {
  expect(ERRORS.length).toBeGreaterThan(150);
  const exits = [...new Set(ERRORS.map(({ exit }) => exit))].sort();
  const sections = exits.flatMap(exit => [
    `## Exit code ${exit}: ${MEANING[exit] ?? ''}`,
    '',
    '| it says | try |',
    '| --- | --- |',
    ...ERRORS.filter(error => error.exit === exit).map(
      ({ sentence, hints }) =>
        `| ${cell(sentence)} | ${cell(folded(hints) || (WHAT_HELPS[sentence] ?? ''))} |`,
    ),
    '',
  ]);
  const page = withSection(read('docs/troubleshooting.md'), 'errors', sections.join('\n'));
  await expect(page).toMatchFileSnapshot('../../docs/troubleshooting.md');
});

test('no sentence of docs/troubleshooting.md has the name of a constant in the place of what it says', () => {
  const said = ERRORS.flatMap(({ sentence, hints }) => [sentence, ...hints]);
  // A place is written with hyphens; one that is a constant alone, errorSentences refuses.
  expect(said.flatMap(text => text.match(/\b(?!CAP_)[A-Z\d]+_[A-Z\d_]+\b/g) ?? [])).toEqual([]);
});

test('an error without a try has what helps in what-helps.ts, and no other stands there', () => {
  const without = ERRORS.filter(({ hints }) => hints.length === 0);
  expect(without.map(({ sentence }) => sentence).sort()).toEqual(Object.keys(WHAT_HELPS).sort());
});

const MEANING: Readonly<Record<number, string>> = {
  1: 'a bug, or nothing to answer with',
  2: 'the command line or a file is wrong',
  3: 'the cluster does not answer or does not allow',
  4: 'no session: the pod, its image or the stream',
  5: 'some targets failed',
};

const EXAMPLES = 'test/house/error-examples.ts';

test('each branch of a sentence is a row, what may be missing stands in brackets, and no words of ours are hidden', () => {
  const rows = errorSentences([EXAMPLES]).map(
    ({ sentence, hints }) => `${sentence} | ${folded(hints)}`,
  );
  expect(rows).toEqual([
    '--cache-dir is gone: it does nothing | leave it out',
    '2 of NAMES are too long | at most 4 MiB',
    '2 of NAMES are too short | at most 4 MiB',
    'a folder was named | name a (file, and no folder, / file) that you may read',
    'a pod NAMESPACE/NAME has no container "WANTED" [(REASON)] | [did you mean ALIKE?] it has one',
    'it is not a folder | name a (file, and no folder, / file) that you may read',
    'pod NAMESPACE/NAME ended: PHASE, exit code CODE[; WORDS] | install it; or: it is not on PATH (PATH)',
    'there is no flag --NAME | kubectl get pods -n NAMESPACE',
  ]);
});

test('a sentence of a form that cannot be read stops the page, instead of hiding its words', () => {
  expect(() => errorSentences(['test/house/error-unreadable.ts'])).toThrow(
    /a place would hide 'the words of a form'/,
  );
});

/** Command lines that end in errors, both branches of those that have some. */
const WRONG = [
  'triage --simulate lost-gp',
  'triage --simulate zzzzzzzz',
  'triage nod/a',
  'triage zzzzz/a',
  'triage --kuberc x',
  'triage --cache-dir x',
  'triage --since',
  'triage --fail-on critica',
  'triage --zzzz --simulate lost-gpu',
  'triage --fail-onn x --simulate lost-gpu',
  'config curso',
  'explain zzzz',
  'explian 79',
  'zzzzzzzz',
  'diff a.json',
  'diff a b c d',
  'top --interval 1ms --simulate lost-gpu',
  'top --interval 9h --simulate lost-gpu',
  'top --interval x --simulate lost-gpu',
  'manifest namespac',
  'serve --toolsets zzz',
  'call --simulate lost-gpu get_gpu_healt',
  'call --simulate lost-gpu get_gpu_health --input []',
  'analyze /nowhere/at/all',
  'triage --from /nowhere.json',
];

test.each(WRONG)(
  'what %s says is a row of docs/troubleshooting.md, and so is its try',
  async line => {
    const { stderr } = await run(line.split(' '));
    const [, said = '', tried = ''] = /^error: (.*)(?:\ntry: (.*))?$/m.exec(stderr) ?? [];
    const tries = tried.replaceAll(/ +/g, ' ');
    const rows = ERRORS.filter(({ sentence }) => formOf(sentence).test(said));
    expect({ said, rows: rows.length > 0 }).toEqual({ said, rows: true });
    const isKnown = rows.some(({ hints }) =>
      tries === '' ? hints.length === 0 : hints.some(hint => formOf(hint).test(tries)),
    );
    expect({ said, tries, isKnown }).toEqual({ said, tries, isKnown: true });
  },
);

/** What can stand where a row has capitals and brackets. */
function formOf(row: string): RegExp {
  const form = row
    .replaceAll(/[.*+?^${}()|\\]/g, '\\$&')
    .replaceAll(/ ?\[/g, '(?: ?')
    .replaceAll(/\] ?/g, ' ?)?')
    .replaceAll(/\b[A-Z][A-Z-]*\b/g, '.+');
  return new RegExp(`^${form}$`);
}
