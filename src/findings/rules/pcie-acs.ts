import { known } from '../../contract/reading.ts';
import type { HostState, PciBridge, PciDevice } from '../../host/port.ts';
import { nodeClue } from '../clue.ts';
import { GPU_NAMES, gpuAt, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { gpusOnBus } from '../support/places.ts';

/**
 * Access Control Services on a switch send what one device writes to its neighbour up to the CPU and
 * back. Virtual machines need that, and see a PCI bus that is not the real one: they are left out.
 */
export const pcieAcs = rule(
  'pcie-acs',
  {
    gpu: { tells: [...GPU_NAMES] },
    host: {
      tells: [
        ...['pciDevices', 'nics', 'pciDevices.bridges', 'pciDevices.bridges.acsRedirect'],
        'virtualMachine',
      ],
    },
  } as const,
  facts => {
    const { host } = facts;
    if (known(host.virtualMachine) !== false) return [];
    const gpus = gpusOnBus(facts);
    const hit = gpus.flatMap(gpu => {
      const port = portsBelowShared(host, gpu, gpus).find(each => known(each.acsRedirect) === true);
      return port ? [{ gpu, port }] : [];
    });
    if (hit.length === 0) return [];
    return [
      nodeClue('acs-redirect', {
        severity: 'info',
        component: 'pcie',
        title: `PCIe ACS sends traffic of ${hit.length === 1 ? nameOf(facts, hit[0]?.gpu) : `${hit.length} GPUs`} with devices on the same switch through the CPU`,
        action: 'fix_configuration',
        advice:
          'Switch ACS off on these ports (firmware setting, or setpci at boot) unless virtual machines get the devices: peer-to-peer and GPUDirect RDMA are slow with it, or hang.',
        blame: 'configuration',
        confidence: 'medium',
        evidence: hit.slice(0, 4).map(({ gpu, port }) => ({
          what: `redirection is on at ${port.pci}.${port.function} above ${nameOf(facts, gpu)}`,
          source: `/sys/bus/pci/devices/${port.pci}.${port.function}/config`,
          command: `lspci -s ${port.pci}.${port.function} -vvv | grep ACSCtl`,
        })),
        counterEvidence: [
          'traffic over NVLink does not pass here',
          'a switch may pass translated requests directly (ATS)',
        ],
      }),
    ];
  },
);

/** The bridges of a GPU below the first one that another GPU or an adapter hangs on as well. */
function portsBelowShared(
  { nics }: HostState,
  gpu: PciDevice,
  gpus: readonly PciDevice[],
): readonly PciBridge[] {
  const own = known(gpu.bridges) ?? [];
  const others = gpus.filter(other => other !== gpu).flatMap(other => known(other.bridges) ?? []);
  const shared = own.findIndex(bridge =>
    others.some(other => other.pci === bridge.pci && other.function === bridge.function),
  );
  if (shared > 0) return own.slice(0, shared);
  // Of an adapter only how near it is is known: the port next to the GPU is its own in any case.
  const beside = (known(nics) ?? []).some(({ gpuPaths }) =>
    gpuPaths.some(({ gpuPci, path }) => gpuPci === gpu.pci && ['PIX', 'PXB'].includes(path)),
  );
  return beside && shared !== 0 && own.length > 1 ? own.slice(0, 1) : [];
}

const nameOf = (facts: NodeFacts, gpu: PciDevice | undefined): string =>
  gpuName(gpuAt(facts, gpu?.pci ?? ''));
