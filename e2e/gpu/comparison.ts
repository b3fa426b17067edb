import type { Reading } from '../../src/contract/reading.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { expectedPage, type Page, pagesOf } from '../../test/sim-nvml/nvidia-smi-page.ts';

export interface Compared {
  readonly gpu: number;
  readonly line: string;
  readonly is: 'same' | 'drifted' | 'different' | 'only theirs' | 'only ours';
  readonly theirs?: string | undefined;
  readonly ours?: string | undefined;
}

/** Each line of `nvidia-smi -q` beside what our readings of about the same second would print. */
export function compared(page: string, gpus: readonly GpuState[]): Compared[] {
  const pages = pagesOf(page);
  return gpus.flatMap((state, gpu) => {
    const theirs = pages[gpu] ?? {};
    const ours = ofToday(state);
    const lines = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
    return lines.map(line => {
      const both = { theirs: theirs[line], ours: ours[line] };
      return { gpu, line, is: relation(line, both.theirs, both.ours), ...both };
    });
  });
}

function relation(
  line: string,
  theirs: string | undefined,
  ours: string | undefined,
): Compared['is'] {
  if (theirs === undefined) return 'only ours';
  if (ours === undefined) return 'only theirs';
  if (theirs === ours) return 'same';
  return mayDrift(line, theirs, ours) ? 'drifted' : 'different';
}

interface Drift {
  readonly lines: RegExp;
  /** How far apart two looks of one second may be: a share of the larger, or so much. */
  readonly share: number;
  readonly least: number;
}

/** What moves from one second to the next; all other lines are equal or wrong. */
const DRIFTS: readonly Drift[] = [
  { lines: /Power Draw$/, share: 0.4, least: 15 },
  // Within a second of an idle GPU's waking they are anything between 345 and 1980 MHz.
  { lines: /^Clocks\/(Graphics|SM)$/, share: 1, least: 0 },
  { lines: /^Temperature\/.* (Current|T\.Limit) Temp$/, share: 0, least: 3 },
  { lines: /^Utilization\//, share: 0.2, least: 10 },
  { lines: /^Clocks Event Reasons Counters\//, share: 0, least: 3_000_000 },
];

function mayDrift(line: string, theirs: string, ours: string): boolean {
  const drift = DRIFTS.find(({ lines }) => lines.test(line));
  const [theirNumber, ourNumber] = [Number.parseFloat(theirs), Number.parseFloat(ours)];
  if (!drift || !Number.isFinite(theirNumber) || !Number.isFinite(ourNumber)) return false;
  const most = Math.max(drift.least, drift.share * Math.max(theirNumber, ourNumber));
  return Math.abs(theirNumber - ourNumber) <= most;
}

/** The page of R550 as R580 prints it: other words for some lines, and more of them. */
function ofToday(gpu: GpuState): Page {
  const {
    'Utilization/Gpu': busy,
    'GPU Reset Status/Reset Required': _required,
    'GPU Reset Status/Drain and Reset Recommended': _recommended,
    ...rest
  } = expectedPage(gpu);
  return { ...rest, 'Utilization/GPU': busy ?? '-', ...memoryErrors(gpu), ...more(gpu) };
}

const text = <T>(reading: Reading<T>, said: (value: T) => string = String): string =>
  reading.ok ? said(reading.value) : 'N/A';
const yesNo = (yes: boolean): string => (yes ? 'Yes' : 'No');

function memoryErrors(gpu: GpuState): Page {
  const { sramErrors: sram, repairPending: repair } = gpu;
  const sources = 'ECC Errors/Aggregate Uncorrectable SRAM Sources';
  return {
    'ECC Errors/Volatile/SRAM Uncorrectable Parity': text(sram, errors =>
      String(errors.parityUncorrectedVolatile),
    ),
    'ECC Errors/Volatile/SRAM Uncorrectable SEC-DED': text(sram, errors =>
      String(errors.secDedUncorrectedVolatile),
    ),
    [`${sources}/SRAM L2`]: text(sram, ({ l2 }) => String(l2)),
    [`${sources}/SRAM SM`]: text(sram, ({ sm }) => String(sm)),
    [`${sources}/SRAM Microcontroller`]: text(sram, errors => String(errors.microcontroller)),
    [`${sources}/SRAM PCIE`]: text(sram, ({ pcie }) => String(pcie)),
    [`${sources}/SRAM Other`]: text(sram, ({ other }) => String(other)),
    'ECC Errors/Channel Repair Pending': text(repair, ({ channel }) => yesNo(channel)),
    'ECC Errors/TPC Repair Pending': text(repair, ({ tpc }) => yesNo(tpc)),
    'ECC Errors/Unrepairable Memory': text(gpu.unrepairableMemory, yesNo),
  };
}

function more(gpu: GpuState): Page {
  const { violations } = gpu;
  const counters = 'Clocks Event Reasons Counters';
  const microseconds = (ns: number): string => `${Math.floor(ns / 1000)} us`;
  return {
    [`${counters}/SW Power Capping`]: text(violations.powerNs, microseconds),
    [`${counters}/Sync Boost`]: text(violations.syncBoostNs, microseconds),
    [`${counters}/SW Thermal Slowdown`]: text(violations.swThermalNs, microseconds),
    'FB Memory Usage/Reserved': text(gpu.memory, ({ reservedBytes }) =>
      reservedBytes === undefined ? 'N/A' : `${Math.ceil(reservedBytes / 2 ** 20)} MiB`,
    ),
    'GPU Recovery Action': text(gpu.recoveryAction, code => (code === 0 ? 'None' : String(code))),
    'Addressing Mode': text(gpu.addressingMode, mode => (mode === 'none' ? 'None' : mode)),
    'GPU Virtualization Mode/Virtualization Mode': text(gpu.virtualizationMode, mode =>
      mode === 'passthrough' ? 'Pass-Through' : mode,
    ),
    'Platform Info/Module Id': text(gpu.moduleId),
  };
}
