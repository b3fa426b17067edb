import { known } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { GpuState, Violations } from '../nvml/port.ts';
import type { NodeFacts } from './facts.ts';
import { NIC_COUNTERS } from './rules/nic-counters.ts';
import { errorsOfLink, linksOf, rareOfLink } from './rules/nvlink-errors.ts';
import { pcieCounts } from './rules/pcie-errors.ts';
import { slowdownReasons } from './rules/slowdown.ts';
import { isFarAbove, median } from './support/neighbours.ts';
import { nicsNearGpus } from './support/nics.ts';
import { THRESHOLDS } from './support/thresholds.ts';

/** Why counters should be read twice, and which: the driver's or the host's. */
export interface Reason {
  readonly of: 'driver' | 'host';
  readonly why: string;
}

/**
 * What in a first reading only a second one can settle: a bit that is set at this moment, a counter
 * that has no time. Nothing on a healthy node, whose counters are as those beside them.
 */
export const reasonsToLookAgain = (facts: NodeFacts): readonly Reason[] => {
  const { driver } = facts;
  // A driver that hangs is not asked again: each call would wait its whole limit.
  const answers = driver.initialized.ok && driver.unresponsive === undefined;
  return [
    ...(answers
      ? [
          ...slowed(facts),
          ...heldDown(facts),
          ...nvlinks(facts),
          ...pcie(facts),
          ...c2cErrors(facts),
          ...correctedEcc(facts),
        ]
      : []
    ).map(why => ({ of: 'driver' as const, why })),
    ...[...corrected(facts), ...ports(facts)].map(why => ({ of: 'host' as const, why })),
  ];
};

const slowed = ({ driver }: NodeFacts): readonly string[] =>
  driver.gpus.flatMap(gpu => {
    const reasons = slowdownReasons(gpu);
    return reasons.length === 0 ? [] : [`GPU ${gpu.index}: ${reasons.join(', ')}`];
  });

/** Clocks held down for far longer than the neighbours': perhaps also now. */
const heldDown = ({ driver }: NodeFacts): readonly string[] =>
  HARDWARE_LIMITS.flatMap(([name, read]) => {
    const seconds = (gpu: GpuState) => (known(read(gpu.violations)) ?? 0) / 1e9;
    return farAbove(driver.gpus, seconds, 3_600).map(
      gpu => `GPU ${gpu.index}: ${name} for ${Math.round(seconds(gpu) / 3_600)} h so far`,
    );
  });

/** A flood of corrected errors, or one that begins: whether it still comes. */
const correctedEcc = ({ driver }: NodeFacts): readonly string[] =>
  standingOut(
    driver.gpus,
    gpu => known(gpu.eccCorrectedVolatile) ?? 0,
    THRESHOLDS.correctedCompared.value,
    THRESHOLDS.correctedReadAgain.value,
  ).map(gpu => `GPU ${gpu.index}: ${known(gpu.eccCorrectedVolatile)} corrected ECC errors`);

const HARDWARE_LIMITS = [
  ['hardware thermal slowdown', ({ hwThermalNs }: Violations) => hwThermalNs],
  ['external power brake', ({ hwPowerBrakeNs }: Violations) => hwPowerBrakeNs],
  ['thermal slowdown', ({ thermalNs }: Violations) => thermalNs],
] as const;

/** Links with far more errors than others, and with any of those that are rare. */
function nvlinks({ driver }: NodeFacts): readonly string[] {
  const links = driver.gpus.flatMap(gpu =>
    linksOf(gpu).map(link => ({
      ...{ gpu, link: link.link, count: errorsOfLink(link) },
      rare: rareOfLink(link).reduce((sum, count) => sum + count, 0),
    })),
  );
  const floor = THRESHOLDS.nvlinkErrorsCompared.value;
  const far = standingOut(links, ({ count }) => count, floor);
  const usual = median(links.map(({ rare }) => rare)) ?? 0;
  return links
    .filter(link => far.includes(link) || link.rare > usual || link.rare >= AGAIN)
    .map(
      ({ gpu, link, count, rare }) => `GPU ${gpu.index}: ${count + rare} errors on NVLink ${link}`,
    );
}

/** Each kind of error on the PCIe link, beside the same kind of the other GPUs. */
function pcie({ driver }: NodeFacts): readonly string[] {
  const rows = driver.gpus.map(gpu => ({ gpu, counts: pcieCounts(gpu) }));
  const kinds = rows[0]?.counts.map((_, kind) => kind) ?? [];
  const many = THRESHOLDS.pcieErrorsCompared.value;
  const far = kinds.flatMap(kind => standingOut(rows, ({ counts }) => counts[kind] ?? 0, many));
  return [...new Set(far)].map(
    ({ gpu, counts }) => `GPU ${gpu.index}: ${Math.max(...counts)} errors on its PCIe link`,
  );
}

/** Any error of the links between a GPU and its Grace. */
const c2cErrors = ({ driver }: NodeFacts): readonly string[] =>
  driver.gpus.flatMap(gpu => {
    const links = known(gpu.c2c);
    const errors = (known(links?.crcErrors) ?? 0) + (known(links?.replayErrors) ?? 0);
    return errors < AGAIN ? [] : [`GPU ${gpu.index}: ${errors} errors on its C2C links`];
  });

function corrected({ host }: NodeFacts): readonly string[] {
  const gpus = (known(host.pciDevices) ?? []).filter(({ kind }) => kind === 'gpu');
  return standingOut(
    gpus,
    gpu => known(gpu.aerCorrectable) ?? 0,
    THRESHOLDS.pcieErrorsCompared.value,
  ).map(gpu => `${gpu.pci}: ${known(gpu.aerCorrectable)} corrected PCIe errors`);
}

/** Counters of ports beside GPUs: rare errors above the median of their kind, common ones far above. */
const ports = (facts: NodeFacts): readonly string[] =>
  nicsNearGpus(facts).flatMap(({ nic, port, others }) =>
    NIC_COUNTERS.flatMap(({ name, rare }) => {
      const count = port.counters[name] ?? 0;
      const counts = others.map(other => other.port.counters[name] ?? 0);
      const standsOut = rare
        ? count > (median(counts) ?? 0)
        : count >= AGAIN && (counts.length < 2 || isFarAbove(count, counts, AGAIN / 10));
      return standsOut ? [`${plainText(nic.name, 32)} port ${port.port}: ${name} ${count}`] : [];
    }),
  );

const AGAIN = THRESHOLDS.countReadAgain.value;

/** Those with a count far above the others', and those with so many that it does not matter. */
const standingOut = <Item>(
  items: readonly Item[],
  count: (item: Item) => number,
  many: number,
  few: number = AGAIN,
): readonly Item[] => {
  const far = farAbove(items, count, few);
  return items.filter(item => count(item) >= many || far.includes(item));
};

const farAbove = <Item>(
  items: readonly Item[],
  count: (item: Item) => number,
  floor: number,
): readonly Item[] =>
  items.filter(item => {
    const own = count(item);
    if (own < floor) return false;
    return isFarAbove(own, items.filter(other => other !== item).map(count), floor / 10);
  });
