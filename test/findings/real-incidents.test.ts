import { expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';
import { REAL_INCIDENTS, realLine } from '../xid/fixtures.ts';

/** A healthy machine whose kernel log holds these lines of a real one, a millisecond apart. */
async function withLog(lines: readonly string[]) {
  const machine = machineFrom('real', {
    like: 'h100-sxm',
    kernelLog: {
      lines: lines.map((text, at) => ({ secondsAgo: 600 - at / 1_000, text })),
    },
  });
  return diagnose(await factsFor(machine));
}

test.each(REAL_INCIDENTS.map(incident => [incident.name, incident] as const))(
  '%s is one finding above info',
  async (_name, { lines, root }) => {
    const { findings } = await withLog(lines.map(id => realLine(id).message));
    const serious = findings.filter(({ severity }) => severity !== 'info');
    expect(serious.map(({ gpu }) => gpu?.pci)).toEqual([root.pci]);
    const [finding] = serious;
    expect(finding?.id).toMatch(
      root.xid === 119 || root.xid === 120 ? /^gsp-failure:/ : new RegExp(`^xid-${root.xid}:`),
    );
  },
);
