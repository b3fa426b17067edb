import { NIC_COUNTERS } from '../../findings/rules/nic-counters.ts';
import { median } from '../../findings/support/neighbours.ts';
import { type NicSign, nicSignOf } from '../../findings/support/nic-signs.ts';
import { THRESHOLDS } from '../../findings/support/thresholds.ts';
import type { PaceNic } from '../pace.ts';
import { type LookedAt, type Suspect, usualOf } from './pace-suspects.ts';

/** Adapters beside all of the job: slower, without a link where the others have one, or with errors on it now. */
export function nicSuspects(looks: readonly LookedAt[]): Suspect[] {
  const job = adaptersOf(looks);
  return job.all.flatMap(nic => suspectFor(nic, 'network', nicOutOfLine(nic, job)));
}

/**
 * Adapters that count packets which were lost on their way to or from another one. The fault may be at either
 * end, or between them.
 */
export function pathSuspects(looks: readonly LookedAt[]): Suspect[] {
  const job = adaptersOf(looks);
  return job.all.flatMap(nic => suspectFor(nic, 'path', growsAlone(nic, 'path', job)));
}

const suspectFor = (
  nic: NodeNic,
  cause: 'network' | 'path',
  words: string | undefined,
): readonly Suspect[] =>
  words === undefined ? [] : [{ cause, node: nic.node, nic, reading: `${nameOf(nic)}: ${words}` }];

interface NodeNic extends PaceNic {
  readonly node: string;
}

/** All of a job, found by node and by name: of some thousands none is compared with each other one. */
interface Adapters {
  readonly all: readonly NodeNic[];
  readonly ofNode: ReadonlyMap<string, readonly NodeNic[]>;
  readonly ofName: ReadonlyMap<string, readonly NodeNic[]>;
  /** What the busiest of them has carried. */
  readonly mostBytes: number;
  /** The adapters that most of its nodes have, and those nodes. */
  readonly usualMake: Make | undefined;
  /** How many errors of each grew, the fewest first. */
  readonly errors: Readonly<Record<ErrorSign, readonly number[]>>;
}

interface Make {
  readonly names: readonly string[];
  readonly nodes: readonly string[];
}

function adaptersOf(looks: readonly LookedAt[]): Adapters {
  const all = looks.flatMap(({ node, pace }) => pace.nics.map(nic => ({ ...nic, node })));
  const ofNode = Map.groupBy(all, ({ node }) => node);
  const makes = Map.groupBy(ofNode.keys(), node =>
    (ofNode.get(node) ?? []).map(nameOf).toSorted().join(),
  );
  const [most] = [...makes.values()].toSorted((a, b) => b.length - a.length);
  const [one = ''] = most ?? [];
  return {
    all,
    ofNode,
    usualMake: most && { names: (ofNode.get(one) ?? []).map(nameOf), nodes: most },
    ofName: Map.groupBy(all, nameOf),
    mostBytes: all.reduce((most, { totalBytes = 0 }) => Math.max(most, totalBytes), 0),
    errors: { link: errorsOf(all, 'link'), path: errorsOf(all, 'path') },
  };
}

const errorsOf = (all: readonly NodeNic[], sign: ErrorSign): readonly number[] =>
  all.map(nic => sumOf(grownOf(nic, sign))).toSorted((a, b) => a - b);

const nameOf = ({ nic, port }: PaceNic): string => `${nic} port ${port}`;

function nicOutOfLine(nic: NodeNic, job: Adapters): string | undefined {
  if (nic.state !== undefined && nic.state !== 'ACTIVE') {
    const twins = namesakesOf(nic, job).filter(twin => areAlike(twin.node, nic.node, job));
    return isDownAlone(nic, twins) && wasUsed([nic, ...twins], job)
      ? `state ${nic.state}, ACTIVE elsewhere`
      : undefined;
  }
  const usual = usualRate(nic, job);
  if (isSlower(nic, usual) && isOfOneMake(nic, usual, job)) return rateWords(nic, usual);
  return growsAlone(nic, 'link', job);
}

type ErrorSign = Extract<NicSign, 'link' | 'path'>;

/** Errors that grow far faster than on the other adapters of the job. */
function growsAlone(nic: NodeNic, sign: ErrorSign, job: Adapters): string | undefined {
  const grew = grownOf(nic, sign);
  const errors = sumOf(grew);
  // Well links count none of these at all.
  const isRare = grew.some(([name]) => RARE.has(name));
  if (errors < (isRare ? 1 : THRESHOLDS.nicErrorsGrown.value)) return undefined;
  const all = job.errors[sign];
  const usual = median(all.toSpliced(all.indexOf(errors), 1)) ?? 0;
  return errors <= 10 * usual ? undefined : `${GROW[sign]}: ${grew.map(grownWords).join(', ')}`;
}

const GROW = { link: 'errors grow', path: 'packets are lost on its way' } as const;

const RARE: ReadonlySet<string> = new Set(
  NIC_COUNTERS.flatMap(({ name, rare }) => (rare ? name : [])),
);

const grownOf = ({ grew }: PaceNic, sign: ErrorSign): readonly (readonly [string, number])[] =>
  Object.entries(grew).filter(([name]) => nicSignOf(name) === sign);

const grownWords = ([name, by]: readonly [string, number]): string => `${name} +${by}`;

const sumOf = (grew: readonly (readonly [string, number])[]): number =>
  grew.reduce((sum, [, by]) => sum + by, 0);

/**
 * What it should be: as the same adapter of the other nodes; where there is none, as those beside it. Only
 * those that carry no more than it does tell that: an adapter for storage is another thing.
 */
function usualRate(nic: NodeNic, job: Adapters): number | undefined {
  const twins = twinsOf(nic, job);
  const peers = twins.length > 0 ? twins : nicsOn(nic.node, job);
  const alike = peers.filter(
    peer =>
      peer !== nic &&
      isUsed(peer) &&
      trafficOf(nic) >= trafficOf(peer) * THRESHOLDS.likeTrafficShare.value,
  );
  return usualOf(alike.flatMap(({ rateGbps }) => rateGbps ?? []));
}

/** Where it carries traffic. */
const isSlower = (nic: NodeNic, usual: number | undefined): boolean =>
  isUsed(nic) &&
  nic.rateGbps !== undefined &&
  usual !== undefined &&
  nic.rateGbps < usual * THRESHOLDS.slowLinkShare.value;

const rateWords = (nic: NodeNic, usual: number | undefined): string =>
  `${nic.rateGbps} Gb/s, the others ${usual} Gb/s`;

/**
 * Another adapter of its node has the rate that this one should have: where all of them are slower the
 * server is of another make, and no cable is bad.
 */
const isOfOneMake = (nic: NodeNic, usual: number | undefined, job: Adapters): boolean =>
  nicsOn(nic.node, job).some(mate => mate !== nic && isUsed(mate) && mate.rateGbps === usual);

/**
 * Remarks that accuse nobody: adapters without a link, or not there at all, where the others of that name have
 * one; and those that are slower, on a node where nothing tells a bad cable from another make.
 */
export function nicRemarks(looks: readonly LookedAt[]): readonly string[] {
  const job = adaptersOf(looks);
  const down = job.all.flatMap(nic => {
    const usual = usualRate(nic, job);
    if (isSlower(nic, usual) && !isOfOneMake(nic, usual, job)) {
      return [`${nameOf(nic)} on ${nic.node}: ${rateWords(nic, usual)}`];
    }
    const namesakes = namesakesOf(nic, job);
    // The job's suspects tell of it.
    if (!isDownAlone(nic, namesakes) || nicOutOfLine(nic, job) !== undefined) return [];
    const why = wasUsed([nic, ...namesakes], job)
      ? 'ACTIVE on nodes with other adapters'
      : 'and no node uses it';
    return [`${nameOf(nic)} on ${nic.node} is ${nic.state}, ${why}`];
  });
  return [
    ...down,
    ...looks.flatMap(({ node }) => [...missingNics(node, job), ...halvedNics(node, job)]),
  ];
}

/** Adapters that nearly all nodes alike have and use, but not this one: there they may have fallen off the bus. */
function missingNics(node: string, job: Adapters): readonly string[] {
  const own = new Set(nicsOn(node, job).map(nameOf));
  if (own.size === 0) return [];
  const alike = [...job.ofNode.keys()].filter(
    other => other !== node && areAlike(other, node, job),
  );
  const missing = [...job.ofName].flatMap(([name, there]) => {
    const up = there.filter(nic => nic.state === 'ACTIVE' && alike.includes(nic.node));
    const isMissing =
      !own.has(name) &&
      up.length > 0 &&
      up.length >= alike.length * THRESHOLDS.missingNicShare.value;
    return isMissing && wasUsed(up, job) ? [{ name, up }] : [];
  });
  return [...Map.groupBy(missing, ({ up }) => namesOf(up))].map(([others, of]) => {
    const names = of.slice(0, NAMES_MAX).map(({ name }) => name);
    const more = of.length > NAMES_MAX ? ` and ${of.length - NAMES_MAX} more` : '';
    const are = of.length === 1 ? 'is' : 'are';
    return `${names.join(', ')}${more} ${are} not there on ${node}, and ACTIVE on ${others}`;
  });
}

/**
 * Half or fewer of the adapters that nearly all others have, and none beside: another make, or what hangs on one
 * switch of its bus is gone. Nothing here tells which.
 */
function halvedNics(node: string, job: Adapters): readonly string[] {
  const { names, nodes } = job.usualMake ?? { names: [], nodes: [] };
  const own = nicsOn(node, job).map(nameOf);
  const isUsual = nodes.length >= USUAL_NODES_MIN;
  const areMost = nodes.length >= (job.ofNode.size - 1) * THRESHOLDS.missingNicShare.value;
  const isPart = own.length < names.length && own.every(name => names.includes(name));
  const [like = ''] = nodes;
  if (own.length === 0 || !isUsual || !areMost || !isPart || areAlike(node, like, job)) return [];
  const lacks = names.filter(name => !own.includes(name));
  const there = lacks.flatMap(name => job.ofName.get(name) ?? []);
  if (!wasUsed(there, job)) return [];
  return [
    `${node} has ${own.length} of the ${names.length} ports of adapters that ${nodes.length} others have: it is of another make, or the rest are gone from its bus`,
  ];
}

/** Fewer say nothing of what is usual. */
const USUAL_NODES_MIN = 3;

const NAMES_MAX = 4;

const namesOf = (nics: readonly NodeNic[]): string =>
  nics.length > 3 ? `${nics.length} others` : nics.map(({ node }) => node).join(', ');

const nicsOn = (node: string, job: Adapters): readonly NodeNic[] => job.ofNode.get(node) ?? [];

/** Of the same name and port on the other nodes. */
const namesakesOf = (nic: NodeNic, job: Adapters): readonly NodeNic[] =>
  (job.ofName.get(nameOf(nic)) ?? []).filter(({ node }) => node !== nic.node);

/** What a rate is compared with: on nodes that have as many adapters, for in another make the name is of another use. */
function twinsOf(nic: NodeNic, job: Adapters): readonly NodeNic[] {
  const count = nicsOn(nic.node, job).length;
  return namesakesOf(nic, job).filter(({ node }) => nicsOn(node, job).length === count);
}

/**
 * Whether two nodes have the same adapters but for one of many; or one of them has most of the other's and none
 * beside: the rest may have fallen off.
 */
function areAlike(one: string, other: string, job: Adapters): boolean {
  const [a, b] = [one, other].map(node => new Set(nicsOn(node, job).map(nameOf)));
  if (!a || !b) return false;
  const both = [...a].filter(name => b.has(name)).length;
  const either = a.size + b.size - both;
  const isPart = both === Math.min(a.size, b.size) && both * 2 > either;
  return isPart || both >= either * THRESHOLDS.likeNicsShare.value;
}

function isDownAlone({ state }: NodeNic, twins: readonly NodeNic[]): boolean {
  const up = twins.filter(twin => twin.state === 'ACTIVE').length;
  return state !== undefined && state !== 'ACTIVE' && up > 0 && up * 2 >= twins.length;
}

/** One that carries traffic on some node, or has carried its part of what the busiest adapter did. */
const wasUsed = (twins: readonly NodeNic[], { mostBytes }: Adapters): boolean =>
  twins.some(
    nic =>
      isUsed(nic) ||
      (mostBytes > 0 && (nic.totalBytes ?? 0) >= mostBytes * THRESHOLDS.usedNicShare.value),
  );

const trafficOf = ({ sentMbps = 0, receivedMbps = 0 }: PaceNic): number =>
  Math.max(sentMbps, receivedMbps);

const isUsed = (nic: PaceNic): boolean => trafficOf(nic) >= THRESHOLDS.usedNicMbps.value;
