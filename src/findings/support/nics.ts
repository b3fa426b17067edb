import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { Nic, NicPort } from '../../host/port.ts';
import type { KernelEvent } from '../../xid/events.ts';
import { type Clue, type ClueParts, nodeClue } from '../clue.ts';
import { gpuAt, gpuName, type NodeFacts } from '../facts.ts';

/** A port of an adapter near a GPU, and the ports of the other adapters of its kind and board. */
export interface PortAt {
  readonly nic: Nic;
  readonly port: NicPort;
  readonly others: readonly { readonly nic: Nic; readonly port: NicPort }[];
}

export function nicsNearGpus(facts: NodeFacts): readonly PortAt[] {
  const near = (known(facts.host.nics) ?? []).filter(isNear);
  return near.flatMap(nic => {
    const others = near
      .filter(other => other !== nic && other.kind === nic.kind && isOfBoard(other, nic))
      .flatMap(other => other.ports.map(port => ({ nic: other, port })));
    return nic.ports.map(port => ({ nic, port, others }));
  });
}

/** Two boards of which one is made for less say nothing of each other. */
const isOfBoard = (a: Nic, b: Nic): boolean =>
  !a.boardId.ok || !b.boardId.ok || a.boardId.value === b.boardId.value;

const NEAR = ['PIX', 'PXB'];
export const isNear = ({ gpuPaths }: Nic): boolean =>
  gpuPaths.some(({ path }) => NEAR.includes(path));

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
  parts: Omit<ClueParts, 'component' | 'blame'> & {
    readonly blame?: Clue['blame'];
  },
): Clue =>
  nodeClue(rule, {
    of: portName(at).replaceAll(' ', '-'),
    component: 'network',
    blame: 'host',
    ...parts,
  });

export const ASK =
  'Look at the cable, the transceiver and the switch port; jobs over several nodes that use the GPU beside it are slow or fail.';

export const portEvidence = (at: Pick<PortAt, 'nic' | 'port'>, what: string) => ({
  what,
  source: `/sys/class/infiniband/${plainText(at.nic.name, 32)}/ports/${at.port.port}`,
  command: shell`ibstat ${at.nic.name}; rdma link show`,
});

/** What the kernel log says of an adapter, oldest first: by its address, else by its interface. */
export function linesOf(
  { log }: NodeFacts,
  nic: Nic,
  kinds: readonly string[],
): readonly KernelEvent[] {
  const pci = known(nic.pci);
  const names = nic.interfaces.map(({ name }) => name);
  return (log?.events ?? [])
    .filter(
      event =>
        kinds.includes(event.kind) &&
        (event.pci === null
          ? names.includes(String(event.details['interface']))
          : event.pci === pci),
    )
    .toSorted((a, b) => timeOf(a) - timeOf(b));
}

export const timeOf = ({ time }: KernelEvent): number => (time === null ? 0 : Date.parse(time));
