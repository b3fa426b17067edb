import { loadMachine, type Machine } from '../src/simulation/machine.ts';
import { flatten } from '../test/sim-nvml/flatten.ts';
import type { ClusterNode } from './cluster/cluster.ts';
import { cluster } from './plugin.ts';

/** Where Debian and Ubuntu have the driver's library; its machine lies beside it. */
export const LIBRARY = '/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1';
export const MACHINE_FILE = '/usr/lib/x86_64-linux-gnu/sim-nvml.machine';

/** The machine's description as the simulated library reads it. */
export const machineFile = (name: string): string => flatten(loadMachine(name));

/** The machine's kernel log as rsyslog writes it, ending now. */
export const kernelLines = (name: string, host: string, nowMs: number): string =>
  linesOf(loadMachine(name), host, nowMs);

function linesOf({ kernelLog, host: { uptimeSeconds } }: Machine, host: string, nowMs: number) {
  return kernelLog.lines
    .flatMap(({ secondsAgo, text }) => {
      const time = new Date(nowMs - secondsAgo * 1000).toISOString().replace('Z', '000+00:00');
      const uptime = (uptimeSeconds - secondsAgo).toFixed(6);
      return text.split('\n').map(line => `${time} ${host} kernel: [${uptime}] ${line}\n`);
    })
    .join('');
}

export function nodeNamed(name: string): ClusterNode {
  const found = cluster().nodes.find(other => other.name === name);
  if (!found) throw new Error(`there is no ${name} in the e2e cluster`);
  return found;
}

/** Makes a node of the cluster another machine: its driver at the next call, its log at once. */
export const putMachine = (node: string, name: string): void => putData(node, loadMachine(name));

/** The same of a machine that has no file. */
export function putData(node: string, machine: Machine): void {
  const found = nodeNamed(node);
  found.writeFile(MACHINE_FILE, flatten(machine));
  found.writeFile('/var/log/kern.log', linesOf(machine, node, Date.now()));
}
