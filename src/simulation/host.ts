import { missing, present, type Reading } from '../contract/reading.ts';
import type { Host, PciDevice } from '../host/port.ts';
import type { Machine, PciFunction } from './machine.ts';

/** The node of a machine made of data: PCI and proc without a node. */
export function simulatedHost(machine: Machine): Host {
  const { host } = machine;
  return {
    async read(signal) {
      signal.throwIfAborted();
      return {
        hostname: present(host.hostname),
        bootId: present(host.bootId),
        uptimeSeconds: present(host.uptimeSeconds),
        kernel: present(host.kernel),
        os: present(host.os),
        pciDevices: present(host.pci.map(pciDevice)),
        moduleVersion: host.module ? present(host.module.version) : NO_MODULE,
        moduleKind: host.module ? present(host.module.kind) : NO_MODULE,
        driverGpus: host.module ? present(driverGpus(machine)) : NO_MODULE,
        deviceNodes: present(host.deviceNodes),
        blockedTasks: present(
          host.blockedTasks.map(({ pid, name, waitsIn }) => ({
            pid,
            name,
            waitsIn: waitsIn === null ? missing('no_permission') : present(waitsIn),
          })),
        ),
      };
    },
    async processName(pid) {
      const name = host.processes[String(pid)];
      return name === undefined ? missing('not_found', `no process ${pid}`) : present(name);
    },
  };
}

const NO_MODULE: Reading<never> = missing('driver_not_loaded', 'no kernel module of NVIDIA');

/** A device that fell off the bus is still listed; its registers read as all ones. */
function pciDevice(data: PciFunction): PciDevice {
  const { pci, kind, deviceId, driver, answers } = data;
  const read = <T>(value: T): Reading<T> =>
    answers ? present(value) : missing('unreadable', 'the configuration space reads ff');
  return {
    pci,
    function: 0,
    kind,
    deviceId,
    ...(driver === null ? {} : { driver }),
    currentLinkSpeed: read(data.linkSpeed),
    currentLinkWidth: read(data.linkWidth),
    maxLinkSpeed: read(data.maxLinkSpeed),
    maxLinkWidth: read(data.maxLinkWidth),
    aerFatal: present(data.aerFatal),
    aerNonFatal: present(data.aerNonFatal),
    aerCorrectable: present(data.aerCorrectable),
  };
}

/** /proc/driver/nvidia/gpus holds what the module bound, also when the GPU is lost since. */
function driverGpus(machine: Machine) {
  const gpus = machine.host.pci.filter(({ kind, driver }) => kind === 'gpu' && driver === 'nvidia');
  return gpus.map(({ pci }, index) => {
    const answers = machine.gpus[index]?.answers ?? {};
    const text = (key: string): Reading<string> => {
      const answer = answers[key];
      return typeof answer === 'string' ? present(answer) : missing('not_found');
    };
    const minor = answers['deviceGetMinorNumber'];
    return {
      pci,
      model: text('deviceGetName'),
      uuid: text('deviceGetUUID'),
      minor: present(typeof minor === 'number' ? minor : index),
    };
  });
}
