import { missing } from '../contract/reading.ts';
import type { HostState } from './port.ts';

const unread = missing('not_read', 'a shallow reading');

/** What a shallow reading leaves out: all that walks the processes, asks the kubelet or the disks. */
export const UNREAD_DEPTH = {
  daemons: unread,
  blockedTasks: unread,
  deviceHolders: unread,
  nics: unread,
  resources: {
    memory: unread,
    sharedMemory: unread,
    memlockBytes: unread,
    filesystems: unread,
    load: unread,
    pressure: unread,
    timeSync: unread,
    clock: unread,
    oomKills: unread,
    edac: unread,
    kernelTaint: unread,
  },
  driverFiles: {
    parameters: unread,
    modules: unread,
    nodes: unread,
    charLinks: unread,
  },
  containerToolkit: { cdiSpecs: unread, runtimes: unread },
  pods: { allocations: unread, checkpoint: unread, allocatable: unread, names: unread },
} as const satisfies Partial<HostState>;
