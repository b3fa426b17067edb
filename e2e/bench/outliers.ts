import { type Found, foundBetweenNodes, foundWithinNodes } from '../../test/scenarios/injected.ts';
import { foundInSlowJobs } from '../../test/scenarios/slow-jobs.ts';
import { foundInUnseenJobs } from '../../test/scenarios/unseen-jobs.ts';
import type { Row } from './row.ts';

const GOAL = 0.9;

const rowOf = (name: string, { injected, precision, recall, f1 }: Found): Row => ({
  name,
  ours: `precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}, F1 ${f1.toFixed(3)} of ${injected}`,
  goal: `precision and F1 >= ${GOAL}`,
  met: precision >= GOAL && f1 >= GOAL,
  samples: { precision: [precision], recall: [recall], f1: [f1] },
});

/** How well faults that are put into simulated machines are found beside their healthy neighbours. */
export const outlierRows = async (): Promise<readonly Row[]> => [
  rowOf('O1 the odd GPU of a node', await foundWithinNodes()),
  rowOf('O1 the odd node of an answer', await foundBetweenNodes()),
];

/** Whom the GPUs of a simulated job wait for: in jobs that the rules were made with, and in others. */
export const stragglerRows = async (): Promise<readonly Row[]> =>
  [
    ['O2 whom a slow job waits for', await foundInSlowJobs()] as const,
    ['O2 the same in jobs of other shapes', foundInUnseenJobs({ seed: 211 })] as const,
  ].map(([name, { falseClaims, ...found }]) => {
    const row = rowOf(name, found);
    return {
      ...row,
      ours: `${row.ours}; ${falseClaims} false claims on a machine`,
      goal: `${row.goal}, no false claim`,
      met: row.met === true && falseClaims === 0,
    };
  });
