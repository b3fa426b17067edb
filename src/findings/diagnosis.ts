import * as z from 'zod';
import { ACTIONS, type Finding, SEVERITIES } from '../contract/finding.ts';
import type { Reading } from '../contract/reading.ts';
import { driverState } from './driver-state.ts';
import { driverUnresponsive } from './driver-unresponsive.ts';
import type { NodeFacts, Rule } from './facts.ts';
import { kernelIncidents } from './kernel-incidents.ts';
import { lostGpu } from './lost-gpu.ts';
import { memoryErrors } from './memory-errors.ts';
import { pcieWidth } from './pcie-width.ts';
import { recoveryAction } from './recovery-action.ts';
import { slowdown } from './slowdown.ts';

/** Every rule, once. */
export const RULES: readonly Rule[] = [
  driverUnresponsive,
  driverState,
  lostGpu,
  recoveryAction,
  memoryErrors,
  slowdown,
  pcieWidth,
  kernelIncidents,
];

export const Verdict = z.enum(['critical', 'warning', 'healthy', 'unknown']);
export type Verdict = z.infer<typeof Verdict>;

export interface Diagnosis {
  readonly verdict: Verdict;
  /** Why the verdict is not simply the worst finding: what could not be read. */
  readonly gaps: readonly string[];
  /** Worst first. */
  readonly findings: readonly Finding[];
  readonly readings: { readonly tried: number; readonly got: number };
}

/** Facts to findings and a verdict; `healthy` only when enough was read to say so. */
export function diagnose(facts: NodeFacts): Diagnosis {
  const findings = RULES.flatMap(rule => rule(facts)).toSorted(byWeight);
  const gaps = gapsOf(facts);
  const worst = findings.find(finding => finding.severity !== 'info');
  const verdict =
    worst?.severity === 'critical'
      ? 'critical'
      : worst?.severity === 'warning'
        ? 'warning'
        : gaps.length > 0
          ? 'unknown'
          : 'healthy';
  return { verdict, gaps, findings, readings: countReadings(facts) };
}

const byWeight = (a: Finding, b: Finding): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  ACTIONS.indexOf(b.action) - ACTIONS.indexOf(a.action);

/** What must have been read before anything may be called healthy. */
function gapsOf(facts: NodeFacts): readonly string[] {
  const { driver, log, host } = facts;
  const gaps: string[] = [];
  if (!driver.initialized.ok) gaps.push(`NVML: ${driver.initialized.reason}`);
  if (driver.initialized.ok && driver.gpus.length === 0) gaps.push('NVML counts no GPU');
  for (const gpu of driver.gpus) {
    const absent = (
      [
        ['memory', gpu.memory],
        ['temperature', gpu.temperatureC],
        ['clocks event reasons', gpu.clocksEventReasons],
        ['ECC', gpu.eccUncorrectedVolatile],
      ] satisfies [string, Reading<unknown>][]
    ).filter(([, reading]) => !reading.ok && reading.reason !== 'not_supported');
    if (absent.length > 0) {
      gaps.push(`GPU ${gpu.index}: ${absent.map(([name]) => name).join(', ')} not read`);
    }
  }
  if (!host.pciDevices.ok) gaps.push(`PCI bus: ${host.pciDevices.reason}`);
  if (!log) gaps.push('the kernel log was not searched');
  else if (!log.coverage.some(source => source.available)) gaps.push('no kernel log could be read');
  return gaps;
}

/** How many readings of the driver were tried and how many gave a value or "not supported". */
export function countReadings(facts: NodeFacts): { tried: number; got: number } {
  const readings = [facts.driver, ...facts.driver.gpus].flatMap(part =>
    Object.values(part).filter(isReading),
  );
  const got = readings.filter(reading => reading.ok || reading.reason === 'not_supported');
  return { tried: readings.length, got: got.length };
}

const isReading = (value: unknown): value is Reading<unknown> =>
  typeof value === 'object' && value !== null && 'ok' in value;
