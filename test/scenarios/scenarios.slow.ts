import { afterAll, describe, expect, test } from 'vitest';
import { ACTIONS, SEVERITIES } from '../../src/contract/finding.ts';
import type { Clue } from '../../src/findings/clue.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { Rule } from '../../src/findings/rule.ts';
import { RULES } from '../../src/findings/rules.ts';
import { recorder } from '../fakes/recording.ts';
import { filesUnder, read } from '../house/files.ts';
import { declaredBy } from '../matrix/readings.ts';
import { asWritten } from './as-written.ts';
import { forgetOutcomes, playAll, SCENARIOS } from './index.ts';
import { confusionMatrix } from './matrix.ts';
import { pageOf } from './scenario.ts';

afterAll(() => {
  forgetOutcomes();
  said.clear();
});

// Each is played inside its test: mutation testing then knows which code which machine is about.
describe('every machine gets its verdict and exactly its findings, each of them whole', () => {
  test.each(SCENARIOS.map(scenario => [scenario.name, scenario] as const))(
    '%s',
    async (_name, scenario) => {
      const { findings } = await asWritten(scenario);
      if (findings.length > 0) expect(`\n${findings.map(pageOf).join('\n')}`).toMatchSnapshot();
    },
  );
});

test('names are unique and there are at least 40 machines', () => {
  expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length);
  expect(SCENARIOS.length).toBeGreaterThanOrEqual(40);
});

test('no false all-clear, no healthy machine accused, no program’s fault blamed on hardware', async () => {
  const { falseAllClear, healthyAccused, applicationBlamedOnHardware } = confusionMatrix(
    await playAll(),
  );
  expect({ falseAllClear, healthyAccused, applicationBlamedOnHardware }).toEqual({
    falseAllClear: [],
    healthyAccused: [],
    applicationBlamedOnHardware: [],
  });
});

const said = new Map<NodeFacts, Map<Rule, readonly Clue[]>>();

/** What a rule says of a machine, asked once for all tests. */
function saidBy(rule: Rule, facts: NodeFacts): readonly Clue[] {
  const ofMachine = said.get(facts) ?? new Map<Rule, readonly Clue[]>();
  const clues = ofMachine.get(rule) ?? rule(facts);
  said.set(facts, ofMachine.set(rule, clues));
  return clues;
}

test('every rule is needed: some machine has a finding of it', async () => {
  const outcomes = await playAll();
  const silent = RULES.filter(rule =>
    outcomes.every(({ facts }) => saidBy(rule, facts).length === 0),
  );
  expect(silent).toEqual([]);
});

/** What each rule reads, of as many machines as it takes until it has read all that it says. */
async function readByRules(): Promise<ReadonlyMap<Rule, ReadonlySet<string>>> {
  const read = RULES.map((rule: Rule) => ({
    rule,
    declared: declaredBy(rule),
    all: new Set<string>(),
  }));
  const open = new Set(read);
  for (const { facts } of await playAll()) {
    const record = recorder(facts);
    for (const of of open) {
      const { said, seen } = record(of.rule);
      expect(said, of.rule.id).toEqual(saidBy(of.rule, facts));
      for (const each of seen) of.all.add(each);
      if (of.declared.every(each => of.all.has(each))) open.delete(of);
    }
  }
  return new Map(read.map(({ rule, all }) => [rule, all]));
}

// test/matrix/missing.slow.ts shows it of all machines.
describe('a rule reads all that it says, and until then nothing else', () => {
  let reading: ReturnType<typeof readByRules> | undefined;
  test.each(RULES.map(rule => [rule.id, rule] as const))('%s', async (_, rule) => {
    reading ??= readByRules();
    const read = (await reading).get(rule) ?? [];
    expect([...read].sort()).toEqual([...new Set(declaredBy(rule))].sort());
  });
});

test('no two rules have one name', () => {
  expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
});

/** The comment over each rule, where it is declared. */
function storiesOfRules(): ReadonlyMap<string, string> {
  const stories = new Map<string, string>();
  const declared = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export const \w+ = rule\(\s*'([\w-]+)'/g;
  for (const file of filesUnder('src/findings/rules')) {
    for (const [, comment = '', id = ''] of read(file).matchAll(declared)) {
      const words = comment
        .replace(/^\s*\*/gm, '')
        .replace(/\s+/g, ' ')
        .trim();
      stories.set(id, words);
    }
  }
  return stories;
}

test('docs/verdicts.md has each rule: what it looks for, and what it says on a machine of the tests', async () => {
  const stories = storiesOfRules();
  const outcomes = await playAll();
  const lines = RULES.flatMap((rule: Rule) => {
    const clues = outcomes.flatMap(({ facts }) => [...saidBy(rule, facts)]);
    const severities = SEVERITIES.filter(severity =>
      clues.some(clue => clue.severity === severity),
    );
    const worst = clues.find(({ severity }) => severity === severities[0]);
    const actions = ACTIONS.filter(action => clues.some(clue => clue.action === action));
    return [
      `**${rule.id}**: ${stories.get(rule.id)}  `,
      `${severities.join(', ')}; ${actions.join(', ')}. "${worst?.title}"`,
      '',
    ];
  });
  const page = read('docs/verdicts.md');
  const [before = '', after = ''] = page.split(
    /(?<=<!-- rules:begin -->\n)[\s\S]*(?=<!-- rules:end -->)/,
  );
  await expect(`${before}${lines.join('\n')}${after}`).toMatchFileSnapshot(
    '../../docs/verdicts.md',
  );
  // Alone it plays all machines, which a busy machine takes minutes for.
}, 600_000);
