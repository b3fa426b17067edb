import * as z from 'zod';
import { publicText } from '../../contract/names-in-text.ts';
import { count, type Fixed, number, text } from '../../contract/reading-schema.ts';
import { link } from './pci.ts';

/** RDMA devices and their network interfaces. */

/**
 * Counters since boot or since the driver's load, by their sysfs names (counters/ and hw_counters/):
 * link_downed, symbol_error, port_rcv_errors, roce_slow_restart, ... Errors only.
 */
export const portCounters = z.record(publicText, z.number());

const nicPort = z.object({
  port: count,
  /** InfiniBand or Ethernet. */
  linkLayer: text,
  /** ACTIVE, INIT, ARMED, DOWN, NOP, ACTIVE_DEFER. */
  state: text,
  /** LinkUp, Polling, Disabled, Sleep, LinkErrorRecovery, ... */
  physicalState: text,
  /** Current rate in gigabits per second. */
  rateGbps: number,
  counters: portCounters,
});
export type NicPort = Fixed<z.infer<typeof nicPort>>;

const networkInterface = z.object({
  /** ib0, eth1, ... */
  name: publicText,
  /** up, down, lowerlayerdown, dormant, unknown, ... (RFC 2863). */
  operstate: text,
  /** Megabits per second; missing while the link is down. */
  speedMbps: number,
});
export type NetworkInterface = Fixed<z.infer<typeof networkInterface>>;

/**
 * PIX: at most one PCI bridge between; PXB: several bridges and no host bridge; PHB: the same
 * CPU's host bridge; NODE: the same NUMA node; SYS: across sockets. `unknown` where sysfs is silent.
 */
const pciPath = z.enum(['PIX', 'PXB', 'PHB', 'NODE', 'SYS', 'unknown']);
export type PciPath = z.infer<typeof pciPath>;

/** One RDMA device and its network interfaces. */
export const nic = z.object({
  /** As in /sys/class/infiniband: mlx5_0, bnxt_re0, efa_0. */
  name: publicText,
  /** By driver and the link layer of its ports. */
  kind: z.enum(['infiniband', 'roce', 'efa', 'iwarp', 'other']),
  pci: text,
  driver: text,
  numaNode: number,
  firmware: text,
  /** Board id (PSID) as the adapter tells it. */
  boardId: text,
  ...link,
  ports: z.array(nicPort),
  interfaces: z.array(networkInterface),
  /** How near each GPU is, in the words of `nvidia-smi topo -m`. */
  gpuPaths: z.array(z.object({ gpuPci: publicText, path: pciPath })),
});
export type Nic = Fixed<z.infer<typeof nic>>;
