import { mapReading, missing, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { Asker, type Tell } from './ask.ts';
import type { NvmlLibrary, OpenedLibrary } from './functions.ts';
import { readGpuField } from './gpu-readings.ts';
import { DRIVER_FIELDS, type DriverField, GPU_FIELDS, type ReadRequest } from './messages.ts';
import type { Handle } from './shapes.ts';

/** What lives as long as the child: the library once opened, and whether nvmlInit_v2 succeeded. */
export interface NvmlSession {
  read(request: ReadRequest, tell: Tell): Promise<void>;
  /** nvmlShutdown, where there was an nvmlInit. */
  shutdown(): void;
}

/**
 * Reads everything that a request asks for, one call after the other, and tells each reading at
 * once. A call that fails costs its own reading and no other.
 */
export function nvmlSession(open: () => Promise<OpenedLibrary>): NvmlSession {
  let opened: OpenedLibrary | undefined;
  let initialized: Reading<true> = missing('not_read');

  return {
    async read(request, tell) {
      if (!opened?.library) {
        tell({ kind: 'call', call: 'dlopen', opens: true });
        opened = await open();
      }
      const { path, library } = opened;
      const driver = driverTeller(request, tell);
      driver('library', () => path);
      if (!library) {
        for (const field of DRIVER_FIELDS) driver(field, () => missing('library_not_found'));
      } else {
        if (!initialized.ok) initialized = new Asker(library, tell, request.skip).call('init');
        readDriver(library, initialized, request, tell);
      }
      tell({ kind: 'done', id: request.id });
    },
    shutdown() {
      if (initialized.ok) opened?.library?.call('shutdown');
      initialized = missing('not_read');
    },
  };
}

function readDriver(
  library: NvmlLibrary,
  initialized: Reading<true>,
  request: ReadRequest,
  tell: Tell,
): void {
  const asker = new Asker(library, tell, request.skip);
  const driver = driverTeller(request, tell);
  // These three answer without nvmlInit too, in part: nvidia-smi shows the library's own version
  // beside "Driver/library version mismatch".
  const withoutInit = <T>(reading: Reading<T>): Reading<T> =>
    !reading.ok && reading.reason === 'uninitialized' && !initialized.ok ? initialized : reading;
  driver('initialized', () => initialized);
  driver('driverVersion', () => withoutInit(plain(asker.call('systemGetDriverVersion'))));
  driver('nvmlVersion', () => withoutInit(plain(asker.call('systemGetNVMLVersion'))));
  driver('cudaDriverVersion', () => withoutInit(asker.call('systemGetCudaDriverVersion')));
  const count = initialized.ok ? asker.call('deviceGetCount') : initialized;
  driver('count', () => count);
  if (!count.ok) return;
  const indexes = Array.from({ length: count.value }, (_, index) => index);
  const late = (index: number) => request.last.includes(index);
  for (const index of [...indexes.filter(index => !late(index)), ...indexes.filter(late)]) {
    readGpu(library, index, request, tell);
  }
}

/** All readings of one GPU; without a handle each has the handle's reason. */
function readGpu(library: NvmlLibrary, gpu: number, request: ReadRequest, tell: Tell): void {
  const had = new Set(request.had.gpus[gpu]);
  const wanted = GPU_FIELDS.filter(field => !had.has(field));
  if (wanted.length === 0) return;
  const asker = new Asker(library, tell, request.skip, gpu);
  const handle: Reading<Handle> = asker.call('deviceGetHandleByIndex', gpu);
  for (const field of wanted) {
    const reading =
      field === 'handle'
        ? mapReading(handle, () => true)
        : handle.ok
          ? readGpuField(field, asker, handle.value)
          : handle;
    tell({ kind: 'gpu', id: request.id, gpu, field, reading });
  }
}

/** Tells a driver-wide reading unless the parent has it; reads it only then. */
function driverTeller(request: ReadRequest, tell: Tell) {
  const had = new Set(request.had.driver);
  return (field: DriverField, read: () => Reading<unknown>): void => {
    if (had.has(field)) return;
    had.add(field);
    tell({ kind: 'driver', id: request.id, field, reading: read() });
  };
}

const plain = (reading: Reading<string>): Reading<string> =>
  mapReading(reading, value => plainText(value, 96));
