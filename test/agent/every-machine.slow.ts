import { describe, test } from 'vitest';
import { MACHINE_NAMES } from '../../src/simulation/machine.ts';
import {
  hasNoLeakWithoutProcesses,
  isNoBetterNorWorseInPod,
  isNotWorseRestricted,
} from './smaller-profiles.ts';

describe.each(MACHINE_NAMES)('%s', machine => {
  test('is not called healthy from within a pod, or worse than it is', () =>
    isNoBetterNorWorseInPod(machine));

  test('has no leaked memory from within a pod whose processes may be those of others', () =>
    hasNoLeakWithoutProcesses(machine));

  test('is not called worse than it is by a restricted session', () =>
    isNotWorseRestricted(machine));
});
