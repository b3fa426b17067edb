import { createNames } from '../redaction/names.ts';
import {
  redactedHost,
  redactedKernelLog,
  redactedNvml,
  redactedPodHistory,
} from '../redaction/node.ts';
import type { AgentInstruments } from './open-instruments.ts';

/** The same instruments with tokens for the names of processes, pods and what belongs to them. */
export function redactedInstruments<Some extends AgentInstruments>(
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
