import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import type { GpuProcess, ListedProcess } from '../readings.ts';
import { NOT_AVAILABLE_32, NOT_AVAILABLE_64 } from '../table/enums.ts';
import type { Handle } from '../table/shapes.ts';
import type { Asker } from './ask.ts';
import { isOlder } from './steps.ts';

/**
 * Compute and graphics processes as one list. A process that does both is in it twice, as in the
 * driver. A driver without the graphics call has only compute processes to tell.
 */
export function readProcesses(ask: Asker, gpu: Handle): Reading<readonly GpuProcess[]> {
  const compute = processes('compute', ask.call('deviceGetComputeRunningProcesses', gpu), () =>
    ask.call('deviceGetComputeRunningProcessesV1', gpu),
  );
  if (!compute.ok) return compute;
  const withMps = [...compute.value, ...mpsBeside(ask, gpu, compute.value)];
  const graphics = processes('graphics', ask.call('deviceGetGraphicsRunningProcesses', gpu), () =>
    ask.call('deviceGetGraphicsRunningProcessesV1', gpu),
  );
  if (graphics.ok) return present([...withMps, ...graphics.value]);
  return graphics.reason === 'not_supported' ? present(withMps) : graphics;
}

/** Clients of the Multi-Process Service, which the driver lists apart; old drivers have no such call. */
function mpsBeside(ask: Asker, gpu: Handle, listed: readonly GpuProcess[]): GpuProcess[] {
  const clients = ask.call('deviceGetMPSComputeRunningProcesses', gpu);
  if (!clients.ok) return [];
  return clients.value
    .filter(({ pid }) => !listed.some(process => process.pid === pid))
    .map(info => ({ ...processOf('compute', info), mps: true }));
}

/** The list of all kinds, which tells of processes that no other list has and of protected memory. */
export function readAllProcesses(ask: Asker, gpu: Handle): Reading<readonly ListedProcess[]> {
  const all = ask.call('deviceGetRunningProcessDetailList', gpu);
  // Drivers that have the call know the modes compute, graphics and MPS; all of them at once is newer.
  if (!all.ok && all.reason === 'invalid_argument') return missing('not_supported');
  return mapReading(all, infos =>
    infos.map(({ pid, usedGpuMemory, usedGpuCcProtectedMemory }) => ({
      pid,
      ...bytes('usedBytes', usedGpuMemory),
      ...bytes('protectedBytes', usedGpuCcProtectedMemory),
    })),
  );
}

const bytes = <K extends 'usedBytes' | 'protectedBytes'>(key: K, amount: bigint) =>
  amount === NOT_AVAILABLE_64 ? {} : { [key]: Number(amount) };

interface ProcessInfo {
  readonly pid: number;
  readonly usedGpuMemory: bigint;
  readonly gpuInstanceId?: number;
  readonly computeInstanceId?: number;
}

function processes(
  kind: GpuProcess['kind'],
  newer: Reading<readonly ProcessInfo[]>,
  older: () => Reading<readonly ProcessInfo[]>,
): Reading<readonly GpuProcess[]> {
  const found = newer.ok || !isOlder(newer) ? newer : older();
  return mapReading(found, infos => infos.map(info => processOf(kind, info)));
}

const processOf = (kind: GpuProcess['kind'], info: ProcessInfo): GpuProcess => ({
  pid: info.pid,
  kind,
  ...bytes('usedBytes', info.usedGpuMemory),
  ...instance('gpuInstance', info.gpuInstanceId),
  ...instance('computeInstance', info.computeInstanceId),
});

const instance = <K extends 'gpuInstance' | 'computeInstance'>(key: K, id: number | undefined) =>
  id === undefined || id === NOT_AVAILABLE_32 ? {} : { [key]: id };
