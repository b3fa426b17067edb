import { describe, expect, test } from 'vitest';
import { HOSTILE } from './hostile.ts';
import { ASKED, type Liar, taintedSession, taintsOf } from './tainted.ts';

/** Pods and jobs beside a lost GPU; MIG; the cluster's own words; and an agent that is none of ours. */
const CASES: readonly (readonly [string, Liar])[] = [
  ['job-lost-gpu', 'node'],
  ['mig-a100', 'node'],
  ['operator-stuck', 'node'],
  ['job-lost-gpu', 'agent'],
];

describe.each(CASES)('on %s, words of a hostile %s', (machine, liar) => {
  test.each(HOSTILE)('%s: reach nobody', async (_what, words) => {
    const session = taintedSession(machine, words, liar);
    for (const tool of ASKED) expect(await taintsOf(session, tool, liar)).toEqual([]);
    await session.close();
  });
});
