import { shell } from '../../contract/printed-command.ts';
import { known, mapReading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { countsFarAbove, likeIt } from '../support/neighbours.ts';
import { earlierGpu, perSecond } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';
import { memoryClue, remapEvidence, type Sign } from './memory-errors.ts';

/** Memory that works, and whose repairs come to their end. */
export const memoryWear = rule(
  'memory-wear',
  {
    gpu: {
      decides: [
        ...['remappedRows', 'remapHistogram', 'bankRemapper', 'sramUniqueErrors'],
        ...['retiredPagesDoubleBit', 'retiredPagesSingleBit'],
      ],
      tells: [...GPU_NAMES],
    },
  } as const,
  facts => facts.driver.gpus.flatMap(gpu => SIGNS.flatMap(sign => sign(facts, gpu) ?? [])),
);

const banksText = (banks: Extract<GpuState['remapHistogram'], { ok: true }>['value']): string =>
  `all ${banks.max}, many ${banks.high}, some ${banks.partial}, few ${banks.low}, none ${banks.none}`;

const banksExhausted: Sign = (facts, gpu) => {
  const banks = known(gpu.remapHistogram);
  if (!banks || banks.none === 0) return undefined;
  return memoryClue(gpu, 'remap-banks-exhausted', {
    severity: 'warning',
    title: `${gpuName(gpu)} has ${banks.none} memory bank${banks.none === 1 ? '' : 's'} without a spare row left`,
    sign: 'a memory bank has no spare row left',
    action: 'contact_support',
    advice:
      'Plan the replacement of this GPU: the next failed row in such a bank cannot be remapped.',
    evidence: [
      nvmlEvidence(
        facts,
        `banks by spare rows left: ${banksText(banks)}`,
        shell`nvidia-smi -i ${gpu.index} -q -d ROW_REMAPPER`,
      ),
    ],
    counterEvidence: known(gpu.remappedRows)?.failureOccurred ? [] : ['no remap has failed so far'],
  });
};

const worn: Sign = (facts, gpu) => {
  const rows = known(gpu.remappedRows)?.uncorrected ?? 0;
  const pages = (known(gpu.retiredPagesSingleBit) ?? 0) + (known(gpu.retiredPagesDoubleBit) ?? 0);
  const { uncorrectedRemaps, retiredPages } = THRESHOLDS;
  const byRows = rows >= uncorrectedRemaps.value;
  if (!byRows && pages < retiredPages.value) return nearLimit(facts, gpu);
  const limit = byRows ? uncorrectedRemaps : retiredPages;
  const what = byRows ? `${rows} remapped rows` : `${pages} retired pages`;
  return memoryClue(gpu, byRows ? 'row-remap-limit' : 'retired-pages-limit', {
    severity: 'warning',
    title: `${gpuName(gpu)} has worn memory: ${what}`,
    sign: what,
    action: 'contact_support',
    advice: 'Plan the replacement of this GPU and open a case with nvidia-bug-report.',
    evidence: [
      nvmlEvidence(
        facts,
        `${what}; the limit is ${limit.value} (${limit.source})`,
        shell`nvidia-smi -i ${gpu.index} -q -d PAGE_RETIREMENT,ROW_REMAPPER`,
      ),
    ],
  });
};

/** Each remapped row had errors that could not be corrected, or kept coming back. */
const nearLimit: Sign = (facts, gpu) => {
  const { corrected = 0, uncorrected = 0 } = known(gpu.remappedRows) ?? {};
  const { remapsNearLimit: near, uncorrectedRemaps: limit } = THRESHOLDS;
  const rows = corrected + uncorrected;
  if (rows < near.value) return undefined;
  return memoryClue(gpu, 'row-remaps-many', {
    severity: 'warning',
    title: `${gpuName(gpu)} has remapped ${rows} memory rows: its memory wears out`,
    sign: `${rows} remapped rows`,
    action: 'watch',
    advice: 'Keep long jobs off this GPU, and plan its replacement.',
    evidence: [
      remapEvidence(
        facts,
        gpu,
        `remapped: ${corrected} for corrected, ${uncorrected} for uncorrected errors; the limit is ${limit.value} (${limit.source})`,
      ),
    ],
    wouldChange: 'A count that stays where it is for weeks.',
  });
};

/** One address that fails again is a broken cell and no stray particle. */
const sameAddress: Sign = (facts, gpu) => {
  const worst = known(gpu.sramUniqueErrors)?.worst[0];
  if (!worst || worst.count < 2) return undefined;
  return memoryClue(gpu, 'sram-address-repeats', {
    severity: 'warning',
    title: `${gpuName(gpu)} had ${worst.count} uncorrected errors at one address of its SRAM`,
    sign: 'one address of its SRAM fails again and again',
    action: 'contact_support',
    advice:
      'Run the field diagnostics of NVIDIA and open a case: a cell that fails again is broken.',
    evidence: [
      nvmlEvidence(
        facts,
        `SRAM address ${worst.address} of unit ${worst.unit}: ${worst.count} uncorrected errors`,
        shell`nvidia-smi -i ${gpu.index} -q -d ECC`,
      ),
    ],
  });
};

const banksLow: Sign = (facts, gpu) => {
  const banks = known(gpu.remapHistogram);
  if (!banks || banks.none > 0 || banks.low === 0) return undefined;
  return memoryClue(gpu, 'remap-banks-low', {
    severity: 'warning',
    title: `${gpuName(gpu)} has ${banks.low} memory bank${banks.low === 1 ? '' : 's'} with hardly a spare row left`,
    sign: 'a memory bank has hardly a spare row left',
    action: 'watch',
    advice:
      'Keep an eye on this GPU: once a bank has no spare row, its next failure needs a new GPU.',
    evidence: [
      nvmlEvidence(
        facts,
        `banks by spare rows left: ${banksText(banks)}`,
        shell`nvidia-smi -i ${gpu.index} -q -d ROW_REMAPPER`,
      ),
    ],
    wouldChange: 'The same histogram months from now.',
  });
};

const noSpareBanks: Sign = (facts, gpu) => {
  const banks = known(gpu.bankRemapper);
  if (!banks || banks.groupsWithoutSpare === 0) return undefined;
  const { groupsWithoutSpare: none, groupsWithAllSpares: all, active, inactive } = banks;
  return memoryClue(gpu, 'spare-banks-exhausted', {
    severity: 'warning',
    title: `${gpuName(gpu)} has ${none} group${none === 1 ? '' : 's'} of memory banks without a spare bank left`,
    sign: 'a group of memory banks has no spare left',
    action: 'contact_support',
    advice: 'Plan the replacement of this GPU: the next failed bank in such a group has no spare.',
    evidence: [
      nvmlEvidence(
        facts,
        `bank groups with all spares ${all}, with none ${none}; remapped banks: ${active} active, ${inactive} inactive`,
        shell`nvidia-smi -i ${gpu.index} -q -d ECC`,
      ),
    ],
  });
};

const SIGNS: readonly Sign[] = [banksExhausted, noSpareBanks, banksLow, worn, sameAddress];

/**
 * Corrected errors harm no result, but each takes time, and a flood of them is memory that fails.
 * They are judged by how fast they come, by their sum, and beside the neighbours.
 */
export const correctedErrors = rule(
  'corrected-errors',
  {
    gpu: {
      decides: [
        ...['eccCorrectedVolatile', 'eccCorrectedAggregate', 'sramErrors'],
        ...['eccByLocation.sramCorrectedVolatile', 'eccByLocation.sramCorrectedAggregate'],
        ...['eccByLocation.dramCorrectedVolatile', 'eccByLocation.dramCorrectedAggregate'],
      ],
      tells: [...GPU_NAMES],
    },
    earlier: true,
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      const why = tooMany(facts, gpu);
      if (why === undefined) return [];
      return [
        gpuClue(gpu, 'ecc-corrected', {
          cause: 'memory',
          sign: 'a flood of corrected ECC errors',
          severity: 'warning',
          component: 'memory',
          title: `${gpuName(gpu)} has a flood of corrected ECC errors: ${why.what}`,
          action: 'contact_support',
          advice:
            'Results are right, but each correction takes time, and the memory wears: move long jobs off this GPU and open a case with nvidia-bug-report.',
          blame: 'hardware',
          confidence: why.confidence,
          evidence: [nvmlEvidence(facts, why.text, shell`nvidia-smi -i ${gpu.index} -q -d ECC`)],
          wouldChange: 'Counts that stand still under load, after a reset of this GPU.',
        }),
      ];
    }),
);

interface Flood {
  readonly what: string;
  readonly text: string;
  readonly confidence: 'high' | 'medium';
}

function tooMany(facts: NodeFacts, gpu: GpuState): Flood | undefined {
  const now = known(gpu.eccCorrectedVolatile) ?? 0;
  const earlier = earlierGpu(facts, gpu);
  const rate = perSecond(facts, now, earlier && known(earlier.eccCorrectedVolatile)) ?? 0;
  const { correctedPerSecond, correctedCompared } = THRESHOLDS;
  if (rate >= correctedPerSecond.value) {
    const what = `${Math.round(rate)} a second`;
    return { what, text: `corrected: ${what}, ${now} volatile`, confidence: 'high' };
  }
  for (const { place, since, counts, limit } of sumsOf(gpu)) {
    const most = Math.max(0, ...counts.flatMap(count => known(count) ?? []));
    if (most <= limit.value) continue;
    return {
      what: `${most}${place}${since}`,
      text: `corrected${place}: ${most}${since}; the limit is ${limit.value} (${limit.source})`,
      confidence: 'high',
    };
  }
  const others = likeIt(facts, gpu).flatMap(other => known(other.eccCorrectedVolatile) ?? []);
  const { value } = correctedCompared;
  if (!countsFarAbove(now, others, value)) return undefined;
  return {
    what: `${now}${VOLATILE}`,
    text: `corrected: ${now} volatile; neighbours ${others.join(', ')}`,
    confidence: 'medium',
  };
}

const VOLATILE = ' since the driver was loaded';
const AGGREGATE = ' in its life';

/** What Azure's check compares with its limits, and the totals, which may count what no place does. */
const sumsOf = (gpu: GpuState) => {
  const { eccByLocation: by, sramErrors, eccCorrectedVolatile, eccCorrectedAggregate } = gpu;
  return [
    {
      place: ' in SRAM',
      since: VOLATILE,
      counts: [by.sramCorrectedVolatile, mapReading(sramErrors, sram => sram.correctedVolatile)],
      limit: THRESHOLDS.correctedSram,
    },
    {
      place: ' in SRAM',
      since: AGGREGATE,
      counts: [by.sramCorrectedAggregate, mapReading(sramErrors, sram => sram.correctedAggregate)],
      limit: THRESHOLDS.correctedSram,
    },
    {
      place: '',
      since: VOLATILE,
      counts: [eccCorrectedVolatile, by.dramCorrectedVolatile],
      limit: THRESHOLDS.corrected,
    },
    {
      place: '',
      since: AGGREGATE,
      counts: [eccCorrectedAggregate, by.dramCorrectedAggregate],
      limit: THRESHOLDS.corrected,
    },
  ] as const;
};
