import { describe, expect, test } from 'vitest';
import { HOSTILE } from './hostile.ts';
import { ASKED, type Liar, taintedSession, taintsOf } from './tainted.ts';

/** One of each kind: pods and jobs, a lost GPU, MIG, the network, the operator, no driver, a full disk. */
const MACHINES = [
  ...['job-lost-gpu', 'lost-gpu', 'mig-a100', 'network-down', 'operator-stuck', 'no-driver'],
  ...['training-job', 'ecc-row-remap'],
];

describe.each(MACHINES)('on %s', machine => {
  describe.each<Liar>(['node', 'agent'])('words of a hostile %s', liar => {
    test.each(HOSTILE)('%s: reach nobody', async (_what, words) => {
      const session = taintedSession(machine, words, liar);
      for (const tool of ASKED) expect(await taintsOf(session, tool, liar)).toEqual([]);
      await session.close();
    });
  });
});
