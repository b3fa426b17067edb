import * as z from 'zod';
import { containerLife } from '../contract/container-life.ts';
import { Coverage } from '../contract/coverage.ts';
import { reading } from '../contract/reading-schema.ts';
import type { Host } from '../host/port.ts';
import { containerView } from '../host/readings/containers.ts';
import { processOwner } from '../host/readings/processes.ts';
import { hostCounters, hostState } from '../host/readings.ts';
import type { KernelLog, PodHistory } from '../kernel-log/port.ts';
import type { Nvml } from '../nvml/port.ts';
import { driverState } from '../nvml/readings.ts';
import { concealing } from './kernel-line.ts';
import { createNames, type Names } from './names.ts';
import { redactor } from './redacted.ts';

/** What holds names: a node's driver, host, kernel log and pods. */
interface NamedSources {
  readonly nvml: Nvml;
  readonly host: Host;
  readonly kernelLog: KernelLog;
  readonly podHistory: PodHistory;
}

/** The same instruments with tokens for the names of processes, pods and what belongs to them. */
export function redactedInstruments<Some extends NamedSources>(
  instruments: Some,
  key: string,
): Some {
  const names = createNames(key);
  const { nvml, host, kernelLog, podHistory } = instruments;
  return {
    ...instruments,
    nvml: redactedNvml(nvml, names),
    host: redactedHost(host, names),
    kernelLog: redactedKernelLog(kernelLog, names),
    podHistory: redactedPodHistory(podHistory, names),
  };
}

/** The host without the names of whoever uses it. UIDs of pods and ids of containers stay. */
function redactedHost(host: Host, names: Names): Host {
  const state = redactor(hostState, names);
  const owners = redactor(z.array(processOwner), names);
  const logs = redactor(reading(z.array(containerLife)), names);
  const counters = redactor(hostCounters, names);
  const containers = redactor(reading(z.array(containerView)), names);
  return {
    read: async (signal, depth) => state(await host.read(signal, depth)),
    processOwners: async (pids, signal) => owners(await host.processOwners(pids, signal)),
    counters: async (of, signal) => counters(await host.counters(of, signal)),
    containers: async (podUids, signal) => containers(await host.containers(podUids, signal)),
    containerLogs: async signal => logs(await host.containerLogs(signal)),
  };
}

/** The driver as its schema says it: no reading of NVML holds a name that a person gave. */
function redactedNvml(nvml: Nvml, names: Names): Nvml {
  const state = redactor(driverState, names);
  return {
    read: async (signal, depth, also) => state(await nvml.read(signal, depth, also)),
    reached: () => nvml.reached?.(),
    warm: () => nvml.warm(),
    close: () => nvml.close(),
  };
}

/** The lives of containers without the names of whoever ran them. */
function redactedPodHistory(history: PodHistory, names: Names): PodHistory {
  const found = redactor(
    z.object({ lives: z.array(containerLife), coverage: z.array(Coverage) }),
    names,
  );
  return { read: async (spans, signal) => found(await history.read(spans, signal)) };
}

/** The same log; its lines are judged as they are and shown without names. */
const redactedKernelLog = (log: KernelLog, names: Names): KernelLog => ({
  scan: (window, visit, signal) => log.scan(window, visit, signal),
  conceal: concealing(names),
});
