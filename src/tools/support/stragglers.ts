import * as z from 'zod';
import { Action, Blame, Confidence } from '../../contract/finding.ts';
import { median } from '../../findings/support/neighbours.ts';
import { THRESHOLDS } from '../../findings/support/thresholds.ts';
import { waitsInJob } from '../../findings/support/waiting.ts';
import type { PaceGpu } from '../pace.ts';
import { nicRemarks, nicSuspects, pathSuspects } from './nic-suspects.ts';
import {
  busyOf,
  CAUSES,
  type Cause,
  gpuSuspects,
  type JobGpu,
  judgementOf,
  type LookedAt,
  powerShare,
  type Suspect,
  UNPROVEN_WORDS,
} from './pace-suspects.ts';
import { moreFrequent } from './priors.ts';
import { plural } from './wording.ts';

const Straggler = z.strictObject({
  node: z.string(),
  gpus: z.array(z.int()),
  /** Where an adapter is what the others wait for. */
  nic: z.string().optional(),
  cause: z.string(),
  /** The reading that proves it, beside that of the others. */
  reading: z.string(),
});
type Straggler = z.infer<typeof Straggler>;

/** What looks at all GPUs of a job at one time come to. */
export const JobPace = z.strictObject({
  /** `waits`: all wait alike; `idle`: none works; `works`: all work alike; `uneven`: they work by turns. */
  kind: z.enum(['straggler', 'waits', 'idle', 'works', 'uneven', 'alone']),
  seconds: z.number(),
  nodes: z.int(),
  gpus: z.int(),
  /** Of its GPUs there, those that did not tell how busy they are: lost ones, and such with MIG. */
  silent: z.int(),
  /** GPUs of its nodes that did nothing, where nobody tells which are the job's: not compared. */
  unused: z.int().optional(),
  stragglers: z.array(Straggler),
  /** What all of them do; absent where one is held up, or there is nothing to compare. */
  does: z.string().optional(),
  /** The same with what it says of faults. */
  text: z.string(),
  fault: Blame,
  confidence: Confidence,
  action: Action,
  advice: z.string(),
});
export type JobPace = z.infer<typeof JobPace>;

const REMARKS_MAX = 2;
const STRAGGLERS_TOLD = 4;

interface Job {
  readonly gpus: readonly JobGpu[];
  readonly nodes: number;
}

/**
 * Who waits for whom: in a synchronous job all but the slowest wait in a collective, busy and cold. One
 * whose own reading is out of line is named with it; where all wait alike no GPU is accused. Pure.
 */
export function judgePace(looks: readonly LookedAt[]): JobPace {
  const all = looks.flatMap(ownGpus);
  // What does not tell how busy it is, as a GPU with MIG, is not taken for idle.
  const gpus = all.filter(({ busyPercent }) => busyPercent);
  const silent = all.length - gpus.length;
  const unused = looks.flatMap(unusedGpus);
  const size = {
    ...{ seconds: secondsOf(looks), nodes: looks.length, gpus: gpus.length, silent },
    ...(unused.length > 0 && { unused: unused.length }),
  };
  const beside = unusedWords(unused);
  if (gpus.length < 2) {
    const text = [ALONE.text, ...beside].join('; ');
    return { ...size, kind: 'alone', stragglers: [], ...ALONE, text };
  }
  const job = { gpus, nodes: looks.length };
  const own = [...gpus.flatMap(gpu => gpuSuspects(gpu, gpus)), ...nicSuspects(looks)];
  const isHeldUp = areHeldUp(gpus);
  const apart = unequal(job);
  const { strong, possible } = provenIn(
    inFavour(
      own.filter(({ cause }) => isHeldUp || !('ofLink' in CAUSES[cause])),
      job,
    ),
    apart,
  );
  const prior = byPriors(strong);
  const paths = isHeldUp ? pathSuspects(looks) : [];
  const [first, ...more] =
    [prior?.suspects ?? strong, apart, paths, possible].find(({ length }) => length > 0) ?? [];
  if (!first) {
    const said = withoutStraggler(gpus);
    const text = [
      said.text,
      ...(silent > 0 ? [`${silent} of its ${all.length} GPUs told nothing`] : []),
      ...beside,
      ...nicRemarks(looks).slice(0, REMARKS_MAX),
    ].join('; ');
    return { ...size, stragglers: [], ...said, text };
  }
  const stragglers = together([first, ...more], gpus);
  const { fault, confidence, action, advice } = judgementOf(first);
  const left = stragglers.length - STRAGGLERS_TOLD;
  const text = [
    ...stragglers.slice(0, STRAGGLERS_TOLD).map(({ reading }) => reading),
    ...(left > 0 ? [`and ${left} more like these`] : []),
    ...(prior ? [prior.why] : []),
    ...beside,
  ].join('; ');
  return { ...size, kind: 'straggler', stragglers, text, fault, confidence, action, advice };
}

/** The job's, where they are known; else all that work on its node, and all where none does. */
function ownGpus({ node, pace, gpus: own }: LookedAt): readonly JobGpu[] {
  const all = pace.gpus.map(gpu => ({ ...gpu, node }));
  if (own.length > 0) return all.filter(({ index }) => own.includes(index));
  const atWork = all.filter(gpu => !isUnused(gpu));
  return atWork.length > 0 ? atWork : all;
}

const isUnused = ({ busyPercent }: PaceGpu): boolean => busyPercent?.max === 0;

/** Those that are left out of that: a rank that hangs before its first kernel looks like a GPU of nobody. */
function unusedGpus(look: LookedAt): readonly JobGpu[] {
  const own = ownGpus(look).map(({ index }) => index);
  return look.gpus.length > 0
    ? []
    : look.pace.gpus.flatMap(gpu => (own.includes(gpu.index) ? [] : { ...gpu, node: look.node }));
}

function unusedWords(gpus: readonly JobGpu[]): readonly string[] {
  const on = [...Map.groupBy(gpus, ({ node }) => node)].map(
    ([node, of]) => `GPU ${of.map(({ index }) => index).join(', ')} on ${node}`,
  );
  const more =
    on.length > REMARKS_MAX ? ` and on ${plural(on.length - REMARKS_MAX, 'more node')}` : '';
  return on.length === 0
    ? []
    : [
        `${on.slice(0, REMARKS_MAX).join(', ')}${more} did nothing; whether the job has ${gpus.length === 1 ? 'it' : 'them'} is not known`,
      ];
}

function secondsOf(looks: readonly LookedAt[]): number {
  const lengths = looks.map(({ pace: { from, to } }) => Date.parse(to) - Date.parse(from));
  return Math.round(Math.max(0, ...lengths) / 100) / 10;
}

/** Something holds a job up where the usual GPU of it has little to do. */
function areHeldUp(gpus: readonly JobGpu[]): boolean {
  const usual = (read: (gpu: JobGpu) => number | undefined) =>
    median(gpus.flatMap(gpu => read(gpu) ?? [])) ?? Number.POSITIVE_INFINITY;
  return (
    usual(({ smActivePercent }) => smActivePercent) < THRESHOLDS.heldUpShare.value * 100 ||
    usual(powerShare) < THRESHOLDS.heldUpShare.value ||
    usual(busyOf) < THRESHOLDS.heldUpBusyPercent.value
  );
}

const ORDER: readonly string[] = Object.keys(CAUSES);

/** The most certain first, a GPU once; what most of the job has in common accuses nobody. */
function inFavour(suspects: readonly Suspect[], { gpus, nodes }: Job): readonly Suspect[] {
  const seen = new Set<unknown>();
  return [...Map.groupBy(suspects, ({ cause }) => cause)]
    .toSorted(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))
    .flatMap(([, of]) => of)
    .toSorted((a, b) => Number(a.isUnproven ?? false) - Number(b.isUnproven ?? false))
    .filter(({ cause, gpu, nic }, _, all) => {
      const same = all.filter(other => other.cause === cause);
      if (!nic && !isMinority(same, gpus.length, nodes)) return false;
      const which = gpu ?? nic;
      if (seen.has(which)) return false;
      seen.add(which);
      return true;
    });
}

/**
 * What is proven, and what is only possible. A slower link is proven where what it moves is told, or where its
 * own GPU is the one for which the others wait: on uniform waiting alone no link is accused.
 */
function provenIn(suspects: readonly Suspect[], apart: readonly Suspect[]) {
  const isPossible = ({ isUnproven = false, gpu }: Suspect) =>
    isUnproven && apart.every(other => other.gpu !== gpu);
  return {
    strong: suspects.flatMap(each => (isPossible(each) ? [] : { ...each, isUnproven: undefined })),
    possible: suspects.filter(isPossible),
  };
}

const COMPUTATION: readonly Cause[] = ['SM clock', 'memory clock'];
const COMMUNICATION: readonly Cause[] = ['NVLink', 'network'];

/** Of a slow GPU and a slow link that are equally well shown the link goes first, and the study is named. */
function byPriors(
  suspects: readonly Suspect[],
): { readonly suspects: readonly Suspect[]; readonly why: string } | undefined {
  const [first] = suspects;
  const links = suspects.filter(({ cause }) => COMMUNICATION.includes(cause));
  const [link] = links;
  if (!first || !link || !COMPUTATION.includes(first.cause)) return undefined;
  if (CAUSES[first.cause].confidence !== CAUSES[link.cause].confidence) return undefined;
  const found = moreFrequent('slow communication', 'slow computation');
  return found?.part === 'slow communication'
    ? { suspects: [...links, ...suspects.filter(each => !links.includes(each))], why: found.why }
    : undefined;
}

const areOfOneNode = (few: readonly { readonly node: string }[], nodes: number): boolean =>
  nodes > 1 && new Set(few.map(({ node }) => node)).size === 1;

const isMinority = (few: readonly { readonly node: string }[], all: number, nodes: number) =>
  few.length * 2 < all || areOfOneNode(few, nodes) || (all === 2 && few.length === 1);

const WORK: readonly ((gpu: JobGpu) => number | undefined)[] = [
  gpu => gpu.smActivePercent,
  gpu => gpu.memoryBusyPercent,
  powerShare,
];

/** A few that idle, or that work, while all the others wait alike; no reading of theirs says why. */
function unequal(job: Job): Suspect[] {
  return idlers(job) ?? workers(job) ?? [];
}

function idlers(job: Job): Suspect[] | undefined {
  const found = apart(job, gpu => -busyOf(gpu));
  if (!found) return undefined;
  const busy = found.rest.map(busyOf);
  const usual = median(busy) ?? 0;
  const isApart = found.few.every(gpu => busyOf(gpu) <= usual - THRESHOLDS.idleGapPercent.value);
  if (!isApart || Math.min(...busy) < THRESHOLDS.fullLoadPercent.value) return undefined;
  return found.few.map(gpu => ({
    ...{ cause: 'idle GPU' as const, node: gpu.node, gpu },
    reading: `${Math.round(busyOf(gpu))} % busy, the others ${Math.round(usual)} %`,
  }));
}

function workers(job: Job): Suspect[] | undefined {
  const work = workIn(job.gpus);
  const found = apart(job, work);
  if (!found) return undefined;
  const rest = found.rest.flatMap(gpu => work(gpu) ?? []);
  const usual = median(rest) ?? 1;
  const areAlike = Math.max(...rest) - Math.min(...rest) <= THRESHOLDS.alikeSpread.value;
  // Whoever works by turns has looks with less.
  const areBusy = job.gpus.every(
    ({ busyPercent }) => (busyPercent?.min ?? 0) >= THRESHOLDS.fullLoadPercent.value,
  );
  // What a model draws and how busy its memory is says nothing of another one.
  const areComparable = found.few.every(({ name }) => found.rest.some(gpu => gpu.name === name));
  const isApart = found.few.every(gpu => usual < (work(gpu) ?? 0) * THRESHOLDS.lessWorkShare.value);
  if (!areAlike || !areBusy || !areComparable || !isApart) return undefined;
  return found.few.map(gpu => ({
    ...{ cause: 'more work' as const, node: gpu.node, gpu },
    reading: `${loadWords(gpu)}; the others ${loadWords(typicalOf(found.rest))}`,
  }));
}

/** How much of its time a GPU computes beside the one that does so most: by SMs, memory and power. */
function workIn(gpus: readonly JobGpu[]): (gpu: JobGpu) => number | undefined {
  const most = WORK.map(read => Math.max(0, ...gpus.flatMap(gpu => read(gpu) ?? [])));
  return gpu => {
    const parts = WORK.flatMap((read, at) => {
      const value = read(gpu);
      const whole = most[at] ?? 0;
      return value === undefined || whole <= 0 ? [] : [value / whole];
    });
    return parts.length === 0
      ? undefined
      : parts.reduce((sum, value) => sum + value, 0) / parts.length;
  };
}

interface Apart {
  readonly few: readonly JobGpu[];
  readonly rest: readonly JobGpu[];
}

/** The GPUs that have most of something, down to the widest step: few of the job, or all of one node. */
function apart({ gpus, nodes }: Job, read: (gpu: JobGpu) => number | undefined): Apart | undefined {
  const sorted = gpus
    .flatMap(gpu => {
      const value = read(gpu);
      return value === undefined ? [] : [{ gpu, value }];
    })
    .toSorted((a, b) => b.value - a.value);
  const steps = sorted.slice(1).map(({ value }, at) => (sorted[at]?.value ?? value) - value);
  const count = steps.indexOf(Math.max(...steps)) + 1;
  const [few, rest] = [sorted.slice(0, count), sorted.slice(count)].map(part =>
    part.map(({ gpu }) => gpu),
  );
  if (!few || !rest || few.length === 0 || rest.length === 0) return undefined;
  const isFew = few.length <= Math.max(1, gpus.length / 4) || areOfOneNode(few, nodes);
  return isFew ? { few, rest } : undefined;
}

/** The GPU in the middle of a list by its power. */
const typicalOf = (gpus: readonly JobGpu[]): JobGpu | undefined =>
  gpus.toSorted((a, b) => (powerShare(a) ?? 0) - (powerShare(b) ?? 0))[Math.floor(gpus.length / 2)];

const loadWords = (gpu: PaceGpu | undefined): string =>
  [
    gpu?.busyPercent && `${Math.round(gpu.busyPercent.mean)} % busy`,
    gpu?.smActivePercent === undefined ? '' : `SMs ${Math.round(gpu.smActivePercent)} %`,
    gpu?.memoryBusyPercent === undefined ? '' : `memory ${Math.round(gpu.memoryBusyPercent)} %`,
    gpu?.powerW === undefined ? '' : `${Math.round(gpu.powerW)} W`,
    gpu?.nvlinkMibPerSecond === undefined
      ? ''
      : `NVLink ${Math.round(gpu.nvlinkMibPerSecond)} MiB/s by ${gpu.nvlinkBy}`,
  ]
    .filter(Boolean)
    .join(', ');

/** Suspects of one node with one cause are one line. */
function together(found: readonly [Suspect, ...Suspect[]], gpus: readonly JobGpu[]): Straggler[] {
  const rest = gpus.filter(gpu => !found.some(({ gpu: other }) => other === gpu));
  const others = rest.length === 0 ? '' : othersWords(rest);
  const byLine = Map.groupBy(found, ({ node, cause, nic }) => `${node} ${cause} ${nic?.nic ?? ''}`);
  return [...byLine.values()].flatMap(([first, ...more]) => {
    if (!first) return [];
    const { node, cause, nic } = first;
    const own = [first, ...more].flatMap(({ gpu }) => gpu?.index ?? []).toSorted((a, b) => a - b);
    const where = own.length > 0 ? `GPU ${own.join(', ')} on ${node}` : node;
    const words = more.length > 0 ? `${first.reading} (the first of them)` : first.reading;
    const beside = first.isUnproven ? UNPROVEN_WORDS : others;
    return {
      ...{ node, gpus: own, cause, ...(nic && { nic: nic.nic }) },
      reading: `${where}: ${words}${beside}`,
    };
  });
}

function othersWords(rest: readonly JobGpu[]): string {
  const who = rest.length === 1 ? 'the other' : `the ${rest.length} others`;
  return areHeldUp(rest) ? `; ${who} wait${rest.length === 1 ? 's' : ''}` : '';
}

type PaceJudgement = Pick<JobPace, 'does' | 'text' | 'fault' | 'confidence' | 'action' | 'advice'>;

const NOTHING = {
  ...({ fault: 'unknown', confidence: 'low', action: 'none' } as const),
  advice: 'No GPU fault seen: if it is slow, look at its program, its input and the network.',
};

const ALONE: PaceJudgement = {
  ...NOTHING,
  text: 'fewer than two of its GPUs tell how busy they are: there is nothing to compare',
};

/** What all GPUs have in common: never a claim on hardware. */
function withoutStraggler(gpus: readonly JobGpu[]): PaceJudgement & Pick<JobPace, 'kind'> {
  const areMost = (is: (gpu: JobGpu) => boolean) =>
    gpus.filter(is).length >= gpus.length * THRESHOLDS.mostOfJobShare.value;
  const said = (what: string) => {
    const does = `${what} (${loadWords(typicalOf(gpus))})`;
    return { ...NOTHING, does, text: `no GPU fault seen: ${does}` };
  };
  if (areMost(waitsAsAll)) {
    return {
      ...said('all wait alike'),
      ...{ kind: 'waits', action: 'watch' },
      advice:
        'Probably storage, the data loader or a collective: py-spy dump of the ranks, NCCL flight recorder, the file system.',
    };
  }
  if (areMost(gpu => busyOf(gpu) < THRESHOLDS.allIdlePercent.value)) {
    return {
      ...said('all idle alike'),
      ...{ kind: 'idle', action: 'watch' },
      advice: 'Probably storage, the data loader or a checkpoint: py-spy dump of the ranks.',
    };
  }
  return areMost(gpu => busyOf(gpu) >= THRESHOLDS.fullLoadPercent.value)
    ? { ...said('all work alike'), kind: 'works' }
    : { ...said('its GPUs work by turns'), kind: 'uneven' };
}

const waitsAsAll = (gpu: JobGpu): boolean =>
  waitsInJob({ ...gpu, busyPercent: busyOf(gpu), powerShare: powerShare(gpu) });
