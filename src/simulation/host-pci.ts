import { missing, present, type Reading } from '../contract/reading.ts';
import type { Nic, PciBridge, PciDevice } from '../host/port.ts';
import type { BridgeData, NicData, PciFunction } from './host-data-pci.ts';

/** A device that fell off the bus is still listed; its registers read as all ones. */
export function simulatedPciDevice(data: PciFunction): PciDevice {
  const { pci, kind, driver, answers } = data;
  const read = <T>(value: T): Reading<T> =>
    answers ? present(value) : missing('unreadable', 'the configuration space reads ff');
  return {
    pci,
    function: 0,
    kind,
    ...(driver === null ? {} : { driver }),
    currentLinkSpeed: read(data.linkSpeed),
    currentLinkWidth: read(data.linkWidth),
    maxLinkSpeed: read(data.maxLinkSpeed),
    maxLinkWidth: read(data.maxLinkWidth),
    aerFatal: present(data.aerFatal),
    aerNonFatal: present(data.aerNonFatal),
    aerCorrectable: present(data.aerCorrectable),
    numaNode: orElse(data.numaNode, missing('not_supported', '-1')),
    slot: orElse(data.slot, missing('not_found')),
    bridges: present(data.bridges.map(bridge)),
  };
}

const orElse = <T>(value: T | null, none: Reading<never>): Reading<T> =>
  value === null ? none : present(value);

function bridge(data: BridgeData): PciBridge {
  return {
    pci: data.pci,
    function: data.function,
    currentLinkSpeed: present(data.linkSpeed),
    currentLinkWidth: present(data.linkWidth),
    maxLinkSpeed: present(data.maxLinkSpeed),
    maxLinkWidth: present(data.maxLinkWidth),
    aerFatal: present(data.aerFatal),
    aerNonFatal: present(data.aerNonFatal),
    aerCorrectable: present(data.aerCorrectable),
    acsRedirect: orElse(data.acsRedirect, missing('not_supported', 'no ACS')),
  };
}

/** An RDMA device of the data. */
export function simulatedNic(data: NicData): Nic {
  const { name, kind, gpuPaths } = data;
  return {
    name,
    kind,
    pci: present(data.pci),
    driver: present(data.driver),
    numaNode: orElse(data.numaNode, missing('not_supported', '-1')),
    firmware: present(data.firmware),
    boardId: present(data.boardId),
    currentLinkSpeed: present(data.linkSpeed),
    currentLinkWidth: present(data.linkWidth),
    maxLinkSpeed: present(data.maxLinkSpeed),
    maxLinkWidth: present(data.maxLinkWidth),
    ports: data.ports.map(port => ({
      port: port.port,
      linkLayer: present(port.linkLayer),
      state: present(port.state),
      physicalState: present(port.physicalState),
      rateGbps: present(port.rateGbps),
      counters: port.counters,
    })),
    interfaces: data.interfaces.map(each => ({
      name: each.name,
      operstate: present(each.operstate),
      speedMbps: orElse(each.speedMbps, missing('not_supported', 'the link is down')),
    })),
    gpuPaths,
  };
}
