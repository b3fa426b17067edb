import { known } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Nic, NicPort } from '../host/port.ts';
import { type Clue, gpuAt, gpuName, type NodeFacts, nodeClue, type Rule } from './facts.ts';
import { median } from './neighbours.ts';
import { THRESHOLDS } from './thresholds.ts';

/**
 * Network adapters beside the GPUs: a time-out of NCCL is more often the network than a GPU. A port
 * is compared with its own kind: where most are down, they are not cabled and nobody is accused.
 */
export const nics: Rule = facts => {
  const near = (known(facts.host.nics) ?? []).filter(isNear);
  return near.flatMap(nic => {
    const peers = near
      .filter(other => other !== nic && other.kind === nic.kind)
      .flatMap(({ ports }) => ports);
    return nic.ports.flatMap(port => fault(facts, { nic, port, peers }) ?? []);
  });
};

const NEAR = ['PIX', 'PXB'];
const isNear = ({ gpuPaths }: Nic): boolean => gpuPaths.some(({ path }) => NEAR.includes(path));

const isActive = ({ state }: NicPort): boolean => known(state) === 'ACTIVE';

interface At {
  readonly nic: Nic;
  readonly port: NicPort;
  readonly peers: readonly NicPort[];
}

function fault(facts: NodeFacts, at: At): Clue | undefined {
  const { port, peers } = at;
  const active = peers.filter(isActive);
  const mostWork = active.length >= 2 && active.length * 2 > peers.length;
  if (!mostWork || !port.state.ok) return undefined;
  if (!isActive(port)) return down(facts, at, active.length);
  const rate = known(port.rateGbps);
  const usual = median(active.flatMap(peer => known(peer.rateGbps) ?? []));
  if (rate !== undefined && usual !== undefined && rate < usual) {
    return degraded(facts, at, { rate, usual });
  }
  return flapping(facts, at);
}

const portName = ({ nic, port }: At) => `${plainText(nic.name, 32)} port ${port.port}`;

const nearGpus = (facts: NodeFacts, { nic }: At): string =>
  nic.gpuPaths
    .filter(({ path }) => NEAR.includes(path))
    .slice(0, 2)
    .map(({ gpuPci }) => gpuName(gpuAt(facts, gpuPci)))
    .join(', ');

const clue = (rule: string, at: At, parts: Parameters<typeof nodeClue>[1]): Clue => ({
  ...nodeClue(rule, parts),
  id: `${rule}:${portName(at).replaceAll(' ', '-')}`,
});

const ASK =
  'Look at the cable, the transceiver and the switch port; jobs over several nodes that use the GPU beside it are slow or fail.';

const evidenceOf = (at: At, what: string) => ({
  what,
  source: `/sys/class/infiniband/${plainText(at.nic.name, 32)}/ports/${at.port.port}`,
  command: `ibstat ${plainText(at.nic.name, 32)}; rdma link show`,
});

function down(facts: NodeFacts, at: At, working: number): Clue {
  const { state, physicalState } = at.port;
  const words = [known(state), known(physicalState)].map(word => plainText(word ?? '?', 32));
  return clue('nic-down', at, {
    severity: 'warning',
    component: 'network',
    title: `The port ${portName(at)} beside ${nearGpus(facts, at)} is down`,
    action: 'drain',
    advice: ASK,
    blame: 'host',
    confidence: words[1] === 'Disabled' ? 'medium' : 'high',
    evidence: [
      evidenceOf(at, `state ${words.join(', ')}; ${working} ports of its kind are active`),
    ],
    counterEvidence:
      words[1] === 'Disabled' ? ['the port is switched off, perhaps on purpose'] : [],
  });
}

function degraded(
  facts: NodeFacts,
  at: At,
  { rate, usual }: { rate: number; usual: number },
): Clue {
  return clue('nic-degraded', at, {
    severity: 'warning',
    component: 'network',
    title: `The port ${portName(at)} beside ${nearGpus(facts, at)} runs at ${rate} Gb/s, its neighbours at ${usual} Gb/s`,
    action: 'watch',
    advice: ASK,
    blame: 'host',
    confidence: 'high',
    evidence: [evidenceOf(at, `rate ${rate} Gb/s; neighbours ${usual} Gb/s`)],
  });
}

function flapping(facts: NodeFacts, at: At): Clue | undefined {
  const downed = at.port.counters['link_downed'] ?? 0;
  const usual = median(at.peers.map(({ counters }) => counters['link_downed'] ?? 0)) ?? 0;
  const { linkFlaps } = THRESHOLDS;
  if (downed < usual + linkFlaps.value) return undefined;
  return clue('nic-flapping', at, {
    severity: 'warning',
    component: 'network',
    title: `The port ${portName(at)} beside ${nearGpus(facts, at)} has lost its link ${downed} times`,
    action: 'watch',
    advice: ASK,
    blame: 'host',
    confidence: 'medium',
    evidence: [evidenceOf(at, `link_downed ${downed}; neighbours ${usual}`)],
    counterEvidence: ['the port is active now', 'the counter does not say when'],
  });
}
