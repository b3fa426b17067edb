import { afterAll, describe, expect, test } from 'vitest';
import { ACTIONS, Finding, SEVERITIES } from '../../src/contract/finding.ts';
import type { Clue } from '../../src/findings/clue.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { Rule } from '../../src/findings/rule.ts';
import { RULES } from '../../src/findings/rules.ts';
import { isToldBy } from '../../src/report/person-words.ts';
import { recorder } from '../fakes/recording.ts';
import { filesUnder, read } from '../house/files.ts';
import { declaredBy } from '../matrix/readings.ts';
import { forgetOutcomes, outcomeOf, playAll, SCENARIOS } from './index.ts';
import { confusionMatrix } from './matrix.ts';
import { idOf, isSerious, type Outcome, pageOf } from './scenario.ts';

afterAll(() => {
  forgetOutcomes();
  said.clear();
});

// Each is played inside its test: mutation testing then knows which code which machine is about.
describe('every machine gets its verdict and exactly its findings, each of them whole', () => {
  test.each(SCENARIOS.map(scenario => [scenario.name, scenario] as const))(
    '%s',
    async (_name, scenario) => {
      const outcome = await outcomeOf(scenario);
      const { verdict, findings } = outcome.diagnosis;
      expect({ verdict, findings: findings.map(idOf) }).toEqual({
        verdict: scenario.verdict,
        findings: scenario.findings,
      });
      blamesWhoIsToBlame(outcome);
      for (const finding of findings) {
        saysWhatWasReadAndWhatNext(finding);
        saysWhatWouldChangeIt(finding);
        saysNothingTwice(finding);
      }
      if (findings.length > 0) expect(`\n${findings.map(pageOf).join('\n')}`).toMatchSnapshot();
      for (const text of textsIn(findings)) {
        expect(text, 'no control or bidirectional characters of the node').not.toMatch(
          /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u,
        );
      }
    },
  );
});

/** The worst finding does, wherever it is known. */
function blamesWhoIsToBlame({ scenario, diagnosis }: Outcome): void {
  const worst = diagnosis.findings.find(isSerious);
  if (worst && scenario.truth !== 'unknown') expect(worst.blame).toBe(scenario.truth);
}

function saysWhatWasReadAndWhatNext(finding: Finding): void {
  expect(Finding.parse(finding)).toEqual(finding);
  expect(finding.evidence.length, finding.id).toBeGreaterThan(0);
  expect(finding.title + finding.advice, finding.id).not.toMatch(/undefined|NaN|\[object/);
  for (const { what, source } of finding.evidence) {
    expect([what, source].join(' '), finding.id).not.toMatch(/undefined|NaN|\[object/);
  }
}

/** What was read is said in words of its own: none of it is the headline with something beside it. */
function saysNothingTwice({ id, title, evidence }: Finding): void {
  const twice = evidence.filter(({ what }) => isToldBy(what, title)).map(({ what }) => what);
  expect(twice, id).toEqual([]);
}

/** Every finding that blames a part of the GPU or a program does. */
function saysWhatWouldChangeIt(finding: Finding): void {
  if (!isSerious(finding)) return;
  if (!['hardware', 'driver', 'fabric', 'application'].includes(finding.blame)) return;
  expect(finding.wouldChange, finding.id).toBeDefined();
}

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

const textsIn = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(textsIn)
      : [];
