import type { DriverState, GpuState, OnDemand } from '../../src/nvml/port.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { inProcessNvml } from '../simulation/in-process.ts';

const never = new AbortController().signal;

/** A simulated machine, read as a whole. */
export const read = (data: unknown): Promise<DriverState> =>
  inProcessNvml(machineFrom('test', data)).nvml.read(never);

/** GPU 1 of a healthy machine of a type, with its own answers and faults, after so many readings. */
export async function gpu(
  like: string,
  over: { readonly answers?: object; readonly faults?: object } = {},
  { also = [], reads = 1 }: { readonly also?: readonly OnDemand[]; readonly reads?: number } = {},
): Promise<GpuState> {
  const machine = machineFrom('test', { like, gpus: { 1: over } });
  // Those behind it would be read, and nobody looks.
  const { nvml } = inProcessNvml({ ...machine, gpus: machine.gpus.slice(0, 2) });
  for (let read = 1; read < reads; read++) await nvml.read(never, 'all', also);
  const [, found] = (await nvml.read(never, 'all', also)).gpus;
  if (!found) throw new Error('no GPU 1');
  return found;
}
