import type { KernelRecord } from '../contract/kernel-record.ts';
import type { Line } from './verdict.ts';

/** What a GPU was called when the driver last named it. */
export interface GpuIdentity {
  readonly pci: string;
  readonly uuid: string | null;
  readonly serial: string | null;
}

const GPUS_MAX = 256;

/** Learns which GPU has which UUID and serial number, from the lines before its first XID. */
export function createIdentities() {
  const gpus = new Map<string, { uuid: string | null; serial: string | null }>();
  let named: { pci: string; source: string; line: number } | undefined;
  const at = (pci: string) => {
    const identity = gpus.get(pci) ?? { uuid: null, serial: null };
    if (gpus.size < GPUS_MAX) gpus.set(pci, identity);
    return identity;
  };
  return {
    see(line: Line, { source, line: number }: KernelRecord): void {
      const { uuid, serial } = line.details;
      if (line.kind === 'gpu_uuid' && line.pci !== null && typeof uuid === 'string') {
        at(line.pci).uuid = uuid;
        named = { pci: line.pci, source, line: number };
      }
      if (line.kind !== 'board_serial' || typeof serial !== 'string' || /^0*$/.test(serial)) return;
      // The line without an address follows the one that names its GPU.
      const beside = named?.source === source && number - named.line <= 3 ? named.pci : undefined;
      const pci = line.pci ?? beside;
      if (pci !== undefined) at(pci).serial = serial;
    },
    all: (): GpuIdentity[] => [...gpus].map(([pci, identity]) => ({ pci, ...identity })),
  };
}
