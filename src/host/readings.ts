import * as z from 'zod';
import { publicText } from '../contract/names-in-text.ts';
import { type Fixed, number, reading, text, yesOrNo } from '../contract/reading-schema.ts';
import { containerView } from './readings/containers.ts';
import { containerToolkit, driverFiles, driverGpu, moduleKind } from './readings/driver.ts';
import { nic, portCounters } from './readings/network.ts';
import { errorTotals, pciDevice, place } from './readings/pci.ts';
import { pods } from './readings/pods.ts';
import { blockedTask, daemon, deviceHolder } from './readings/processes.ts';
import { resources } from './readings/resources.ts';

/**
 * All that is read of the host, each reading stated once: its form, its meaning and source, and whose
 * name a text may hold. From these schemas follow the types of the port, what a bundle keeps, what a
 * simulated machine may say, and what leaves with `--redact-names`.
 */

/** What there is: the machine, its PCI devices, the kernel module. */
const first = z.object({
  hostname: text,
  /** 32 hex digits, no dashes. */
  bootId: text,
  uptimeSeconds: number,
  /** Whether the processor says that a hypervisor runs it; ARM's does not say. */
  virtualMachine: yesOrNo,
  /**
   * Who made the machine, or whose virtual machine it is: `Amazon EC2`, `Google`, `Microsoft
   * Corporation`, `NVIDIA`, `Supermicro`. SMBIOS type 1, /sys/class/dmi/id/sys_vendor.
   */
  vendor: text,
  kernel: text,
  /** PRETTY_NAME of os-release. */
  os: text,
  /** PCI functions of vendor 10de and class 03xx (GPU) or 0680 (NVSwitch). */
  pciDevices: reading(z.array(pciDevice)),
  /** Version of the loaded kernel module, from /proc/driver/nvidia/version or /sys/module. */
  moduleVersion: text,
  moduleKind: reading(moduleKind),
  driverGpus: reading(z.array(driverGpu)),
  /** Names under /dev: nvidia0, nvidiactl, nvidia-uvm, ... */
  deviceNodes: reading(z.array(publicText)),
});

/** What a shallow reading leaves out: all that walks the processes, asks the kubelet or the disks. */
export const deepHostState = z.object({
  /** Processes beyond those looked through for daemons, holders and blocked tasks. */
  processesLeftOut: number,
  /** Tasks in uninterruptible sleep inside the NVIDIA driver, or whose name says nvidia. */
  blockedTasks: reading(z.array(blockedTask)),
  driverFiles,
  daemons: reading(z.array(daemon)),
  deviceHolders: reading(z.array(deviceHolder)),
  /** RDMA devices: InfiniBand, RoCE, EFA. An empty list where the node has none. */
  nics: reading(z.array(nic)),
  resources,
  containerToolkit,
  /** Which pod got which device, from the kubelet of this node. */
  pods,
  /**
   * What the containers of pods that hold GPUs see; of at most 16, each pod whole or not at all: of
   * others that run there is no reading. */
  containers: reading(z.array(containerView)),
});

export const hostState = first.extend(deepHostState.shape);
export interface HostState extends Fixed<z.infer<typeof hostState>> {}

/** Error counters at one moment. What could not be read is left out, or missing. */
export const hostCounters = z.object({
  ports: z.array(
    z.object({
      ...{ nic: publicText, port: z.int().min(0), counters: portCounters },
      /** Since boot: InfiniBand and RoCE count in words of four octets, EFA in octets. */
      ...{ sentBytes: z.number().exactOptional(), receivedBytes: z.number().exactOptional() },
    }),
  ),
  /** Of the GPUs' PCI functions, since boot. */
  aer: z.array(z.object({ ...place, ...errorTotals })),
});
export type HostCounters = Fixed<z.infer<typeof hostCounters>>;
