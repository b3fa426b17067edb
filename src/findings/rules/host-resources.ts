import { shell } from '../../contract/printed-command.ts';
import { known, type Reading } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { DeviceHolder, Filesystem, Stall } from '../../host/port.ts';
import { type Clue, nodeClue } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** What the host itself lacks: causes of failing jobs that no GPU is to blame for. */
export const hostResources = rule(
  'host-resources',
  {
    host: {
      decides: [
        ...['resources.filesystems', 'resources.memory', 'resources.edac'],
        ...['resources.kernelTaint', 'resources.filesystems.space', 'resources.pressure'],
        ...['resources.pressure.memory', 'resources.sharedMemory'],
      ],
      tells: ['resources.clock', 'resources.pressure.io', 'resources.timeSync'],
    },
  } as const,
  facts => [
    ...disks(facts),
    ...memory(facts),
    ...sharedMemoryOfNode(facts),
    ...memoryErrors(facts),
    ...clock(facts),
    ...stalls('memory', known(facts.host.resources.pressure)?.memory),
    ...stalls('io', known(facts.host.resources.pressure)?.io),
  ],
);

function disks(facts: NodeFacts): readonly Clue[] {
  return (known(facts.host.resources.filesystems) ?? []).flatMap(disk => {
    if (disk.readOnly && !disk.readOnlyByDesign) return [readOnly(disk)];
    return full(disk);
  });
}

function readOnly(disk: Filesystem): Clue {
  const place = plainText(disk.mountPoint, 128);
  return nodeClue('disk-read-only', {
    of: place,
    severity: 'critical',
    component: 'host',
    title: `The file system ${place} has become read-only`,
    action: 'drain',
    advice: 'Drain the node and look at the disk: the kernel does this after an error.',
    blame: 'host',
    confidence: 'high',
    evidence: [
      {
        what: `${plainText(disk.device, 64)} on ${place} is mounted read-only`,
        source: '/proc/mounts',
        command: shell`grep -F ${` ${place} `} /proc/mounts; dmesg -T | grep -iE 'ext4|xfs|nvme|I/O error'`,
      },
    ],
  });
}

/** The kubelet's own disk by the kubelet's own limits, other disks only when nearly nothing is left. */
function full(disk: Filesystem): readonly Clue[] {
  const space = known(disk.space);
  if (!space || space.totalBytes === 0 || disk.readOnlyByDesign) return [];
  const { nodefsAvailable, nodefsInodesFree, diskAvailable } = THRESHOLDS;
  const kubelet = /^(?:\/|\/var|\/var\/lib|\/var\/lib\/kubelet)$/.test(disk.mountPoint);
  const limit = kubelet ? nodefsAvailable : diskAvailable;
  const free = space.availableBytes / space.totalBytes;
  const inodes = space.inodesTotal === 0 ? 1 : space.inodesFree / space.inodesTotal;
  const byInodes = kubelet && inodes < nodefsInodesFree.value;
  if (free >= limit.value && !byInodes) return [];
  const place = plainText(disk.mountPoint, 128);
  const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
  const left = byInodes ? `${percent(inodes)} of its inodes` : `${percent(free)} of its space`;
  return [
    nodeClue('disk-full', {
      of: place,
      severity: 'warning',
      component: 'host',
      title: `The file system ${place} has ${left} left`,
      action: 'fix_configuration',
      advice:
        'Free space (images, logs, /var/lib/kubelet): below this the kubelet evicts pods and pulls no image.',
      blame: 'host',
      confidence: 'high',
      evidence: [
        {
          what: `${left} left; limit ${percent(byInodes ? nodefsInodesFree.value : limit.value)} (${limit.source})`,
          source: `statfs ${place}`,
          command: shell`df -h ${place}; df -i ${place}`,
        },
      ],
    }),
  ];
}

function memory(facts: NodeFacts): readonly Clue[] {
  const state = known(facts.host.resources.memory);
  const { memoryAvailableBytes: limit } = THRESHOLDS;
  if (!state || state.availableBytes >= limit.value) return [];
  return [
    nodeClue('host-memory-full', {
      cause: 'node-memory',
      severity: 'warning',
      component: 'host',
      title: `The node has ${Math.round(state.availableBytes / 1024 ** 2)} MiB of memory left`,
      action: 'fix_configuration',
      advice:
        'Find what uses the memory of the host: the kubelet evicts pods and the kernel kills.',
      blame: 'host',
      confidence: 'high',
      evidence: [
        {
          what: `available ${state.availableBytes} of ${state.totalBytes} bytes; limit ${limit.value} (${limit.source})`,
          source: '/proc/meminfo',
          command: 'free -h',
        },
      ],
    }),
  ];
}

function sharedMemoryOfNode(facts: NodeFacts): readonly Clue[] {
  const state = known(facts.host.resources.sharedMemory);
  const { diskAvailable: limit } = THRESHOLDS;
  if (!state || state.totalBytes === 0) return [];
  const free = state.availableBytes / state.totalBytes;
  if (free >= limit.value) return [];
  return [
    nodeClue('host-shm-full', {
      severity: 'warning',
      component: 'host',
      title: `The node's /dev/shm has ${(free * 100).toFixed(1)} % of its space left`,
      action: 'fix_configuration',
      advice:
        'Look what is left in it (files of jobs that were killed): NCCL and data loaders outside containers, and in pods with hostIPC, fail with a bus error.',
      blame: 'host',
      confidence: 'medium',
      evidence: [
        {
          what: `available ${state.availableBytes} of ${state.totalBytes} bytes`,
          source: 'statfs /dev/shm',
          command: 'df -h /dev/shm; ls -lS /dev/shm | head',
        },
      ],
      counterEvidence: ['a container has a /dev/shm of its own'],
    }),
  ];
}

/** Bit 4 of the taint: the processor reported a machine check (Documentation/admin-guide/tainted-kernels). */
const TAINT_MACHINE_CHECK = 16;

function memoryErrors(facts: NodeFacts): readonly Clue[] {
  const { edac, kernelTaint } = facts.host.resources;
  const uncorrected = known(edac)?.uncorrected ?? 0;
  const checked = ((known(kernelTaint) ?? 0) & TAINT_MACHINE_CHECK) !== 0;
  if (uncorrected === 0 && !checked) return [];
  return [
    nodeClue('host-hardware-error', {
      cause: 'node-hardware',
      severity: 'warning',
      component: 'host',
      title:
        uncorrected > 0
          ? `The memory of the host has ${uncorrected} uncorrected errors since boot`
          : 'The processor of the host has reported a machine check since boot',
      sign:
        uncorrected > 0 ? `${uncorrected} uncorrected errors of host memory` : 'a machine check',
      action: 'drain',
      advice:
        "Drain the node and read the host's own error log (BMC, rasdaemon) before blaming a GPU.",
      blame: 'host',
      confidence: 'high',
      evidence: [
        ...(uncorrected > 0
          ? [
              {
                what: `${uncorrected} uncorrected, ${known(edac)?.corrected ?? '?'} corrected`,
                source: '/sys/devices/system/edac/mc',
                command: 'grep . /sys/devices/system/edac/mc/mc*/*e_count',
              },
            ]
          : []),
        ...(checked
          ? [
              {
                what: 'the kernel is tainted by a machine check',
                source: '/proc/sys/kernel/tainted',
                command: 'cat /proc/sys/kernel/tainted',
              },
            ]
          : []),
      ],
    }),
  ];
}

function clock(facts: NodeFacts): readonly Clue[] {
  const state = known(facts.host.resources.clock);
  if (state?.synchronized !== false) return [];
  const daemon = known(facts.host.resources.timeSync)?.daemon;
  return [
    nodeClue('clock-not-synchronized', {
      severity: 'info',
      component: 'host',
      title: 'The clock of the node is not synchronized',
      action: 'watch',
      advice:
        'Times of this node cannot be ordered against those of others; start its time daemon.',
      blame: 'host',
      confidence: 'medium',
      evidence: [
        {
          what: `the kernel bounds its error at ${Math.round(state.maximumErrorMicroseconds / 1e6)} s, its limit; ${
            daemon === undefined ? 'no time daemon was seen' : `${plainText(daemon, 16)} runs`
          }`,
          source: 'adjtimex(2)',
          command: 'timedatectl; chronyc tracking',
        },
      ],
    }),
  ];
}

/** Tasks of the node that cannot go on for want of memory or of a disk: GPUs wait with them. */
function stalls(name: 'memory' | 'io', reading: Reading<Stall> | undefined): readonly Clue[] {
  const percent = known(reading)?.full60Percent ?? 0;
  const { stallPercent, memoryStallPercent } = THRESHOLDS;
  const severe = name === 'memory' && percent >= memoryStallPercent.value;
  const limit = severe ? memoryStallPercent : stallPercent;
  if (percent < limit.value) return [];
  return [
    nodeClue(`${name}-stalls`, {
      ...(name === 'memory' && { cause: 'node-memory' as const }),
      severity: severe ? 'warning' : 'info',
      component: 'host',
      title: `All tasks of the node stood still for ${name === 'memory' ? 'memory' : 'disks'} in ${Math.round(percent)} % of the last minute`,
      sign: `tasks stand still for ${name === 'memory' ? 'memory' : 'disks'}`,
      action: 'watch',
      advice:
        name === 'memory'
          ? 'Find what uses the memory of the host: programs on the GPUs wait with it.'
          : 'Find what reads or writes so much: loading of data and checkpoints wait with it.',
      blame: 'host',
      confidence: 'medium',
      evidence: [
        {
          what: `full avg60=${percent.toFixed(2)}; limit ${limit.value} (${limit.source})`,
          source: `/proc/pressure/${name}`,
          command: shell`cat /proc/pressure/${name}`,
        },
      ],
    }),
  ];
}

/** NCCL and the loaders of PyTorch meet in /dev/shm, of which a container gets little by default. */
export const sharedMemory = rule(
  'shared-memory',
  { gpu: { tells: ['processes'] }, host: { tells: ['deviceHolders'] } },
  facts => {
    const { sharedMemoryBytes: limit } = THRESHOLDS;
    const small = (known(facts.host.deviceHolders) ?? []).filter(
      ({ sharedMemoryBytes }) =>
        sharedMemoryBytes !== undefined && sharedMemoryBytes <= limit.value,
    );
    const pods = [...Map.groupBy(small, ({ podUid }) => podUid)].filter(
      ([, holders]) => gpusOf(facts, holders) > 1,
    );
    const [first] = pods;
    if (!first) return [];
    return [
      nodeClue('shared-memory-small', {
        severity: 'info',
        component: 'configuration',
        title: `${pods.length === 1 ? 'A pod' : `${pods.length} pods`} on several GPUs ${pods.length === 1 ? 'has' : 'have'} only the default /dev/shm of ${limit.value / 1024 ** 2} MiB`,
        action: 'fix_configuration',
        advice:
          'Mount an emptyDir with medium Memory at /dev/shm (1 GiB or more): without it NCCL fails with a system error, or a loader ends with a bus error.',
        blame: 'configuration',
        confidence: 'medium',
        evidence: pods.slice(0, 4).map(([podUid, holders]) => ({
          what: `pod ${plainText(podUid ?? '?', 64)}, process ${holders[0]?.pid} (${plainText(holders[0]?.name ?? '', 16)}) of ${gpusOf(facts, holders)} GPUs: ${holders[0]?.sharedMemoryBytes} bytes (${limit.source})`,
          source: `/proc/${holders[0]?.pid}/mountinfo`,
          command: shell`grep /dev/shm /proc/${holders[0]?.pid ?? 'PID'}/mountinfo`,
        })),
        counterEvidence: ['a program that shares no memory does not need it'],
      }),
    ];
  },
);

/** On how many GPUs the driver names one of these processes: agents only hold the devices open. */
function gpusOf(facts: NodeFacts, holders: readonly DeviceHolder[]): number {
  const pids = new Set(holders.map(({ pid }) => pid));
  return facts.driver.gpus.filter(gpu =>
    (known(gpu.processes) ?? []).some(({ pid }) => pids.has(pid)),
  ).length;
}
