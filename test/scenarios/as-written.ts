import { expect } from 'vitest';
import { Finding } from '../../src/contract/finding.ts';
import type { Diagnosis } from '../../src/findings/diagnosis.ts';
import { isToldBy } from '../../src/report/person-words.ts';
import { outcomeOf } from './index.ts';
import { idOf, isSerious, type Outcome, type Scenario } from './scenario.ts';

/** Plays a machine and expects its verdict and exactly its findings, each of them whole. */
export async function asWritten(scenario: Scenario): Promise<Diagnosis> {
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
  for (const text of textsIn(findings)) {
    expect(text, 'no control or bidirectional characters of the node').not.toMatch(
      /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u,
    );
  }
  return outcome.diagnosis;
}

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

const textsIn = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(textsIn)
      : [];
