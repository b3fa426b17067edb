import type { Evidence } from '../../contract/finding.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';

/**
 * What the memory of each GPU asks for. A lifetime (aggregate) count alone is no fault: NVIDIA's
 * policy looks at volatile counts, pending remaps, failures and the driver's own SRAM flag.
 */
export const memoryErrors = rule(
  'memory-errors',
  {
    gpu: {
      decides: [
        ...['eccUncorrectedVolatile', 'remappedRows', 'retiredPagesPending', 'sramErrors'],
        ...['eccByLocation.sramUncorrectedVolatile', 'eccByLocation.dramUncorrectedVolatile'],
        ...['unrepairableMemory', 'repairPending', 'bankRemapper'],
      ],
      tells: [...GPU_NAMES, 'recoveryAction', 'eccUncorrectedAggregate'],
    },
  } as const,
  facts => facts.driver.gpus.flatMap(gpu => SIGNS.flatMap(sign => sign(facts, gpu) ?? [])),
);

export type Sign = (facts: NodeFacts, gpu: GpuState) => Clue | undefined;

/** Common to all of them: they are signs of one cause, the memory of this GPU. */
export const memoryClue = (
  gpu: GpuState,
  rule: string,
  parts: Pick<Clue, 'sign' | 'severity' | 'title' | 'action' | 'advice' | 'evidence'> &
    Partial<Pick<Clue, 'counterEvidence' | 'wouldChange'>>,
): Clue =>
  gpuClue(gpu, rule, {
    cause: 'memory',
    component: 'memory',
    blame: 'hardware',
    confidence: 'high',
    wouldChange:
      parts.action === 'contact_support'
        ? 'A clean run of the field diagnostics of NVIDIA.'
        : 'The same reading again after the reset makes it a case for NVIDIA.',
    ...parts,
  });

export const remapEvidence = (facts: NodeFacts, gpu: GpuState, what: string): Evidence =>
  nvmlEvidence(
    facts,
    what,
    shell`nvidia-smi -i ${gpu.index} --query-remapped-rows=gpu_uuid,remapped_rows.correctable,remapped_rows.uncorrectable,remapped_rows.pending,remapped_rows.failure --format=csv`,
  );

const SUPPORT =
  'Drain the node and open a case for this GPU with nvidia-bug-report; a reset does not cure it.';

const remapFailed: Sign = (facts, gpu) => {
  const rows = known(gpu.remappedRows);
  if (!rows?.failureOccurred) return undefined;
  return memoryClue(gpu, 'row-remap-failed', {
    severity: 'critical',
    title: `${gpuName(gpu)} could not remap a failed memory row`,
    sign: 'a row remap has failed',
    action: 'contact_support',
    advice: SUPPORT,
    evidence: [
      remapEvidence(
        facts,
        gpu,
        `row remapping failure occurred; remapped so far: ${rows.corrected} for corrected, ${rows.uncorrected} for uncorrected errors`,
      ),
    ],
  });
};

const unrepairable: Sign = (facts, gpu) =>
  known(gpu.unrepairableMemory)
    ? memoryClue(gpu, 'memory-unrepairable', {
        severity: 'critical',
        title: `${gpuName(gpu)} has memory that its driver cannot repair`,
        sign: 'its memory cannot be repaired',
        action: 'contact_support',
        advice: SUPPORT,
        evidence: [
          nvmlEvidence(
            facts,
            'unrepairable memory: yes',
            shell`nvidia-smi -i ${gpu.index} -q -d ECC`,
          ),
        ],
      })
    : undefined;

const sramThreshold: Sign = (facts, gpu) => {
  const sram = known(gpu.sramErrors);
  if (!sram?.thresholdExceeded) return undefined;
  return memoryClue(gpu, 'sram-threshold', {
    severity: 'critical',
    title: `${gpuName(gpu)} has more uncorrected SRAM errors than NVIDIA's threshold allows`,
    sign: 'the SRAM error threshold is exceeded',
    action: 'contact_support',
    advice: 'Drain the node, run the field diagnostics of NVIDIA and open a case for this GPU.',
    evidence: [
      nvmlEvidence(
        facts,
        `SRAM threshold exceeded: yes; in its lifetime uncorrected in L2 ${sram.l2}, SM ${sram.sm}, microcontrollers ${sram.microcontroller}, PCIe ${sram.pcie}, other ${sram.other}`,
        shell`nvidia-smi -i ${gpu.index} -q -d ECC`,
      ),
    ],
  });
};

const uncorrectedVolatile: Sign = (facts, gpu) => {
  const count = uncorrectedOf(gpu);
  if (count === 0) return undefined;
  const { eccByLocation, eccUncorrectedAggregate: aggregate, remappedRows } = gpu;
  const where = (
    [
      ['SRAM', eccByLocation.sramUncorrectedVolatile],
      ['DRAM', eccByLocation.dramUncorrectedVolatile],
    ] as const
  ).flatMap(([name, reading]) =>
    reading.ok && reading.value > 0 ? `${name} ${reading.value}` : [],
  );
  return memoryClue(gpu, 'ecc-uncorrected', {
    severity: 'critical',
    title: `${gpuName(gpu)} has ${count} uncorrected ECC error${count === 1 ? '' : 's'} since the driver was loaded`,
    sign: `${count} uncorrected ECC error${count === 1 ? '' : 's'}`,
    action: 'drain_and_reset',
    advice: `Drain what uses ${gpuName(gpu)} and reset it; if the errors come back, open a case with nvidia-bug-report.`,
    evidence: [
      nvmlEvidence(
        facts,
        `uncorrected: ${count} volatile${where.length > 0 ? ` (${where.join(', ')})` : ''}${aggregate.ok ? `, ${aggregate.value} in its lifetime` : ''}`,
        shell`nvidia-smi -i ${gpu.index} -q -d ECC`,
      ),
    ],
    counterEvidence: [
      ...(remappedRows.ok && !remappedRows.value.pending ? ['no row remap is pending'] : []),
      ...(known(gpu.recoveryAction) === 0 ? ['the driver asks for no recovery now'] : []),
    ],
    wouldChange: 'Errors that come back after the reset make it a case for NVIDIA.',
  });
};

/** The total, or what its parts add up to where it is missing or says less. */
function uncorrectedOf({ eccUncorrectedVolatile, eccByLocation, sramErrors }: GpuState): number {
  const sram = known(sramErrors);
  const inSram = Math.max(
    known(eccByLocation.sramUncorrectedVolatile) ?? 0,
    sram ? sram.parityUncorrectedVolatile + sram.secDedUncorrectedVolatile : 0,
  );
  const inDram = known(eccByLocation.dramUncorrectedVolatile) ?? 0;
  return Math.max(known(eccUncorrectedVolatile) ?? 0, inSram + inDram);
}

const remapPending: Sign = (facts, gpu) => {
  const rows = known(gpu.remappedRows)?.pending;
  const pages = known(gpu.retiredPagesPending);
  if (!rows && !pages) return undefined;
  const what = rows ? 'row remap' : 'page retirement';
  return memoryClue(gpu, rows ? 'row-remap-pending' : 'page-retirement-pending', {
    severity: 'warning',
    title: `${gpuName(gpu)} has a ${what} pending: a reset makes it take effect`,
    sign: `a ${what} is pending`,
    action: 'drain_and_reset',
    advice: `Let the jobs on ${gpuName(gpu)} end, then reset it; until then the bad memory is still in use.`,
    evidence: [
      rows
        ? remapEvidence(facts, gpu, 'row remap pending: yes')
        : nvmlEvidence(
            facts,
            'page retirement pending: yes',
            shell`nvidia-smi -i ${gpu.index} -q -d PAGE_RETIREMENT`,
          ),
    ],
  });
};

const repairPending: Sign = (facts, gpu) => {
  const pending = known(gpu.repairPending);
  if (!pending?.channel && !pending?.tpc) return undefined;
  const what = pending.channel ? 'memory channel' : 'texture processing cluster';
  return memoryClue(gpu, 'repair-pending', {
    severity: 'warning',
    title: `${gpuName(gpu)} has the repair of a ${what} pending: a reset makes it take effect`,
    sign: `the repair of a ${what} is pending`,
    action: 'drain_and_reset',
    advice: `Let the jobs on ${gpuName(gpu)} end, then reset it.`,
    evidence: [
      nvmlEvidence(facts, `repair of a ${what} pending: yes`, shell`nvidia-smi -i ${gpu.index} -q`),
    ],
  });
};

const bankRemapPending: Sign = (facts, gpu) =>
  known(gpu.bankRemapper)?.pending
    ? memoryClue(gpu, 'bank-remap-pending', {
        severity: 'warning',
        title: `${gpuName(gpu)} has the remap of a memory bank pending: a reset makes it take effect`,
        sign: 'the remap of a memory bank is pending',
        action: 'drain_and_reset',
        advice: `Let the jobs on ${gpuName(gpu)} end, then reset it; until then the bad bank is still in use.`,
        evidence: [
          nvmlEvidence(
            facts,
            'bank remap pending: yes',
            shell`nvidia-smi -i ${gpu.index} -q -d ECC`,
          ),
        ],
      })
    : undefined;

const SIGNS: readonly Sign[] = [
  remapFailed,
  unrepairable,
  sramThreshold,
  uncorrectedVolatile,
  remapPending,
  repairPending,
  bankRemapPending,
];
