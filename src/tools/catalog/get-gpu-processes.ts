import * as z from 'zod';
import { summaryLine, type Written } from '../../contract/answer.ts';
import type { ClusterView } from '../../contract/cluster-view.ts';
import { optional } from '../../contract/optional.ts';
import { known, MissingReason } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { GpuState } from '../../nvml/port.ts';
import { HEAD, head } from '../head.ts';
import { podInCluster } from '../support/cluster-rows.ts';
import { count } from '../support/gpu-fields.ts';
import {
  errorLine,
  type GpuRow,
  gpuName,
  gpuRows,
  gpuSelector,
  selectRows,
} from '../support/gpu-rows.ts';
import { ProcessRow, processRows, whose } from '../support/process-rows.ts';
import { hostnameOf, readNode } from '../support/read-node.ts';
import { bytesText, plural } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

const PROCESSES_MAX = 32;
const HOLDERS_MAX = 32;
/** Less than that is the driver's own: contexts of other kinds, page tables, MPS. */
const UNEXPLAINED_BYTES_MIN = 512 * 1024 ** 2;
/** Where the driver does not tell its reserve apart (memory v1), this much may be the reserve. */
const RESERVE_BYTES_MAX = 2 * 1024 ** 3;

const GpuWithProcesses = z
  .strictObject({
    index: z.int().optional(),
    pci: z.string().optional(),
    uuid: z.string().optional(),
    error: z.string().optional(),
    /** Why the driver did not name processes. */
    processesUnavailable: MissingReason.optional(),
    memoryUsedBytes: count.optional(),
    /** In use, and by no process that the driver names: a leak, or a process it hides. */
    unexplainedBytes: count.optional(),
    processes: z.array(ProcessRow),
    processesTotal: z.int(),
  })
  .meta({ listedKeys: ['index', 'pci', 'unexplainedBytes', 'processes', 'processesTotal'] });
type GpuWithProcesses = z.infer<typeof GpuWithProcesses>;

/** A process that holds /dev/nvidia* open and that the driver does not name. */
const Holder = z
  .strictObject({
    pid: z.int(),
    name: z.string(),
    state: z.string(),
    devices: z.array(z.string()),
    podUid: z.string().optional(),
    waitsIn: z.string().optional(),
  })
  .meta({ listedKeys: ['pid', 'name', 'state', 'devices'] });

export const getGpuProcesses = defineTool({
  name: 'get_gpu_processes',
  title: 'Processes on the GPUs',
  description:
    'Lists the processes on each GPU with their memory, pod, container and owner; leaked contexts, memory that no process explains, processes that hold a device open. ' +
    'Ask who must be told before a reset, or why memory is not free.',
  input: z.strictObject({ gpu: gpuSelector }),
  output: z.strictObject({
    ...HEAD,
    gpus: z.array(GpuWithProcesses),
    leaked: z.int().min(0).describe('Contexts whose process is gone.'),
    hidden: z.int().min(0).describe('Processes of kind `other`.'),
    holders: z.array(Holder),
  }),
  async observe(input, instruments, signal) {
    const facts = await readNode(instruments, undefined, signal);
    const rows = selectRows(gpuRows(facts, ['name', 'uuid']), input.gpu);
    const gpus = rows.map(row => withProcesses(facts, row));
    const all = gpus.flatMap(gpu => gpu.processes);
    const leaked = all.filter(process => process.place === 'gone').length;
    const hidden = all.filter(process => process.kind === 'other').length;
    const pods = new Set(all.flatMap(({ podUid }) => podUid ?? []));
    const unread = gpus.filter(gpu => gpu.processesUnavailable ?? gpu.error).length;
    const unexplained = gpus.filter(gpu => gpu.unexplainedBytes !== undefined).length;
    const summary = [
      `${plural(
        gpus.reduce((sum, gpu) => sum + gpu.processesTotal, 0),
        'process',
        'processes',
      )} of ${plural(pods.size, 'pod')} on ${plural(gpus.length, 'GPU')}`,
      ...(leaked > 0 ? [`${plural(leaked, 'leaked context')}`] : []),
      ...(hidden > 0
        ? [`${plural(hidden, 'process', 'processes')} neither compute nor graphics`]
        : []),
      ...(unexplained > 0
        ? [`memory that no process explains on ${plural(unexplained, 'GPU')}`]
        : []),
      ...(unread > 0 ? [`${plural(unread, 'GPU')} could not be asked`] : []),
    ].join('; ');
    return {
      ...head(instruments, hostnameOf(facts), `${summary}.`),
      gpus,
      leaked,
      hidden,
      holders: holdersOf(facts, all),
    };
  },
  clusterView: {
    question: () => ({}),
    join: (facts, view) => ({ ...facts, gpus: facts.gpus.map(gpu => withOwners(gpu, view)) }),
  },
  lines(facts) {
    const gpus = facts.gpus.toSorted((a, b) => weight(b) - weight(a));
    return [
      summaryLine(facts),
      ...gpus.flatMap(gpuLines),
      ...facts.holders.map(
        holder =>
          `holds ${holder.devices.join(', ')} open, not named by the driver: pid ${holder.pid} ${holder.name}, state ${holder.state}${holder.waitsIn === undefined ? '' : `, waits in ${holder.waitsIn}`}`,
      ),
    ];
  },
});

function withProcesses(facts: NodeFacts, row: GpuRow): GpuWithProcesses {
  const gpu = facts.driver.gpus.find(({ index }) => index === row.index);
  const { index, pci, uuid, error } = row;
  const processes = gpu && processRows(facts, gpu);
  const reason = gpu && !gpu.processes.ok ? gpu.processes.reason : undefined;
  const used = gpu && known(gpu.memory)?.usedBytes;
  const unexplained = gpu && processes ? unexplainedBytes(gpu, processes) : 0;
  return {
    ...optional({ index, pci, uuid, error }),
    ...(reason === undefined || error !== undefined ? {} : { processesUnavailable: reason }),
    ...optional({ memoryUsedBytes: used }),
    ...(unexplained > 0 && { unexplainedBytes: unexplained }),
    processes: processes?.slice(0, PROCESSES_MAX) ?? [],
    processesTotal: processes?.length ?? 0,
  };
}

/** Memory in use that the sizes of all processes leave over; 0 where that cannot be told. */
function unexplainedBytes(gpu: GpuState, processes: readonly ProcessRow[]): number {
  const memory = known(gpu.memory);
  const sizes = processes.flatMap(({ usedBytes }) => usedBytes ?? []);
  // Memory that the system's kernel can use as a NUMA node holds more than what processes own; of
  // MIG instances and virtual GPUs the driver does not always name the processes.
  const isShared =
    gpu.numaNode.ok ||
    known(gpu.addressingMode) === 'ats' ||
    known(gpu.migMode)?.current === true ||
    !['none', 'passthrough', undefined].includes(known(gpu.virtualizationMode));
  if (!memory || isShared || sizes.length < processes.length) return 0;
  const left = memory.usedBytes - sizes.reduce((sum, size) => sum + size, 0);
  const least = memory.reservedBytes === undefined ? RESERVE_BYTES_MAX : UNEXPLAINED_BYTES_MIN;
  return left > least ? left : 0;
}

function holdersOf({ host }: NodeFacts, named: readonly ProcessRow[]): z.infer<typeof Holder>[] {
  const pids = new Set(named.map(({ pid }) => pid));
  const daemons = new Set(known(host.daemons)?.map(({ pid }) => pid));
  return (known(host.deviceHolders) ?? [])
    .filter(({ pid, devices }) => !pids.has(pid) && !daemons.has(pid) && devices.some(isGpuDevice))
    .slice(0, HOLDERS_MAX)
    .map(({ pid, name, state, devices, podUid, waitsIn }) => {
      const at = known(waitsIn);
      return {
        pid,
        name: plainText(name, 64),
        state: plainText(state, 4),
        devices: devices.map(device => plainText(device, 64)).slice(0, 24),
        ...optional({ podUid, waitsIn: at && plainText(at, 96) }),
      };
    });
}

/** nvidia0, nvidia1, ...: nvidiactl alone is held by whoever asks for a version. */
const isGpuDevice = (device: string): boolean => /^nvidia\d+$/.test(device);

/** The pod's controller and phase, and its name where the node did not know it. */
function withOwners(gpu: GpuWithProcesses, view: ClusterView): GpuWithProcesses {
  const processes = gpu.processes.map(process => {
    const pod = process.place === 'pod' ? podInCluster(view, process) : undefined;
    if (!pod) return process;
    const { namespace, name, owner, phase } = pod;
    return { ...process, namespace, pod: name, phase, ...optional({ owner }) };
  });
  return { ...gpu, processes };
}

/** What must be looked at goes first. */
const weight = (gpu: GpuWithProcesses): number =>
  (gpu.error === undefined ? 0 : 4) +
  (gpu.processes.some(({ place }) => place === 'gone') ? 2 : 0) +
  (gpu.unexplainedBytes === undefined ? 0 : 1);

function gpuLines(gpu: GpuWithProcesses): Written[] {
  const name = gpuName(gpu);
  if (gpu.error !== undefined) return [errorLine(name, gpu.error)];
  const used =
    gpu.memoryUsedBytes === undefined ? '' : `  ${bytesText(gpu.memoryUsedBytes)} in use`;
  const state =
    gpu.processesUnavailable === undefined
      ? gpu.processesTotal === 0
        ? '  no process'
        : ''
      : `  processes not read: ${gpu.processesUnavailable}`;
  const left = gpu.processesTotal - gpu.processes.length;
  return [
    `${name}${used}${state}${gpu.unexplainedBytes === undefined ? '' : `  ${bytesText(gpu.unexplainedBytes)} that no process explains`}`,
    ...gpu.processes.map(
      process =>
        `  pid ${process.pid}  ${process.usedBytes === undefined ? 'memory not told' : bytesText(process.usedBytes)}${process.protectedBytes === undefined ? '' : `, ${bytesText(process.protectedBytes)} protected`}  ${process.name ?? 'name not read'}  ${whose(process)}`,
    ),
    ...(left > 0 ? [`  ${left} more processes`] : []),
  ];
}
