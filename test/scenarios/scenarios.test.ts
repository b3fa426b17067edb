import { describe, expect, test } from 'vitest';
import { Finding } from '../../src/contract/finding.ts';
import { RULES } from '../../src/findings/rules.ts';
import { playAll, SCENARIOS } from './index.ts';
import { confusionMatrix } from './matrix.ts';
import { idOf, isSerious } from './scenario.ts';

const outcomes = await playAll();

describe('every machine gets its verdict and exactly its findings', () => {
  test.each(outcomes.map(outcome => [outcome.scenario.name, outcome] as const))(
    '%s',
    (_name, { scenario, diagnosis }) => {
      expect({
        verdict: diagnosis.verdict,
        findings: diagnosis.findings.map(idOf),
      }).toEqual({ verdict: scenario.verdict, findings: scenario.findings });
    },
  );
});

test('names are unique and there are at least 40 machines', () => {
  expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length);
  expect(SCENARIOS.length).toBeGreaterThanOrEqual(40);
});

test('no false all-clear, no healthy machine accused, no program’s fault blamed on hardware', () => {
  const { falseAllClear, healthyAccused, applicationBlamedOnHardware } = confusionMatrix(outcomes);
  expect({ falseAllClear, healthyAccused, applicationBlamedOnHardware }).toEqual({
    falseAllClear: [],
    healthyAccused: [],
    applicationBlamedOnHardware: [],
  });
});

test('the worst finding blames who is to blame, wherever it is known', () => {
  const wrong = outcomes.filter(({ scenario, diagnosis }) => {
    const worst = diagnosis.findings.find(isSerious);
    return worst && scenario.truth !== 'unknown' && worst.blame !== scenario.truth;
  });
  expect(wrong.map(({ scenario }) => scenario.name)).toEqual([]);
});

test('every rule is needed: some machine has a finding of it', () => {
  const silent = RULES.filter(rule => outcomes.every(({ facts }) => rule(facts).length === 0));
  expect(silent).toEqual([]);
});

test('every finding says what was read, where, and what to do next', () => {
  for (const { scenario, diagnosis } of outcomes) {
    for (const finding of diagnosis.findings) {
      expect(Finding.parse(finding), scenario.name).toEqual(finding);
      expect(finding.evidence.length, finding.id).toBeGreaterThan(0);
      expect(finding.title + finding.advice, finding.id).not.toMatch(/undefined|NaN|\[object/);
      for (const { what, source } of finding.evidence) {
        expect([what, source].join(' '), finding.id).not.toMatch(/undefined|NaN|\[object/);
      }
    }
  }
});

test('every finding that blames a part of the GPU or a program says what would change it', () => {
  const silent = outcomes.flatMap(({ diagnosis }) =>
    diagnosis.findings.filter(
      finding =>
        isSerious(finding) &&
        ['hardware', 'driver', 'fabric', 'application'].includes(finding.blame) &&
        finding.wouldChange === undefined,
    ),
  );
  expect(silent.map(({ id }) => id)).toEqual([]);
});

test('no finding carries control or bidirectional characters of the node', () => {
  for (const { diagnosis } of outcomes) {
    for (const text of textsIn(diagnosis.findings)) {
      expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }
  }
});

const textsIn = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(textsIn)
      : [];
