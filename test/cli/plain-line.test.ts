import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { chosenBy } from '../../src/cli/command-line.ts';
import { plainArguments } from '../../src/cli/plain-line.ts';
import type { SUMMARIES } from '../../src/cli/summaries.ts';
import { chosenByYargs } from '../../src/cli/yargs-line.ts';
import { dashed, optionOf } from '../../src/contract/flag.ts';
import { ioOf } from './run.ts';

const { io } = ioOf({});

/** A line of each command in which nothing is unusual. */
const PLAIN: Readonly<Record<keyof typeof SUMMARIES, string>> = {
  serve: 'gpu-1 node/gpu-2 --idle 60 --eager',
  triage: 'gpu-1 -o json --since=7d --as bob --as-group ops --as-group dev -n ops --context a',
  call: 'gpu-1 get_gpu_inventory --detail full --gpu 0',
  top: 'gpu-1 gpu-2 --once',
  tools: '-o yaml',
  nodes: '-o wide -l gpu=h100',
  doctor: 'gpu-1 -n ops -o json',
  explain: '149 4 --place aws --opinions',
  analyze: 'kern.log --time-zone Europe/Berlin --fail-on warning',
  capture: 'gpu-1 -f a.json.gz --force --seconds 0',
  diff: 'a.gz b.gz --fail-on critical',
  manifest: 'pod gpu-1 --cpu 500m',
  'verify-record': 'a.jsonl --last 0 -o json',
  clean: '--older-than 1h -A --dry-run',
  config: 'cursor gpu-1 --write --env A --env B',
  completion: 'zsh',
  options: '-q',
  version: '-o json',
};

/** What the command is handed, or why it refuses. */
function checked(flags: z.ZodRawShape, raw: unknown): unknown {
  try {
    return z.object(flags).safeParse(raw).data;
  } catch (error) {
    return String(error);
  }
}

async function commandOf(name: string) {
  const lacks = { ...PLAIN }[name] ?? '';
  const chosen = await chosenByLine(`${name} ${lacks}`);
  if (!chosen) throw new Error(`${name} was not chosen`);
  return chosen.command;
}
const chosenByLine = (line: string) => chosenBy(line.split(' '), io);

test.each(Object.entries(PLAIN))(
  '%s %s is read without yargs, and as yargs reads it',
  async (name, line) => {
    const command = await commandOf(name);
    const words = line.split(' ');
    const plain = plainArguments(words, command);
    expect(plain).toBeDefined();
    const byYargs = await chosenByYargs(name === 'serve' ? words : [name, ...words], command, io);
    expect(checked(command.flags, plain)).toEqual(checked(command.flags, byYargs?.raw));
    expect(checked(command.flags, plain)).toBeDefined();
  },
);

test('a flag that is called no-x is left to yargs, which takes it for the opposite of x', async () => {
  const command = await commandOf('doctor');
  expect(plainArguments(['--no-image', 'gpu-1'], command)).toBeUndefined();
  expect(plainArguments(['--no-image=busybox', 'gpu-1'], command)).toMatchObject({
    noImage: 'busybox',
    target: 'gpu-1',
  });
});

test('of any line: what is read without yargs is what yargs reads', async () => {
  const names = Object.keys(PLAIN);
  const commands = await Promise.all(
    names.map(async name => ({ name, command: await commandOf(name) })),
  );
  const word = fc.constantFrom(
    ...[
      'gpu-1',
      '79',
      '0x10',
      '1e3',
      '007',
      'true',
      'false',
      '',
      ' ',
      'a=b',
      'pod',
      'json',
      'full',
    ],
    ...[
      '--',
      '-',
      '-x',
      '-q',
      '-o',
      '-ojson',
      '-o=json',
      '--no-quiet',
      '--quiet=false',
      '--help=1',
    ],
    ...[
      '-3',
      '--toString',
      '__proto__',
      '--constructor',
      'bash',
      'cursor',
      '{}',
      "it's",
      '\n',
      'é',
    ],
  );
  const lines = fc.constantFrom(...commands).chain(({ name, command }) => {
    const flag = fc.constantFrom(...Object.keys(command.flags)).chain(key => {
      const { choices = [], alias, isWord } = optionOf(command.flags[key] ?? z.never());
      const value = choices.length > 0 ? fc.oneof(word, fc.constantFrom(...choices)) : word;
      const written = alias
        ? fc.constantFrom(`--${dashed(key)}`, `-${alias}`)
        : fc.constant(`--${dashed(key)}`);
      if (isWord) return value.map(one => [one]);
      return fc.oneof(
        fc.tuple(written, value).map(([flag, one]) => [flag, one]),
        fc.tuple(written, value).map(([flag, one]) => [`${flag}=${one}`]),
        written.map(flag => [flag]),
      );
    });
    const own = { ...PLAIN }[name]?.split(' ') ?? [];
    return fc.record({
      name: fc.constant(name),
      words: fc
        .tuple(
          fc.boolean(),
          fc.array(
            fc.oneof(
              word.map(one => [one]),
              flag,
            ),
            { maxLength: 4 },
          ),
        )
        .map(([hasOwn, more]) => [...(hasOwn ? own : []), ...more.flat()]),
    });
  });
  let read = 0;
  await fc.assert(
    fc.asyncProperty(lines, async ({ name, words }) => {
      const { command } = commands.find(one => one.name === name) ?? {};
      if (!command) throw new Error(name);
      const plain = plainArguments(words, command);
      if (plain === undefined) return;
      read += 1;
      const byYargs = await chosenByYargs(name === 'serve' ? words : [name, ...words], command, io);
      expect(byYargs).toBeDefined();
      expect(checked(command.flags, plain)).toEqual(checked(command.flags, byYargs?.raw));
    }),
    { numRuns: 400 },
  );
  expect(read).toBeGreaterThan(40);
});
