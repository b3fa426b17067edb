import type { KernelLog } from '../kernel-log/port.ts';
import { concealing } from './kernel-line.ts';
import type { Names } from './names.ts';

/** The same log; its lines are judged as they are and shown without names. */
export const redactedKernelLog = (log: KernelLog, names: Names): KernelLog => ({
  scan: (window, visit, signal) => log.scan(window, visit, signal),
  conceal: concealing(names),
});
