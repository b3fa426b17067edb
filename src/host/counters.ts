import { join } from 'node:path';
import { known } from '../contract/reading.ts';
import { eachOf, type NodeFiles } from './files.ts';
import { readPortCounters } from './nic-ports.ts';
import { readErrorTotals } from './pci-link.ts';
import type { HostCounters, HostState } from './port.ts';

/** Reads the counters again of what an earlier reading found: no list of devices, no other file. */
export async function readCounters(
  files: NodeFiles,
  sysRoot: string,
  of: Pick<HostState, 'nics' | 'pciDevices'>,
): Promise<HostCounters> {
  const ports = (known(of.nics) ?? []).flatMap(nic =>
    nic.ports.map(({ port }) => ({ nic: nic.name, port })),
  );
  const gpus = (known(of.pciDevices) ?? []).filter(({ kind }) => kind === 'gpu');
  return {
    ports: await eachOf(ports, async ({ nic, port }) => ({
      nic,
      port,
      counters: await readPortCounters(
        files,
        join(sysRoot, 'class/infiniband', nic, 'ports', String(port)),
      ),
    })),
    aer: await eachOf(gpus, async ({ pci, function: fn }) => {
      const path = join(sysRoot, 'bus/pci/devices', `${pci}.${fn}`);
      return { pci, function: fn, ...(await readErrorTotals(files, path)) };
    }),
  };
}
