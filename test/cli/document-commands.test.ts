import { expect, test } from 'vitest';
import { chosenBy } from '../../src/cli/command-line.ts';
import { filesUnder, read } from '../house/files.ts';
import { ioOf } from './run.ts';

const PAGES = [
  'README.md',
  'SECURITY.md',
  ...filesUnder('docs').filter(file => /(?<!commands)\.md$/.test(file)),
];

/** The commands of ours that pages show in blocks of code, each up to its comment or pipe. */
const COMMANDS = PAGES.flatMap(page => {
  const blocks = [...read(page).matchAll(/^```(?:sh)?\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(([, block = '']) =>
    [...block.matchAll(/^kubectl gpu-mcp ((?:'[^']*'|[^'#|\n])+)/gm)].map(
      ([, words = '']) => [page, words.trim()] as const,
    ),
  );
});

test('pages show commands', () => {
  expect(COMMANDS.length).toBeGreaterThan(50);
});

test.each(COMMANDS)('%s: the command line is one, with its flags: %s', async (_, line) => {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain = '']) => quoted ?? plain,
  );
  if (words.includes('help')) return;
  const chosen = await chosenBy(words, ioOf({}).io);
  expect(chosen?.command.command.split(' ')[0]).toBe(words[0]);
});
