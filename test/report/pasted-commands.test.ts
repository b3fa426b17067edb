import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import stringWidth from 'fast-string-width';
import { describe, expect, test } from 'vitest';
import { commandLine, linesOf } from '../../src/contract/answer.ts';
import { shellWord } from '../../src/contract/printed-command.ts';
import { rendered } from '../../src/report/render.ts';
import { commandLines, terminalText } from '../../src/report/terminal.ts';

const WIDTH = 80;

const POSIX = 'kubectl() { printf \'%s\\0\' "$#" "$@"; }\n';

/** Each shell with what makes `kubectl` tell how many words it has, and these; one that is not here is not asked. */
const SHELLS = [
  ['bash', POSIX],
  ['zsh', POSIX],
  ['fish', "function kubectl; printf '%s\\0' (count $argv) $argv; end\n"],
  ['dash', POSIX],
].filter(([name]) => existsSync(`/usr/bin/${name}`));

/** The words of each command, pasted one after the other into one shell. */
function wordsIn(shell: string, before: string, pasted: readonly string[]): string[][] {
  const script = `${before}${pasted.join('\n')}\n`;
  const told = execFileSync(`/usr/bin/${shell}`, ['-c', script], { encoding: 'utf8' });
  const words = told.split('\0').slice(0, -1);
  const commands: string[][] = [];
  while (words.length > 0) commands.push(words.splice(0, Number(words.shift())));
  return commands;
}

const LONG = [
  'kubectl drain ip-10-20-30-40.eu-central-1.compute.internal --ignore-daemonsets --delete-emptydir-data --context=production-eu',
  "kubectl gpu-mcp capture --context=prod --namespace=gpu-mcp 'a node with blanks and more blanks' -f 'before the reset.json.gz' --since 24h",
  `kubectl get pods -A --field-selector=spec.nodeName=dgx-01,status.phase=Running -o "jsonpath={range .items[*]}{.metadata.name}{' '}{end}"`,
  `kubectl logs a-pod -c trainer --previous --tail=200 --namespace=${'n'.repeat(70)}`,
  "kubectl annotate node dgx-01 note='it is '\\''here'\\'' now, and that is a long text of many words in one quote' --overwrite",
  "kubectl annotate node dgx-01 note='step one  # and step two, which is as long as a note may be' --overwrite --context=prod",
];

/** All of kubectl's that the simulated incidents and the table of pasted texts print, each up to what follows it. */
const PRINTED = [
  ...new Set(
    ['scenarios/__snapshots__/scenarios.slow.ts.snap', '../src/xid/pasted-texts.json']
      .flatMap(file => readFileSync(`test/${file}`, 'utf8').split('\n'))
      .flatMap(
        line =>
          line.match(/(?<=^\s*(?:\+.* )?\| |; |"next": ")kubectl .*?(?=["|;]| {2}#|$)/g) ?? [],
      )
      .map(command => command.trim()),
  ),
];

describe.each(SHELLS)('%s', (shell, before) => {
  test('takes every command that is printed for its words, and looks for no file of such a name', () => {
    expect(PRINTED.length).toBeGreaterThan(20);
    expect(PRINTED.filter(command => command.includes('jsonpath'))).not.toEqual([]);
    const unquoted = (word: string) => word.replaceAll("'", '');
    expect(wordsIn(shell, before, PRINTED)).toEqual(
      PRINTED.map(command =>
        [...command.matchAll(/(?:'[^']*'|[^\s'])+/g)].slice(1).map(([word]) => unquoted(word)),
      ),
    );
  });

  let typed: string[][] | undefined;
  let pasted: string[][] | undefined;
  test.each(LONG.map((command, at) => [command, at] as const))(
    'takes what an 80-column page has as one command: %s',
    (command, at) => {
      const onPage = (one: string) => commandLines(`  ${one}`, 2, WIDTH);
      expect(onPage(command).length).toBeGreaterThan(1);
      typed ??= wordsIn(shell, before, LONG);
      pasted ??= wordsIn(
        shell,
        before,
        LONG.map(one => onPage(one).join('\n')),
      );
      expect(pasted).toHaveLength(LONG.length);
      expect(pasted[at]).toEqual(typed[at]);
    },
  );

  test('a word that begins with = is a word', () => {
    const command = `kubectl ${['=ls', 'a=b', '=+'].map(shellWord).join(' ')}`;
    expect(wordsIn(shell, before, [command])).toEqual([['=ls', 'a=b', '=+']]);
  });

  test('the same of any words', () => {
    // Between single quotes fish alone reads a backslash.
    const unit = shell === 'fish' ? /[^\0\\]/ : /[^\0]/;
    const word = fc
      .stringMatching(/^[ -~é\t]{0,30}$/)
      .filter(text => [...text].every(one => unit.test(one)));
    const command = fc.record({
      words: fc.array(word, { minLength: 1, maxLength: 12 }),
      width: fc.integer({ min: 40, max: 120 }),
    });
    // One shell takes them all: its start is what costs.
    fc.assert(
      fc.property(fc.array(command, { minLength: 25, maxLength: 25 }), commands => {
        const onPage = commands.map(({ words, width }) =>
          commandLines(['kubectl', ...words.map(shellWord)].join(' '), 0, width).join('\n'),
        );
        expect(wordsIn(shell, before, onPage)).toEqual(commands.map(({ words }) => words));
      }),
      { numRuns: 1 },
    );
  });
});

test('a line is wider than the page for a word that is alone', () => {
  for (const command of LONG) {
    for (const line of commandLines(command, 0, WIDTH)) {
      if (stringWidth(line) > WIDTH)
        expect(line.trim().replace(/ \\$/, '')).toMatch(/^(?:'[^']*'|"[^"]*"|\\'|[^\s'"])+$/);
    }
  }
});

test('a remark stands below as comments, for no shell joins a line to one', () => {
  const command = `${LONG[0]}  # evicts every pod of the node and deletes their emptyDir data, which nobody brings back, on all of them`;
  const lines = commandLines(command, 0, WIDTH);
  const at = lines.findIndex(line => line.startsWith('# '));
  expect(lines.slice(at).every(line => line.startsWith('# ') && !line.endsWith('\\'))).toBe(true);
  expect(lines[at - 1]?.endsWith('\\')).toBe(false);
  expect(wordsIn('bash', POSIX, [lines.join('\n')])).toEqual(
    wordsIn('bash', POSIX, [LONG[0] ?? '']),
  );
});

test('a quote that does not end is not broken', () => {
  const command = `echo it's ${'x '.repeat(60)}`.trim();
  expect(commandLines(command, 0, WIDTH)).toEqual([command]);
});

test('lines of an answer and commands of a page are broken alike', async () => {
  const [command = ''] = LONG;
  const answer = {
    title: 'x',
    structured: {},
    lines: linesOf(['next:', commandLine('      ', command)]),
  };
  const form = { format: 'text', colour: true, width: WIDTH, wraps: true, details: false } as const;
  const [, ...lines] = (await rendered(answer, form)).trimEnd().split('\n');
  const headline = { verdict: { text: 'x' }, node: 'n', extent: '', origin: '', isReal: true };
  const page = { title: 'x', headline, groups: [[{ kind: 'command', command } as const]] };
  const own = terminalText(page, { width: WIDTH - 6, colour: false })
    .split('\n')
    .slice(2);
  expect(lines.map(line => line.slice(6))).toEqual(own);
  expect(lines.length).toBeGreaterThan(1);
});
