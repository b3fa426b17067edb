import { loadMachine, type Machine } from '../src/simulation/machine.ts';
import { flatten } from '../test/sim-nvml/flatten.ts';
import { cluster } from './plugin.ts';

/** Where Debian and Ubuntu have the driver's library; its machine lies beside it. */
export const LIBRARY = '/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1';
export const MACHINE_FILE = '/usr/lib/x86_64-linux-gnu/sim-nvml.machine';

/** The machine's description as the simulated library reads it. */
export const machineFile = (name: string): string => flatten(loadMachine(name));

/** The machine's kernel log as rsyslog writes it, ending now. */
export function kernelLines(name: string, host: string, nowMs: number): string {
  const machine: Machine = loadMachine(name);
  return machine.kernelLog.lines
    .flatMap(({ secondsAgo, text }) => {
      const time = new Date(nowMs - secondsAgo * 1000).toISOString().replace('Z', '000+00:00');
      const uptime = (machine.host.uptimeSeconds - secondsAgo).toFixed(6);
      return text.split('\n').map(line => `${time} ${host} kernel: [${uptime}] ${line}\n`);
    })
    .join('');
}

/** Makes a node of the cluster another machine: its driver at the next call, its log at once. */
export function putMachine(node: string, name: string): void {
  const found = cluster().nodes.find(other => other.name === node);
  if (!found) throw new Error(`there is no ${node} in the e2e cluster`);
  found.writeFile(MACHINE_FILE, machineFile(name));
  found.writeFile('/var/log/kern.log', kernelLines(name, node, Date.now()));
}
