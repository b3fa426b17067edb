import { BESIDE } from './beside.ts';
import { CONTAINERS } from './containers.ts';
import { COUNTS } from './counts.ts';
import { DRIVER } from './driver.ts';
import { ERROR_RECORDS } from './error-records.ts';
import { FABRIC } from './fabric.ts';
import { GIVEN } from './given.ts';
import { GPU_LIMITS } from './gpu-limits.ts';
import { HEALTHY } from './healthy.ts';
import { HEAT } from './heat.ts';
import { HEAT_AND_POWER } from './heat-and-power.ts';
import { CLUSTER, HOST } from './host.ts';
import { HOST_LOG } from './host-log.ts';
import { HOST_SETTINGS } from './host-settings.ts';
import { LINK_ERRORS } from './link-errors.ts';
import { LINKS } from './links.ts';
import { LOST } from './lost.ts';
import { confusionMatrix, matrixText } from './matrix.ts';
import { MEMORY } from './memory.ts';
import { NETWORK } from './network.ts';
import { NODE_LIMITS } from './node-limits.ts';
import { ONE_READING } from './one-reading.ts';
import { PAST } from './past.ts';
import { PCIE } from './pcie.ts';
import { PODS, PROGRAMS } from './programs.ts';
import { REPEATS } from './repeats.ts';
import { type Outcome, play, type Scenario } from './scenario.ts';
import { SETTINGS } from './settings.ts';
import { STACK } from './stack.ts';
import { THREADS } from './threads.ts';
import { WELL_THREADS } from './threads-well.ts';
import { TOGETHER } from './together.ts';
import { UNDER_LOAD } from './under-load.ts';
import { UNREAD } from './unread.ts';
import { WHOSE } from './whose.ts';

/** Every scenario, once. */
export const SCENARIOS: readonly Scenario[] = [
  ...HEALTHY,
  ...DRIVER,
  ...LOST,
  ...MEMORY,
  ...LINKS,
  ...LINK_ERRORS,
  ...FABRIC,
  ...ERROR_RECORDS,
  ...PCIE,
  ...HEAT,
  ...HEAT_AND_POWER,
  ...UNDER_LOAD,
  ...SETTINGS,
  ...PROGRAMS,
  ...PODS,
  ...CONTAINERS,
  ...REPEATS,
  ...HOST,
  ...NETWORK,
  ...HOST_SETTINGS,
  ...CLUSTER,
  ...HOST_LOG,
  ...STACK,
  ...COUNTS,
  ...TOGETHER,
  ...UNREAD,
  ...PAST,
  ...ONE_READING,
  ...WHOSE,
  ...BESIDE,
  ...GIVEN,
  ...GPU_LIMITS,
  ...NODE_LIMITS,
  ...THREADS,
  ...WELL_THREADS,
];

const played = new Map<Scenario, Promise<Outcome>>();

/** Plays a scenario, once for all tests of one process. */
export function outcomeOf(scenario: Scenario): Promise<Outcome> {
  const outcome = played.get(scenario) ?? play(scenario);
  played.set(scenario, outcome);
  return outcome;
}

/** Lets go of what was played: hundreds of nodes, which every later test would carry along. */
export const forgetOutcomes = (): void => played.clear();

/** Plays all of them, one after the other. */
export async function playAll(): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const scenario of SCENARIOS) outcomes.push(await outcomeOf(scenario));
  return outcomes;
}

/** The confusion matrix over all scenarios, as text: for a bench or a report. */
export const scenarioMatrix = async (): Promise<string> =>
  matrixText(confusionMatrix(await playAll()));
