import type { KernelRecord } from '../contract/kernel-record.ts';
import type { Line } from './verdict.ts';

/** What a GPU was called when the driver last named it. */
export interface GpuIdentity {
  readonly pci: string;
  readonly uuid: string | null;
  readonly serial: string | null;
}

/** The columns of NVIDIA's catalogue. */
export type Column = 'A100' | 'H100' | 'B100' | 'GB200';

/**
 * The columns that a device of this number stands for, as pci.ids names it: GA100, GH100, GB100 and
 * GB102. Others are not told apart.
 */
const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  '20b2': ['A100'],
  '20b5': ['A100'],
  '2302': ['H100'],
  '2322': ['H100'],
  '2330': ['H100'],
  '2331': ['H100'],
  '2901': ['B100', 'GB200'],
  '2920': ['B100', 'GB200'],
  '29bc': ['B100', 'GB200'],
};

const GPUS_MAX = 256;

/** Learns which GPU has which UUID and serial number, from the lines before its first XID. */
export function createIdentities() {
  const gpus = new Map<string, { uuid: string | null; serial: string | null }>();
  const columns = new Map<string, readonly Column[]>();
  let named: { pci: string; source: string; line: number } | undefined;
  const at = (pci: string) => {
    const identity = gpus.get(pci) ?? { uuid: null, serial: null };
    if (gpus.size < GPUS_MAX) gpus.set(pci, identity);
    return identity;
  };
  return {
    see(line: Line, { source, line: number }: KernelRecord): void {
      const { uuid, serial, device } = line.details;
      const known = typeof device === 'string' ? COLUMNS[device] : undefined;
      if (known && line.pci !== null && columns.size < GPUS_MAX) columns.set(line.pci, known);
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
    /** Which products a GPU can be, by the number that the kernel found it with. */
    columnsOf: (pci: string): readonly Column[] | undefined => columns.get(pci),
    all: (): GpuIdentity[] => [...gpus].map(([pci, identity]) => ({ pci, ...identity })),
  };
}
