import { known } from '../../contract/reading.ts';
import type { PciDevice } from '../../host/port.ts';
import type { Incident } from '../../xid/events.ts';
import type { NodeFacts } from '../facts.ts';

/** Incidents that say that a GPU is gone. */
export const isLostIncident = (incident: Incident): boolean =>
  incident.root.xid === 79 ||
  LOST_KINDS.includes(incident.root.kind) ||
  // A PCIe error is the cause, and the loss what came of it.
  (incident.root.xid === null && incident.codes.includes(79));

const LOST_KINDS = ['gpu_lost', 'fallen_off_bus', 'pci_inaccessible'];

/**
 * PCI addresses of GPUs that some layer knows and NVML does not give: those of the bus that
 * NVIDIA's driver holds, and where the bus shows none at all, those that the kernel log says were
 * lost.
 */
export function unaccountedPcis(facts: NodeFacts): readonly string[] {
  const gpus = uncounted(facts);
  const inLog = (facts.log?.incidents ?? []).filter(isLostIncident).flatMap(({ gpu }) => gpu ?? []);
  const counted = countedPcis(facts);
  return gpusOnBus(facts).length > 0
    ? gpus.filter(({ driver }) => driver === 'nvidia').map(({ pci }) => pci)
    : [...new Set(inLog)].filter(pci => !counted.has(pci));
}

/** No layer below the log knows of any GPU: none is on the bus, and no driver is loaded. */
export const noGpuButInLog = (facts: NodeFacts): boolean =>
  facts.host.pciDevices.ok &&
  gpusOnBus(facts).length === 0 &&
  !facts.host.moduleVersion.ok &&
  facts.driver.gpus.length === 0;

/** GPUs on the bus that NVML cannot have: another driver holds them, or none. */
export const otherDrivers = (facts: NodeFacts): readonly PciDevice[] =>
  uncounted(facts).filter(({ driver }) => driver !== 'nvidia');

function uncounted(facts: NodeFacts): readonly PciDevice[] {
  const counted = countedPcis(facts);
  return gpusOnBus(facts).filter(({ pci }) => !counted.has(pci));
}

const countedPcis = (facts: NodeFacts) => new Set(facts.driver.gpus.map(gpu => known(gpu.pci)));

/** The GPUs that the PCI bus shows, once each; none where it could not be read. */
export const gpusOnBus = (facts: NodeFacts): readonly PciDevice[] =>
  (known(facts.host.pciDevices) ?? []).filter(
    ({ kind, function: fn }) => kind === 'gpu' && fn === 0,
  );

/** GPUs that NVML counts and gives no address for: a lost handle tells none. */
export const namelessGpus = (facts: NodeFacts) =>
  facts.driver.gpus.filter(gpu => known(gpu.pci) === undefined);

/** The address of the only nameless GPU: sure only where exactly one address is left over. */
export function certainPlace(facts: NodeFacts): string | undefined {
  const unaccounted = unaccountedPcis(facts);
  return unaccounted.length === 1 && namelessGpus(facts).length === 1 ? unaccounted[0] : undefined;
}
