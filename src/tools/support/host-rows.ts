import * as z from 'zod';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { countsText } from '../../findings/support/gpu-counts.ts';
import type { HostState } from '../../host/port.ts';
import { bytesText } from './wording.ts';

/** A disk fuller than this is named. Below the kubelet's own limit for images, 85 %. */
const DISK_FULL_SHARE = 0.8;

/** How many GPUs each layer counts, from the metal up to the scheduler; absent: not read. */
export const LayerCounts = z
  .strictObject({
    pciBus: z.int().optional(),
    kernelModule: z.int().optional(),
    deviceNodes: z.int().optional(),
    nvml: z.int().optional(),
    kubeletAllocatable: z.int().optional(),
    /** From the cluster. */
    nodeCapacity: z.int().optional(),
    nodeAllocatable: z.int().optional(),
    draPublished: z.int().optional(),
    draOffered: z.int().optional(),
    nodeLabel: z.int().optional(),
    instanceType: z.int().optional(),
  })
  .meta({ listedKeys: ['pciBus', 'nvml', 'kubeletAllocatable', 'nodeAllocatable'] });
export type LayerCounts = z.infer<typeof LayerCounts>;

/** What runs on the node for its GPUs, and what is odd about the host. */
export const HostRow = z
  .strictObject({
    daemons: z.array(z.string()),
    trouble: z.array(z.string()),
    memoryAvailable: z.string().optional(),
    load: z.string().optional(),
    runtimes: z.array(z.string()).optional(),
    notRead: z.array(z.string()),
  })
  .meta({ listedKeys: ['daemons', 'trouble', 'notRead'] });
export type HostRow = z.infer<typeof HostRow>;

/** The host in a few words; facts without judgement but for what is plainly odd. */
export function hostRow(host: HostState): HostRow {
  const { memory, load, filesystems } = host.resources;
  const ram = known(memory);
  const busy = known(load);
  const cpus = busy && known(busy.cpus);
  const daemons = known(host.daemons) ?? [];
  const files = known(host.containerToolkit.runtimes);
  const runtimes = [...Map.groupBy(files ?? [], ({ runtime }) => runtime)].map(
    ([runtime, told]) =>
      `${runtime}, ${told.some(({ nvidiaHandler }) => nvidiaHandler) ? '' : 'no '}nvidia handler`,
  );
  const readings = {
    daemons: host.daemons,
    memory,
    load,
    filesystems,
    blockedTasks: host.blockedTasks,
    nics: host.nics,
  };
  return {
    daemons: [...new Set(daemons.map(({ kind }) => kind))],
    trouble: troubleOf(host),
    ...(ram && {
      memoryAvailable: `${bytesText(ram.availableBytes)} of ${bytesText(ram.totalBytes)}`,
    }),
    ...(busy && { load: `${busy.one}${cpus === undefined ? '' : ` on ${cpus} CPUs`}` }),
    ...(runtimes.length > 0 && { runtimes }),
    notRead: Object.entries(readings).flatMap(([name, reading]) =>
      reading.ok ? [] : [`${name}: ${reading.reason}`],
    ),
  };
}

function troubleOf(host: HostState): string[] {
  const { filesystems, oomKills, edac, clock } = host.resources;
  const disks = (known(filesystems) ?? []).flatMap(disk => {
    const name = plainText(disk.mountPoint, 64);
    const space = known(disk.space);
    const used = space ? 1 - space.availableBytes / Math.max(1, space.totalBytes) : 0;
    return [
      ...(disk.readOnly && !disk.readOnlyByDesign ? [`${name} is read-only`] : []),
      ...(used > DISK_FULL_SHARE && !disk.readOnlyByDesign
        ? [`${name} is ${Math.round(used * 100)} % full`]
        : []),
    ];
  });
  const blocked = (known(host.blockedTasks) ?? []).map(
    task =>
      `task ${task.pid} ${plainText(task.name, 32)} is blocked${task.waitsIn.ok ? ` in ${plainText(task.waitsIn.value, 64)}` : ''}`,
  );
  const kills = known(oomKills) ?? 0;
  const memory = known(edac);
  const nics = (known(host.nics) ?? []).flatMap(nic =>
    nic.ports.flatMap(({ port, state }) =>
      state.ok && state.value !== 'ACTIVE'
        ? [`NIC ${plainText(nic.name, 32)} port ${port} is ${plainText(state.value, 16)}`]
        : [],
    ),
  );
  return [
    ...blocked.slice(0, 8),
    ...disks.slice(0, 8),
    ...nics.slice(0, 16),
    ...(kills > 0 ? [`${kills} processes killed for memory since boot`] : []),
    ...(memory && memory.uncorrected > 0
      ? [`${memory.uncorrected} uncorrected errors of host memory since boot`]
      : []),
    ...(known(clock)?.synchronized === false ? ['the clock is not synchronized'] : []),
  ];
}

/** Layers on one line. */
export const layersLine = (layers: LayerCounts): string => `GPUs by layer: ${countsText(layers)}`;
