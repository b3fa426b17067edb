import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { Nic, NicPort } from '../../host/port.ts';
import { type Clue, gpuAt, gpuName, type NodeFacts, nodeClue, type Rule } from '../facts.ts';
import { median } from '../support/neighbours.ts';
import { cableErrors, downSince, flapsOf } from '../support/nic-log.ts';
import { ofProduct } from '../support/nic-products.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/**
 * Network adapters beside the GPUs: a time-out of NCCL is more often the network than a GPU. A port
 * is compared with its own kind: where most are down, they are not cabled and nobody is accused.
 */
export const nics: Rule = facts => nicsNearGpus(facts).flatMap(at => fault(facts, at) ?? []);

/** A port of an adapter near a GPU, and the ports of the other adapters of its kind. */
export interface PortAt {
  readonly nic: Nic;
  readonly port: NicPort;
  readonly others: readonly { readonly nic: Nic; readonly port: NicPort }[];
}

export function nicsNearGpus(facts: NodeFacts): readonly PortAt[] {
  const near = (known(facts.host.nics) ?? []).filter(isNear);
  return near.flatMap(nic => {
    const others = near
      .filter(other => other !== nic && other.kind === nic.kind)
      .flatMap(other => other.ports.map(port => ({ nic: other, port })));
    return nic.ports.map(port => ({ nic, port, others }));
  });
}

const NEAR = ['PIX', 'PXB'];
const isNear = ({ gpuPaths }: Nic): boolean => gpuPaths.some(({ path }) => NEAR.includes(path));

/**
 * What is known of a link. The driver of EFA writes ACTIVE whatever happens (efa_verbs.c,
 * efa_query_port): there only the network interface tells, where it has one.
 */
export function linkOf({ nic, port }: Pick<PortAt, 'nic' | 'port'>): 'up' | 'down' | 'unknown' {
  if (nic.kind !== 'efa') {
    return port.state.ok ? (port.state.value === 'ACTIVE' ? 'up' : 'down') : 'unknown';
  }
  const states = nic.interfaces.flatMap(({ operstate }) => known(operstate) ?? []);
  if (states.includes('up')) return 'up';
  return states.some(state => /down$/i.test(state)) ? 'down' : 'unknown';
}

function fault(facts: NodeFacts, at: PortAt): Clue | undefined {
  const link = linkOf(at);
  const active = at.others.filter(other => linkOf(other) === 'up');
  const mostWork = active.length >= 2 && active.length * 2 > at.others.length;
  if (link === 'unknown') return undefined;
  if (link === 'down') return mostWork ? down(facts, at, active.length) : undefined;
  const rate = known(at.port.rateGbps);
  const usual = median(active.flatMap(({ port }) => known(port.rateGbps) ?? []));
  if (mostWork && rate !== undefined && usual !== undefined && rate < usual) {
    return degraded(facts, at, { rate, usual });
  }
  return flapping(facts, at);
}

const portName = ({ nic, port }: PortAt) => `${plainText(nic.name, 32)} port ${port.port}`;

/** The port with the GPUs that suffer with it: `mlx5_0 port 1 beside GPU 0 (0000:1b:00)`. */
export function portBesideGpus(facts: NodeFacts, at: PortAt): string {
  const gpus = at.nic.gpuPaths
    .filter(({ path }) => NEAR.includes(path))
    .slice(0, 2)
    .map(({ gpuPci }) => gpuName(gpuAt(facts, gpuPci)));
  return `${portName(at)} beside ${gpus.join(', ')}`;
}

/** A finding on one port; its id is the rule's name and the port's. */
export const portClue = (
  rule: string,
  at: PortAt,
  parts: Omit<Parameters<typeof nodeClue>[1], 'component' | 'blame'> & {
    readonly blame?: Clue['blame'];
  },
): Clue => ({
  ...nodeClue(rule, { component: 'network', blame: 'host', ...parts }),
  id: `${rule}:${portName(at).replaceAll(' ', '-')}`,
});

export const ASK =
  'Look at the cable, the transceiver and the switch port; jobs over several nodes that use the GPU beside it are slow or fail.';

export const portEvidence = (at: PortAt, what: string) => ({
  what,
  source: `/sys/class/infiniband/${plainText(at.nic.name, 32)}/ports/${at.port.port}`,
  command: `ibstat ${plainText(at.nic.name, 32)}; rdma link show`,
});

function down(facts: NodeFacts, at: PortAt, working: number): Clue {
  const { state, physicalState } = at.port;
  const words =
    at.nic.kind === 'efa'
      ? ['its network interface is down']
      : [known(state), known(physicalState)].map(word => plainText(word ?? '?', 32));
  const disabled = words[1] === 'Disabled';
  return portClue('nic-down', at, {
    severity: 'warning',
    title: `The port ${portBesideGpus(facts, at)} is down`,
    action: 'drain',
    advice: ASK,
    confidence: disabled ? 'medium' : 'high',
    evidence: [
      portEvidence(at, `state ${words.join(', ')}; ${working} ports of its kind are active`),
      ...downSince(facts, at.nic),
      ...cableErrors(facts, at.nic),
    ],
    counterEvidence: disabled ? ['the port is switched off, perhaps on purpose'] : [],
  });
}

function degraded(
  facts: NodeFacts,
  at: PortAt,
  { rate, usual }: { rate: number; usual: number },
): Clue {
  return portClue('nic-degraded', at, {
    severity: 'warning',
    title: `The port ${portBesideGpus(facts, at)} runs at ${rate} Gb/s, its neighbours at ${usual} Gb/s`,
    action: 'watch',
    advice: ASK,
    confidence: 'high',
    evidence: [
      portEvidence(at, `rate ${rate} Gb/s; neighbours ${usual} Gb/s`),
      ...ofProduct(facts),
      ...cableErrors(facts, at.nic),
    ],
  });
}

/** By the kernel log, which knows when; else by the port's own count since boot, beside the others. */
function flapping(facts: NodeFacts, at: PortAt): Clue | undefined {
  const { linkFlaps, flapHours } = THRESHOLDS;
  const flaps = flapsOf(facts, at.nic);
  if (flaps.count >= linkFlaps.value) {
    return portClue('nic-flapping', at, {
      severity: flaps.recent ? 'warning' : 'info',
      title: `The port ${portBesideGpus(facts, at)} lost its link ${flaps.count} times in ${flapHours.value} hours`,
      action: 'watch',
      advice: ASK,
      confidence: 'high',
      evidence: [...flaps.evidence, ...cableErrors(facts, at.nic)],
      counterEvidence: ['the port is active now'],
    });
  }
  const downed = at.port.counters['link_downed'] ?? 0;
  const usual = median(at.others.map(({ port }) => port.counters['link_downed'] ?? 0));
  if (usual === undefined || downed < usual + linkFlaps.value) return undefined;
  return portClue('nic-flapping', at, {
    severity: 'warning',
    title: `The port ${portBesideGpus(facts, at)} has lost its link ${downed} times`,
    action: 'watch',
    advice: ASK,
    confidence: 'medium',
    evidence: [portEvidence(at, `link_downed ${downed}; neighbours ${usual}`)],
    counterEvidence: ['the port is active now', 'the counter does not say when'],
  });
}
