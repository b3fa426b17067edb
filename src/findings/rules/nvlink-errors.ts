import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import type { GpuState, NvLink } from '../../nvml/port.ts';
import { gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isFarAbove } from '../support/neighbours.ts';
import { earlierGpu, perSecond } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/**
 * NVLinks that lose packets: by what grew between two readings, else by counts that no healthy link has
 * and beside all other links of the node. A moderate count since the link was trained is no fault.
 */
export const nvlinkErrors = rule(
  'nvlink-errors',
  {
    gpu: {
      decides: [
        ...['nvlinks', 'nvlinks.links.effectiveBer', 'nvlinks.links.symbolBer'],
        ...['nvlinks.links.errors.replay', 'nvlinks.links.errors.recovery'],
        ...['nvlinks.links.errors.crcFlit', 'nvlinks.links.errors.crcData'],
        ...['nvlinks.links.errors.eccData', 'nvlinks.links.errors.recoveryEvents'],
        ...['nvlinks.links.errors.recoveryFailed', 'nvlinks.links.errors.effective'],
        ...['nvlinks.links.errors.symbol', 'nvlinks.links.errors.malformedPackets'],
        ...['nvlinks.links.errors.received', 'nvlinks.links.errors.localIntegrity'],
        ...['nvlinks.links.errors.receivedMarked', 'nvlinks.links.errors.receivedHeader'],
        ...['nvlinks.links.errors.bufferOverruns', 'nvlinks.links.errors.transmitDiscards'],
      ],
      tells: [...GPU_NAMES],
    },
    earlier: true,
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      const bad = linksOf(gpu).flatMap(link => {
        const why = whyBad(facts, gpu, link);
        return why === undefined ? [] : [{ link, why }];
      });
      const [worst] = bad;
      const still = bad.every(({ link }) => stoodStill(facts, gpu, link));
      if (!worst) return [];
      const links = bad.map(({ link }) => link.link).join(', ');
      return [
        gpuClue(gpu, 'nvlink-errors', {
          cause: 'nvlink',
          sign: `errors on NVLink ${links}`,
          severity: 'warning',
          component: 'nvlink',
          title: `${gpuName(gpu)} has errors on NVLink ${links}: ${worst.why}`,
          action: 'watch',
          advice:
            'Look again after some minutes of traffic; where it goes on, drain the node and have cable, bridge or baseboard checked.',
          blame: 'fabric',
          confidence: 'medium',
          evidence: bad
            .slice(0, EVIDENCE_MAX)
            .map(({ link, why }) =>
              nvmlEvidence(
                facts,
                `link ${link.link}: ${why}`,
                shell`nvidia-smi nvlink -e -i ${gpu.index}`,
              ),
            ),
          counterEvidence: still ? ['the counters stood still while they were watched'] : [],
          wouldChange: 'A counter that stands still under traffic is an old event.',
        }),
      ];
    }),
);

const EVIDENCE_MAX = 4;

export const linksOf = (gpu: GpuState): readonly NvLink[] => known(gpu.nvlinks)?.links ?? [];

const earlierLink = (facts: NodeFacts, gpu: GpuState, { link }: NvLink): NvLink | undefined => {
  const before = earlierGpu(facts, gpu);
  return before && linksOf(before).find(other => other.link === link);
};

function stoodStill(facts: NodeFacts, gpu: GpuState, link: NvLink): boolean {
  const earlier = earlierLink(facts, gpu, link);
  return (
    earlier !== undefined && COUNTERS.every(name => countOf(link, name) === countOf(earlier, name))
  );
}

type Counter = keyof NvLink['errors'];

const countOf = ({ errors }: NvLink, name: Counter): number => known(errors[name]) ?? 0;

/** Counters of which a healthy link has none or a few, each with the count that is too much beside others. */
// biome-ignore format: a table
const RARE = {
  malformedPackets: { words: 'malformed packets', floor: 10 },
  localIntegrity:   { words: 'local link integrity errors', floor: 10 },
  recovery:         { words: 'recoveries', floor: 100 },
  recoveryEvents:   { words: 'recoveries', floor: 100 },
  received:         { words: 'packets received with errors', floor: 100 },
  receivedMarked:   { words: 'packets that the other end had marked as broken', floor: 100 },
  receivedHeader:   { words: 'packets received with a wrong header', floor: 100 },
  bufferOverruns:   { words: 'packets lost for want of buffers', floor: 100 },
  symbol:           { words: 'symbol errors', floor: 100 },
  eccData:          { words: 'ECC errors', floor: 100 },
} as const satisfies { readonly [C in Counter]?: { readonly words: string; readonly floor: number } };
const RARE_COUNTERS = [
  'malformedPackets',
  'localIntegrity',
  'recovery',
  'recoveryEvents',
  'received',
  'receivedMarked',
  'receivedHeader',
  'bufferOverruns',
  'symbol',
  'eccData',
] as const;

/** Counted together: what a link counts in months of load, and what it repeats by itself. */
const COMMON_COUNTERS = ['crcFlit', 'crcData', 'replay', 'effective', 'transmitDiscards'] as const;
const COUNTERS = [
  ...COMMON_COUNTERS,
  ...RARE_COUNTERS,
  'recoveryFailed',
] as const satisfies readonly Counter[];

/** Those of which DCGM allows none while it watches: single CRC errors are repeated and do not matter. */
const NONE_WHILE_WATCHED = [
  ...RARE_COUNTERS.map(name => ({ name, words: RARE[name].words })),
  { name: 'replay', words: 'replays' },
  { name: 'effective', words: 'effective errors' },
] as const;

function whyBad(facts: NodeFacts, gpu: GpuState, link: NvLink): string | undefined {
  const failed = countOf(link, 'recoveryFailed');
  if (failed > 0) return `${failed} recoveries failed`;
  return bitErrors(link) ?? growing(facts, gpu, link) ?? farAboveOthers(facts, link);
}

/** What is left of bit errors behind what corrects them. */
function bitErrors({ effectiveBer, symbolBer }: NvLink): string | undefined {
  const { nvlinkEffectiveBer, nvlinkSymbolBer } = THRESHOLDS;
  const over = (
    ber: number | undefined,
    limit: { readonly value: number; readonly source: string },
  ) =>
    ber !== undefined && ber > limit.value
      ? `${ber}, limit ${limit.value} (${limit.source})`
      : undefined;
  const effective = over(known(effectiveBer), nvlinkEffectiveBer);
  if (effective !== undefined) return `effective bit error rate ${effective}`;
  const symbol = over(known(symbolBer), nvlinkSymbolBer);
  return symbol === undefined ? undefined : `symbol error rate ${symbol}`;
}

function growing(facts: NodeFacts, gpu: GpuState, link: NvLink): string | undefined {
  const earlier = earlierLink(facts, gpu, link);
  const limit = THRESHOLDS.nvlinkCrcPerSecond;
  const rate = perSecond(facts, crcOf(link), earlier && crcOf(earlier));
  if (rate !== undefined && rate >= limit.value) {
    return `${Math.round(rate)} CRC errors a second, limit ${limit.value} (${limit.source})`;
  }
  for (const { name, words } of earlier ? NONE_WHILE_WATCHED : []) {
    const grown = perSecond(facts, countOf(link, name), earlier && countOf(earlier, name));
    if (grown) return `${countOf(link, name)} ${words}, and ${grown.toFixed(1)} more a second`;
  }
  return undefined;
}

/** Only where a count has come to its floor are the others counted: a node has 144 links and more. */
function farAboveOthers({ driver }: NodeFacts, link: NvLink): string | undefined {
  const isFar = (count: (link: NvLink) => number, floor: number): boolean => {
    const others = driver.gpus.flatMap(linksOf).filter(other => other !== link);
    return isFarAbove(count(link), others.map(count), floor / 10);
  };
  const many = THRESHOLDS.nvlinkErrorsCompared.value;
  for (const name of RARE_COUNTERS) {
    const { words, floor } = RARE[name];
    const count = countOf(link, name);
    if (count < floor) continue;
    if (isFar(other => countOf(other, name), floor)) {
      return `${count} ${words} since it was trained, far more than the other links`;
    }
    if (count >= many) return `${count} ${words} since it was trained`;
  }
  const total = errorsOfLink(link);
  return total >= many && isFar(errorsOfLink, many)
    ? `${total} errors since it was trained, far more than the other links`
    : undefined;
}

const crcOf = (link: NvLink): number => countOf(link, 'crcFlit') + countOf(link, 'crcData');

/** What is common on links under load, in one number. */
export const errorsOfLink = (link: NvLink): number =>
  COMMON_COUNTERS.reduce((sum, name) => sum + countOf(link, name), 0);

/** Counts of a link that are rare on any link. */
export const rareOfLink = (link: NvLink): readonly number[] =>
  RARE_COUNTERS.map(name => countOf(link, name));
