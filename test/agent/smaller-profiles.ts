import { expect } from 'vitest';
import { ephemeralInstruments } from '../../src/agent/ephemeral.ts';
import { restrictedInstruments } from '../../src/agent/restricted.ts';
import type { KernelLog } from '../../src/kernel-log/port.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { judged, judgedBy } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

export const POD = '1b4e28ba-2fa1-11d2-883f-0016d3cca427';

/** What an agent in a container of this pod may read. */
export const inPod = (of: Instruments, hasGpus = true, hasProcess = true) =>
  ephemeralInstruments(of, POD, {
    hasGpus: async () => hasGpus,
    hasProcess: async () => hasProcess,
  });

/** What an agent without privileges may read. */
export const restricted = (of: Instruments, hasDevices = true) =>
  restrictedInstruments({ ...of, kernelLog: asRing(of) }, async () => hasDevices);

/** A simulated machine's log, whatever source it is asked of. */
const asRing = ({ kernelLog }: Instruments): KernelLog => ({
  scan: ({ sources: _, ...window }, visit, until) => kernelLog.scan(window, visit, until),
});

/** Those of which a smaller profile says something else than a whole one, and a healthy one. */
export const FEW = [
  'dgx-h100',
  'fabric-manager-missing',
  'job-lost-gpu',
  'lost-gpu',
  'hung-driver',
];

/** Who would have told the cause is not seen: what came of it is told in its place. */
const WORSE_IN_POD: Readonly<Record<string, readonly string[]>> = {
  'fabric-manager-missing': ['fabric-not-ready'],
  'job-lost-gpu': ['lost-gpu:6'],
  'lost-gpu': ['lost-gpu:3'],
};

export async function isNoBetterNorWorseInPod(machine: string): Promise<void> {
  const seen = await judged(machine);
  const { verdict, ids } = await judgedBy(inPod(instrumentsOf(machine)));
  expect(verdict).not.toBe('healthy');
  expect(ids.filter(id => !seen.ids.includes(id))).toEqual(WORSE_IN_POD[machine] ?? []);
}

export async function hasNoLeakWithoutProcesses(machine: string): Promise<void> {
  const { verdict, ids } = await judgedBy(inPod(instrumentsOf(machine), true, false));
  expect(ids.join()).not.toContain('leaked-context');
  expect(verdict).not.toBe('healthy');
}

export async function isNotWorseRestricted(machine: string): Promise<void> {
  const seen = await judged(machine);
  const { ids } = await judgedBy(restricted(instrumentsOf(machine)));
  const more = ids.filter(id => !seen.ids.includes(id));
  expect(more).toEqual(machine === 'fabric-manager-missing' ? ['fabric-not-ready'] : []);
}
