import { COUNTS } from './counts.ts';
import { DRIVER } from './driver.ts';
import { FABRIC } from './fabric.ts';
import { HEALTHY } from './healthy.ts';
import { HEAT_AND_POWER } from './heat-and-power.ts';
import { CLUSTER, HOST } from './host.ts';
import { HOST_SETTINGS } from './host-settings.ts';
import { LINK_ERRORS } from './link-errors.ts';
import { LINKS } from './links.ts';
import { LOST } from './lost.ts';
import { confusionMatrix, matrixText } from './matrix.ts';
import { MEMORY } from './memory.ts';
import { NETWORK } from './network.ts';
import { ONE_READING } from './one-reading.ts';
import { PAST } from './past.ts';
import { PCIE } from './pcie.ts';
import { PODS, PROGRAMS } from './programs.ts';
import { REPEATS } from './repeats.ts';
import { type Outcome, play, type Scenario } from './scenario.ts';
import { SETTINGS } from './settings.ts';
import { TOGETHER } from './together.ts';
import { UNREAD } from './unread.ts';

/** Every scenario, once. */
export const SCENARIOS: readonly Scenario[] = [
  ...HEALTHY,
  ...DRIVER,
  ...LOST,
  ...MEMORY,
  ...LINKS,
  ...LINK_ERRORS,
  ...FABRIC,
  ...PCIE,
  ...HEAT_AND_POWER,
  ...SETTINGS,
  ...PROGRAMS,
  ...PODS,
  ...REPEATS,
  ...HOST,
  ...NETWORK,
  ...HOST_SETTINGS,
  ...CLUSTER,
  ...COUNTS,
  ...TOGETHER,
  ...UNREAD,
  ...PAST,
  ...ONE_READING,
];

async function playEach(): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const scenario of SCENARIOS) outcomes.push(await play(scenario));
  return outcomes;
}

let played: Promise<readonly Outcome[]> | undefined;

/** Plays all of them, one after the other, and once for all tests of one process. */
export function playAll(): Promise<readonly Outcome[]> {
  played ??= playEach();
  return played;
}

/** The confusion matrix over all scenarios, as text: for a bench or a report. */
export const scenarioMatrix = async (): Promise<string> =>
  matrixText(confusionMatrix(await playAll()));
