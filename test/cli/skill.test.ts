import { expect, test } from 'vitest';
import { chosenBy } from '../../src/cli/command-line.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { read } from '../house/files.ts';
import { ioOf } from './run.ts';

const SKILL = read('docs/skills/gpu-triage/SKILL.md');

/** Tools that the server has besides those of a node. */
const OWN = [
  'list_gpu_nodes',
  'triage_job',
  'capture_node',
  'compare_snapshots',
  'analyze_kernel_log',
];

const COMMANDS = [...SKILL.matchAll(/(?:^|`)kubectl gpu-mcp ([^`#\n]+)/gm)].map(([, words = '']) =>
  [...words.matchAll(/'([^']+)'|(\S+)/g)].map(([, quoted, plain = '']) => quoted ?? plain),
);

test('the skill names each tool, and none that there is not', () => {
  const known = [...TOOLS.map(({ name }) => name), ...OWN];
  const named = [...SKILL.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].flatMap(([, name]) => name ?? []);
  const words = ['gpu_is_lost', 'not_supported', 'no_permission'];
  expect(new Set(named.filter(name => !words.includes(name)))).toEqual(new Set(known));
});

test.each(COMMANDS)('a command of the skill is one: %s %s %s', async (...words) => {
  const chosen = await chosenBy(words, ioOf({}).io);
  expect(chosen).toBeDefined();
  expect(chosen?.command.command.split(' ')[0]).toBe(words[0]);
  if (words[0] !== 'call') return;
  const [, , name, ...flags] = words;
  const asked = flags.flatMap(word => /^--(\w+)/.exec(word)?.[1] ?? []);
  const tool = TOOLS.find(other => other.name === name);
  expect(Object.keys(tool?.input.shape ?? {})).toEqual(expect.arrayContaining(asked));
});

test('the skill is short, and begins as skills do', () => {
  expect(COMMANDS.length).toBeGreaterThan(12);
  expect(SKILL.split('\n').length).toBeLessThanOrEqual(150);
  const [, name, description = ''] =
    /^---\nname: (\S+)\ndescription: (.+)\n---\n/.exec(SKILL) ?? [];
  expect(name).toBe('gpu-triage');
  // What the format allows: 64 and 1,024 characters.
  expect(description.length).toBeLessThanOrEqual(1_024);
});
