import type { Reading } from '../contract/reading.ts';

/** A PCI bridge between a device and its CPU. Readings as of PciDevice. */
export interface PciBridge {
  /** `dddd:bb:dd`; several functions of one bridge device are told apart by `function`. */
  readonly pci: string;
  readonly function: number;
  readonly currentLinkSpeed: Reading<string>;
  readonly currentLinkWidth: Reading<number>;
  readonly maxLinkSpeed: Reading<string>;
  readonly maxLinkWidth: Reading<number>;
  readonly aerFatal: Reading<number>;
  readonly aerNonFatal: Reading<number>;
  readonly aerCorrectable: Reading<number>;
  /**
   * Access Control Services send peer traffic up to the CPU: P2P Request Redirect or Upstream
   * Forwarding is enabled. `not_supported` where the bridge has no ACS.
   */
  readonly acsRedirect: Reading<boolean>;
}

/** One RDMA device and its network interfaces. */
export interface Nic {
  /** As in /sys/class/infiniband: mlx5_0, bnxt_re0, efa_0. */
  readonly name: string;
  /** By driver and the link layer of its ports. */
  readonly kind: 'infiniband' | 'roce' | 'efa' | 'iwarp' | 'other';
  readonly pci: Reading<string>;
  readonly driver: Reading<string>;
  readonly numaNode: Reading<number>;
  readonly firmware: Reading<string>;
  /** Board id (PSID) as the adapter tells it. */
  readonly boardId: Reading<string>;
  /** Of the PCI link, as of PciDevice. */
  readonly currentLinkSpeed: Reading<string>;
  readonly currentLinkWidth: Reading<number>;
  readonly maxLinkSpeed: Reading<string>;
  readonly maxLinkWidth: Reading<number>;
  readonly ports: readonly NicPort[];
  readonly interfaces: readonly NetworkInterface[];
  /** How near each GPU is, in the words of `nvidia-smi topo -m`. */
  readonly gpuPaths: readonly { readonly gpuPci: string; readonly path: PciPath }[];
}

/**
 * PIX: at most one PCI bridge between; PXB: several bridges and no host bridge; PHB: the same
 * CPU's host bridge; NODE: the same NUMA node; SYS: across sockets. `unknown` where sysfs is silent.
 */
export type PciPath = 'PIX' | 'PXB' | 'PHB' | 'NODE' | 'SYS' | 'unknown';

export interface NicPort {
  readonly port: number;
  /** InfiniBand or Ethernet. */
  readonly linkLayer: Reading<string>;
  /** ACTIVE, INIT, ARMED, DOWN, NOP, ACTIVE_DEFER. */
  readonly state: Reading<string>;
  /** LinkUp, Polling, Disabled, Sleep, LinkErrorRecovery, ... */
  readonly physicalState: Reading<string>;
  /** Current rate in gigabits per second. */
  readonly rateGbps: Reading<number>;
  /**
   * Counters since boot or since the driver's load, by their sysfs names (counters/ and
   * hw_counters/): link_downed, symbol_error, port_rcv_errors, roce_slow_restart, ... Errors only.
   */
  readonly counters: Readonly<Record<string, number>>;
}

export interface NetworkInterface {
  /** ib0, eth1, ... */
  readonly name: string;
  /** up, down, lowerlayerdown, dormant, unknown, ... (RFC 2863). */
  readonly operstate: Reading<string>;
  /** Megabits per second; missing while the link is down. */
  readonly speedMbps: Reading<number>;
}

/** Error counters at one moment. What could not be read is left out, or missing. */
export interface HostCounters {
  readonly ports: readonly {
    readonly nic: string;
    readonly port: number;
    readonly counters: NicPort['counters'];
  }[];
  /** Of the GPUs' PCI functions, since boot. */
  readonly aer: readonly {
    readonly pci: string;
    readonly function: number;
    readonly aerFatal: Reading<number>;
    readonly aerNonFatal: Reading<number>;
    readonly aerCorrectable: Reading<number>;
  }[];
}
