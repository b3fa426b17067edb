import { median } from '../../findings/support/neighbours.ts';
import { THRESHOLDS } from '../../findings/support/thresholds.ts';
import type { PaceNic } from '../pace.ts';
import { type LookedAt, type Suspect, usualOf } from './pace-suspects.ts';

/** Adapters beside all of the job: slower, without a link where the others have one, or with errors now. */
export function nicSuspects(looks: readonly LookedAt[]): Suspect[] {
  const all = looks.flatMap(({ node, pace }) => pace.nics.map(nic => ({ ...nic, node })));
  return all.flatMap(nic => {
    const words = nicOutOfLine(
      nic,
      all.filter(other => other !== nic),
    );
    const reading = `${nic.nic} port ${nic.port}: ${words}`;
    return words === undefined ? [] : [{ cause: 'network', node: nic.node, nic, reading }];
  });
}

interface NodeNic extends PaceNic {
  readonly node: string;
}

function nicOutOfLine(nic: NodeNic, others: readonly NodeNic[]): string | undefined {
  const all = [nic, ...others];
  if (nic.state !== undefined && nic.state !== 'ACTIVE') {
    const twins = namesakesOf(nic, all).filter(twin => areAlike(twin.node, nic.node, all));
    return isDownAlone(nic, twins) && wasUsed([nic, ...twins], others)
      ? `state ${nic.state}, ACTIVE elsewhere`
      : undefined;
  }
  if (isSlower(nic, all) && isOfOneMake(nic, all)) return rateWords(nic, all);
  const errors = errorsOf(nic);
  const usualErrors = median(others.map(errorsOf)) ?? 0;
  if (errors < THRESHOLDS.nicErrorsGrown.value || errors <= 10 * usualErrors) return undefined;
  const grew = Object.entries(nic.grew).map(([name, by]) => `${name} +${by}`);
  return `errors grow: ${grew.join(', ')}`;
}

/**
 * What it should be: as the same adapter of the other nodes; where there is none, as those beside it. Only
 * those that carry no more than it does tell that: an adapter for storage is another thing.
 */
function usualRate(nic: NodeNic, all: readonly NodeNic[]): number | undefined {
  const twins = twinsOf(nic, all);
  const peers = twins.length > 0 ? twins : all.filter(({ node }) => node === nic.node);
  const alike = peers.filter(
    peer =>
      peer !== nic &&
      isUsed(peer) &&
      trafficOf(nic) >= trafficOf(peer) * THRESHOLDS.likeTrafficShare.value,
  );
  return usualOf(alike.flatMap(({ rateGbps }) => rateGbps ?? []));
}

/** Where it carries traffic. */
function isSlower(nic: NodeNic, all: readonly NodeNic[]): boolean {
  const usual = usualRate(nic, all);
  const { rateGbps: rate } = nic;
  return (
    isUsed(nic) &&
    rate !== undefined &&
    usual !== undefined &&
    rate < usual * THRESHOLDS.slowLinkShare.value
  );
}

const rateWords = (nic: NodeNic, all: readonly NodeNic[]): string =>
  `${nic.rateGbps} Gb/s, the others ${usualRate(nic, all)} Gb/s`;

/**
 * Another adapter of its node has the rate that this one should have: where all of them are slower the
 * server is of another make, and no cable is bad.
 */
const isOfOneMake = (nic: NodeNic, all: readonly NodeNic[]): boolean =>
  all.some(
    mate =>
      mate !== nic &&
      mate.node === nic.node &&
      isUsed(mate) &&
      mate.rateGbps === usualRate(nic, all),
  );

/**
 * Remarks that accuse nobody: adapters without a link, or not there at all, where the others of that name have
 * one; and those that are slower, on a node where nothing tells a bad cable from another make.
 */
export function nicRemarks(looks: readonly LookedAt[]): readonly string[] {
  const all = looks.flatMap(({ node, pace }) => pace.nics.map(nic => ({ ...nic, node })));
  const down = all.flatMap(nic => {
    const others = all.filter(other => other !== nic);
    if (isSlower(nic, all) && !isOfOneMake(nic, all)) {
      return [`${nic.nic} port ${nic.port} on ${nic.node}: ${rateWords(nic, all)}`];
    }
    const namesakes = namesakesOf(nic, all);
    // The job's suspects tell of it.
    if (!isDownAlone(nic, namesakes) || nicOutOfLine(nic, others) !== undefined) return [];
    const why = wasUsed([nic, ...namesakes], others)
      ? 'ACTIVE on nodes with other adapters'
      : 'and no node uses it';
    return [`${nic.nic} port ${nic.port} on ${nic.node} is ${nic.state}, ${why}`];
  });
  return [...down, ...missingNics(looks, all)];
}

/** Adapters that all nodes alike have and use, but for one: there it may have fallen off the bus. */
const missingNics = (looks: readonly LookedAt[], all: readonly NodeNic[]): readonly string[] =>
  looks.flatMap(({ node, pace }) => {
    const alike = looks.filter(other => other.node !== node && areAlike(other.node, node, all));
    const [first] = alike;
    if (!first || pace.nics.length === 0) return [];
    return first.pace.nics.flatMap(({ nic, port }) => {
      const there = all.filter(each => each.nic === nic && each.port === port);
      const isMissing =
        there.every(each => each.node !== node && each.state === 'ACTIVE') &&
        alike.every(other => there.some(each => each.node === other.node));
      return isMissing && wasUsed(there, all)
        ? [`${nic} port ${port} is not there on ${node}, and ACTIVE on ${namesOf(there)}`]
        : [];
    });
  });

const namesOf = (nics: readonly NodeNic[]): string =>
  nics.length > 3 ? `${nics.length} others` : nics.map(({ node }) => node).join(', ');

/** Of the same name and port on the other nodes. */
const namesakesOf = (nic: NodeNic, all: readonly NodeNic[]): readonly NodeNic[] =>
  all.filter(other => other.node !== nic.node && other.nic === nic.nic && other.port === nic.port);

/** What a rate is compared with: on nodes that have as many adapters, for in another make the name is of another use. */
function twinsOf(nic: NodeNic, all: readonly NodeNic[]): readonly NodeNic[] {
  const countOn = (on: string) => all.filter(({ node }) => node === on).length;
  return namesakesOf(nic, all).filter(({ node }) => countOn(node) === countOn(nic.node));
}

/** Whether two nodes have the same adapters but for one of many, which may have fallen off. */
function areAlike(one: string, other: string, all: readonly NodeNic[]): boolean {
  const namesOn = (on: string) =>
    all.flatMap(({ node, nic, port }) => (node === on ? `${nic} ${port}` : []));
  const [a, b] = [namesOn(one), namesOn(other)];
  const both = a.filter(name => b.includes(name)).length;
  return both >= (a.length + b.length - both) * THRESHOLDS.likeNicsShare.value;
}

function isDownAlone({ state }: NodeNic, twins: readonly NodeNic[]): boolean {
  const up = twins.filter(twin => twin.state === 'ACTIVE').length;
  return state !== undefined && state !== 'ACTIVE' && up > 0 && up * 2 >= twins.length;
}

/** One that carries traffic on some node, or has carried its part of what the busiest adapter did. */
function wasUsed(twins: readonly NodeNic[], others: readonly NodeNic[]): boolean {
  const most = Math.max(0, ...[...twins, ...others].map(({ totalBytes = 0 }) => totalBytes));
  return twins.some(
    nic =>
      isUsed(nic) || (most > 0 && (nic.totalBytes ?? 0) >= most * THRESHOLDS.usedNicShare.value),
  );
}

const trafficOf = ({ sentMbps = 0, receivedMbps = 0 }: PaceNic): number =>
  Math.max(sentMbps, receivedMbps);

const isUsed = (nic: PaceNic): boolean => trafficOf(nic) >= THRESHOLDS.usedNicMbps.value;

const errorsOf = ({ grew }: PaceNic): number =>
  Object.values(grew).reduce((sum, by) => sum + by, 0);
