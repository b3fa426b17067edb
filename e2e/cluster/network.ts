import { readdirSync } from 'node:fs';
import { run, TestClusterError } from './command.ts';
import type { NodeRecord } from './state.ts';

// At most 15 characters, as the kernel wants it.
const LINK_PREFIX = 'gpumcpe2e';
const BRIDGE = `${LINK_PREFIX}br`;
const SUBNET = '10.77.0';
const NODES_MAX = 200;

/** The machine's own address in the nodes' network: here the API server listens. */
export const HOST_ADDRESS = `${SUBNET}.254`;

/** What node number `index` is called in the network. */
export function nodeRecord(name: string, index: number, cgroup: string): NodeRecord {
  if (index >= NODES_MAX) throw new TestClusterError(`At most ${NODES_MAX} nodes fit the network.`);
  return { name, address: `${SUBNET}.${index + 1}`, link: `${LINK_PREFIX}${index}`, cgroup };
}

/** The network of a node's pods. */
export function podSubnet(index: number): string {
  return `10.78.${index + 1}.0/24`;
}

/** Makes the bridge that all nodes hang on. */
export async function createBridge(): Promise<void> {
  const hint =
    'the kernel must have bridge and veth, and 10.77.0.0/24 must be free on this machine';
  await run(['ip', 'link', 'add', BRIDGE, 'type', 'bridge'], { hint });
  await run(['ip', 'address', 'add', `${HOST_ADDRESS}/24`, 'dev', BRIDGE], { hint });
  await run(['ip', 'link', 'set', BRIDGE, 'up'], { hint });
}

/** Lays the cable from the bridge into the network namespace of process `pid`. */
export async function connectNode({ address, link }: NodeRecord, pid: number): Promise<void> {
  const there = ['nsenter', '--target', String(pid), '--net', 'ip'];
  const peer = ['peer', 'name', 'eth0', 'netns', String(pid)];
  await run(['ip', 'link', 'add', link, 'type', 'veth', ...peer]);
  await run(['ip', 'link', 'set', link, 'master', BRIDGE, 'up']);
  await run([...there, 'address', 'add', `${address}/24`, 'dev', 'eth0']);
  await run([...there, 'link', 'set', 'eth0', 'up']);
  await run([...there, 'route', 'add', 'default', 'via', HOST_ADDRESS]);
}

/** Removes bridge and cables. */
export async function removeNetwork(): Promise<void> {
  for (const link of linksLeft()) {
    await run(['ip', 'link', 'delete', link]).catch((error: unknown) => {
      // The kernel removes a cable by itself when the namespace at its other end is gone.
      if (linksLeft().includes(link)) throw error;
    });
  }
}

/** The links of test clusters that are there now. */
export function linksLeft(): string[] {
  return readdirSync('/sys/class/net').filter(link => link.startsWith(LINK_PREFIX));
}
