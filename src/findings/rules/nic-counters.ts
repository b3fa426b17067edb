import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { Nic } from '../../host/port.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { GPU_NAMES, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { median } from '../support/neighbours.ts';
import { NIC_SIGNS } from '../support/nic-signs.ts';
import {
  ASK,
  isNear,
  nicsNearGpus,
  type PortAt,
  portBesideGpus,
  portClue,
  portEvidence,
} from '../support/nics.ts';
import { portGrowth } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

interface NicCounter {
  /** As in counters/ or hw_counters/ of sysfs. */
  readonly name: keyof typeof NIC_SIGNS;
  /** What may grow without a finding; 0: any growth is one. */
  readonly perSecond: number;
  /** Well links do not count it at all; what is not rare is common on busy links. */
  readonly rare: boolean;
}

const { symbolErrorsPerSecond, linkRecoveriesPerMinute, slowRestartsPerSecond } = THRESHOLDS;

/** Counters whose growth says something of now. NVSentinel, NIC health monitor, link counters. */
export const NIC_COUNTERS: readonly NicCounter[] = [
  { name: 'link_downed', perSecond: 0, rare: true },
  { name: 'local_link_integrity_errors', perSecond: 0, rare: true },
  { name: 'excessive_buffer_overrun_errors', perSecond: 0, rare: true },
  {
    name: 'link_error_recovery',
    perSecond: linkRecoveriesPerMinute.value / 60,
    rare: true,
  },
  // HDR and NDR (PAM4) count some on every link: forward error correction repairs them.
  { name: 'symbol_error', perSecond: symbolErrorsPerSecond.value, rare: false },
  {
    name: 'roce_slow_restart',
    perSecond: slowRestartsPerSecond.value,
    rare: false,
  },
  // The peer's queue had no buffer: its program was late, or is gone. No fault of this port.
  { name: 'rnr_nak_retry_err', perSecond: 0, rare: false },
];

/**
 * Ports beside GPUs whose error counters grew while they were watched. What grows on all ports
 * alike is the network's or the program's, and a remark.
 */
export const nicCounters = rule(
  'nic-counters',
  {
    gpu: { tells: [...GPU_NAMES] },
    host: { decides: ['nics'], tells: ['nics.boardId'] },
    secondLook: true,
  },
  facts => {
    const grown = nicsNearGpus(facts).flatMap(at => {
      const fast = NIC_COUNTERS.flatMap(counter => growth(facts, at, counter) ?? []);
      return KINDS.flatMap(of => {
        const own = fast.filter(({ counter }) => NIC_SIGNS[counter.name] === of);
        return own.length === 0 ? [] : [{ of, at, own }];
      });
    });
    return KINDS.flatMap(of => {
      const ports = grown.filter(port => port.of === of);
      const tell = ({ at, own }: (typeof ports)[number]) => CLUES[of](facts, at, own);
      const alike = ports.filter(({ own }) => own.every(({ shared }) => shared));
      const apart = ports.filter(port => !alike.includes(port));
      return [...apart.map(tell), ...together(alike.map(tell))];
    });
  },
);

const KINDS = ['link', 'congestion', 'receiver'] as const;

/** The same remark on many ports is one. */
function together(clues: readonly Clue[]): readonly Clue[] {
  const [first, ...others] = clues;
  if (!first || others.length === 0) return clues;
  return [
    {
      ...first,
      id: first.id.slice(0, first.id.indexOf(':')),
      title: `${first.title}; the same on ${others.length} other ports`,
      evidence: clues.flatMap(({ evidence }) => evidence).slice(0, 4),
    },
  ];
}

interface Growth {
  readonly counter: NicCounter;
  readonly text: string;
  /** The other ports count as fast, or there are none to compare with. */
  readonly shared: boolean;
}

function growth(facts: NodeFacts, at: PortAt, counter: NicCounter): Growth | undefined {
  const rateOf = ({ nic, port }: Pick<PortAt, 'nic' | 'port'>) => {
    const found = portGrowth(facts, { nic: nic.name, port: port.port }, counter.name);
    return found && { ...found, rate: found.grown / found.seconds };
  };
  const own = rateOf(at);
  if (!own || own.grown === 0 || own.rate <= counter.perSecond) return undefined;
  const usual = median(at.others.flatMap(other => rateOf(other)?.rate ?? []));
  return {
    counter,
    text: `${counter.name} grew by ${own.grown} in ${own.seconds.toFixed(1)} s${usual === undefined ? '' : `; neighbours by ${Math.round(usual * own.seconds)}`}`,
    shared: !counter.rare && (usual === undefined || usual * 2 >= own.rate),
  };
}

type Tell = (facts: NodeFacts, at: PortAt, own: readonly Growth[]) => Clue;

const namesIn = (own: readonly Growth[]): string =>
  own.map(({ counter }) => counter.name).join(', ');

const CLUES: Readonly<Record<(typeof KINDS)[number], Tell>> = {
  link: (facts, at, own) => {
    const shared = own.every(growth => growth.shared);
    const { symbolErrorsPerHour } = THRESHOLDS;
    return portClue('nic-errors', at, {
      severity: shared ? 'info' : 'warning',
      title: `The port ${portBesideGpus(facts, at)} has errors on its link now: ${namesIn(own)}`,
      action: 'watch',
      advice: ASK,
      confidence: shared ? 'low' : 'high',
      evidence: own.map(({ text }) => portEvidence(at, text)),
      counterEvidence: shared ? ['no other port counts slower: it may be the normal rate'] : [],
      wouldChange: `Whether there are more than ${symbolErrorsPerHour.value} symbol errors an hour (${symbolErrorsPerHour.source}) cannot be seen in seconds: read the counter again in an hour.`,
    });
  },
  congestion: (facts, at, own) => {
    const shared = own.every(growth => growth.shared);
    return portClue('nic-congestion', at, {
      severity: shared ? 'info' : 'warning',
      title: `The port ${portBesideGpus(facts, at)} is slowed down by congestion: ${namesIn(own)}`,
      action: 'watch',
      advice:
        'Look at flow control (PFC, ECN) of this port and its switch, and at who else sends through them.',
      blame: 'unknown',
      confidence: 'medium',
      evidence: own.map(({ text }) => portEvidence(at, text)),
      counterEvidence: shared ? ['no other port does better: it is the network'] : [],
    });
  },
  receiver: (facts, at, own) =>
    portClue('nic-peer-not-ready', at, {
      severity: 'info',
      title: `What the port ${portBesideGpus(facts, at)} sends to was not ready to receive`,
      action: 'watch',
      advice: 'Look at the other ranks of the job: one of them is late or gone.',
      blame: 'application',
      confidence: 'medium',
      evidence: own.map(({ text }) => portEvidence(at, text)),
      counterEvidence: ['NVSentinel takes any growth of this counter for a fault of the port'],
    }),
};

/** What RDMA from and to the GPUs lacks. */
export const rdma = rule(
  'rdma',
  {
    host: {
      tells: [
        ...['nics', 'driverFiles.modules', 'kernel', 'moduleKind', 'nics.driver'],
        'resources.memlockBytes',
      ],
    },
  } as const,
  facts => [...gpuDirect(facts), ...lockedMemory(facts)],
);

/** An adapter for RDMA below the same PCIe switch as a GPU. */
const isRdmaBesideGpu = (nic: Nic): boolean =>
  ['infiniband', 'roce', 'efa'].includes(nic.kind) && isNear(nic);

/**
 * Adapters beside GPUs read GPU memory themselves by nvidia_peermem, or by dma-buf where module and
 * kernel have it. Without either every byte goes through the memory of the host.
 */
function gpuDirect(facts: NodeFacts): readonly Clue[] {
  const { host } = facts;
  const near = (known(host.nics) ?? []).filter(
    nic => isRdmaBesideGpu(nic) && known(nic.driver) === 'mlx5_core',
  );
  const modules = known(host.driverFiles.modules);
  const why = withoutDmabuf(facts);
  if (near.length === 0 || !modules || why === undefined) return [];
  if (modules.some(({ name }) => ['nvidia_peermem', 'nv_peer_mem'].includes(name))) return [];
  return [
    nodeClue('peermem-absent', {
      severity: 'info',
      component: 'configuration',
      title: `nvidia_peermem is not loaded: ${near.length} RDMA adapters beside GPUs cannot read GPU memory themselves`,
      action: 'fix_configuration',
      advice:
        'Load it (modprobe nvidia-peermem), or use the open kernel module, which has dma-buf.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [
        {
          what: `no nvidia_peermem among the modules, and ${why}`,
          source: '/proc/modules',
          command: 'lsmod | grep peermem; uname -r; head -1 /proc/driver/nvidia/version',
        },
      ],
      counterEvidence: ['distributions may bring dma-buf to older kernels'],
    }),
  ];
}

/** Why dma-buf cannot take its place; undefined where it can, or where that is not known. */
function withoutDmabuf({ host }: NodeFacts): string | undefined {
  const { dmabufKernel } = THRESHOLDS;
  if (known(host.moduleKind) === 'proprietary') return 'only the open module has dma-buf';
  const kernel = known(host.kernel) ?? '';
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})\b/.exec(kernel) ?? [];
  if (major === undefined) return undefined;
  return Number(major) * 1_000 + Number(minor) < dmabufKernel.value
    ? `Linux ${plainText(kernel, 32)} has no dma-buf for RDMA (${dmabufKernel.source})`
    : undefined;
}

/** RDMA locks the memory that it sends from; containers inherit the limit of their runtime. */
function lockedMemory(facts: NodeFacts): readonly Clue[] {
  const locked = known(facts.host.resources.memlockBytes);
  const { memlockBytes: limit } = THRESHOLDS;
  const near = (known(facts.host.nics) ?? []).filter(isRdmaBesideGpu);
  if (near.length === 0 || typeof locked !== 'number' || locked > limit.value) return [];
  const kib = Math.floor(locked / 1024);
  return [
    nodeClue('memlock-small', {
      severity: 'info',
      component: 'configuration',
      title: `Containers may lock ${kib} KiB of memory: too little for RDMA without IPC_LOCK`,
      action: 'fix_configuration',
      advice:
        'Set LimitMEMLOCK=infinity for the container runtime, or give RDMA pods the capability IPC_LOCK.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [
        {
          what: `Max locked memory ${locked} bytes, not above ${limit.value} (${limit.source}); ${near.length} RDMA adapters beside GPUs`,
          source: '/proc/PID/limits of the container runtime',
          command: `grep 'locked memory' /proc/$(pidof containerd crio dockerd | cut -d' ' -f1)/limits`,
        },
      ],
      counterEvidence: ['a pod with the capability IPC_LOCK is not bound by it'],
    }),
  ];
}
