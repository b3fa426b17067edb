import {
  type Blame,
  type Finding,
  gpusOf,
  recorded,
  type Verdict,
} from '../../src/contract/finding.ts';
import { type Diagnosis, diagnose } from '../../src/findings/diagnosis.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';

/** One machine, what is really the matter with it, and what has to be told of it. */
export interface Scenario {
  /** A claim: what is wrong, or that nothing is. */
  readonly name: string;
  /** What is really the matter: who is to blame, or `healthy`. */
  readonly truth: Blame | 'healthy';
  /** A machine as data, of the form of the files in src/simulation/machines. */
  readonly machine: object;
  /** What no machine tells: a reading before, the cluster's view. */
  readonly facts?: (facts: NodeFacts) => NodeFacts;
  readonly verdict: Verdict;
  /** Ids of exactly the findings that are to be told, worst first, without a time. */
  readonly findings: readonly string[];
}

export interface Outcome {
  readonly scenario: Scenario;
  readonly facts: NodeFacts;
  readonly diagnosis: Diagnosis;
}

/** Reads the machine as the agent would, through the whole NVML adapter, and judges it. */
export async function play(scenario: Scenario): Promise<Outcome> {
  const read = await factsFor(machineFrom('scenario', scenario.machine));
  const facts = scenario.facts?.(read) ?? read;
  return { scenario, facts, diagnosis: diagnose(facts) };
}

/** `xid-31:0000:1b:00@2026-...` without its time. */
export const idOf = ({ id }: Finding): string => id.replace(/@.*/, '');

/** What makes someone get up: anything above info. */
export const isSerious = ({ severity }: Finding): boolean => severity !== 'info';

/** Every word of it is for the person on call: after a change `vitest -u`, and read what changed. */
export function pageOf(finding: Finding): string {
  const { id, severity, action, blame, confidence, component } = finding;
  const gpus = gpusOf(finding).map(({ index, pci, name }) => `GPU ${index} ${pci} ${name}`);
  const changes = finding.wouldChange;
  return [
    [id, component, ...gpus].join(' | '),
    [severity, action, blame, confidence].join(' | '),
    finding.title,
    finding.advice,
    ...finding.evidence.map(({ what, source, readAt, command, ...times }) =>
      [`+ ${what}`, source, recorded(times), readAt && `read at ${readAt}`, command]
        .filter(part => part !== undefined)
        .join(' | '),
    ),
    ...finding.counterEvidence.map(against => `- ${against}`),
    ...(changes === undefined ? [] : [`? ${changes}`]),
    '',
  ].join('\n');
}
