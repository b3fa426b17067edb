import * as z from 'zod';
import { publicText } from '../../contract/names-in-text.ts';
import {
  count,
  type Fixed,
  number,
  reading,
  text,
  texts,
  yesOrNo,
} from '../../contract/reading-schema.ts';

/** NVIDIA's driver and container toolkit, as files tell of them. */

/** Which of NVIDIA's two kernel modules it is. */
export const moduleKind = z.enum(['open', 'proprietary']);

/** A GPU that the kernel module knows, from /proc/driver/nvidia/gpus. */
export const driverGpu = z.object({ pci: publicText, model: text, uuid: text, minor: number });
export type DriverGpu = Fixed<z.infer<typeof driverGpu>>;

const kernelModule = z.object({
  /** With underscores, as /proc/modules writes it: nvidia_uvm. */
  name: publicText,
  state: z.enum(['live', 'loading', 'unloading']),
  uses: count,
  version: publicText.exactOptional(),
});
export type KernelModule = Fixed<z.infer<typeof kernelModule>>;

const deviceNode = z.object({
  /** Below /dev: nvidia0, nvidiactl, nvidia-caps/nvidia-cap1. */
  name: publicText,
  /** Missing for what is no character device. */
  major: number,
  minor: number,
  /** Permission bits, 0o666 by default. */
  mode: number,
});
export type DeviceNode = Fixed<z.infer<typeof deviceNode>>;

const installedPackage = z.object({ name: publicText, version: publicText });
export type InstalledPackage = Fixed<z.infer<typeof installedPackage>>;

/** Parameters, modules and device nodes of NVIDIA's driver. */
export const driverFiles = z.object({
  /** /proc/driver/nvidia/params: as loaded, by name without the `NVreg_`. */
  parameters: texts,
  /** Loaded modules that matter to GPUs and their fabric: nvidia*, nouveau, vfio*, nv_peer_mem, ... */
  modules: reading(z.array(kernelModule)),
  /** Device nodes below /dev whose name begins with nvidia, also in nvidia-caps/. */
  nodes: reading(z.array(deviceNode)),
  /** Whether /dev/char has the links that keep GPUs in containers over `systemctl daemon-reload`. */
  charLinks: yesOrNo,
  /**
   * What dpkg has installed of the daemons that come in the driver's versions: Fabric Manager, IMEX.
   * A node of other packages has no such file.
   */
  packages: reading(z.array(installedPackage)),
});
export type DriverFiles = Fixed<z.infer<typeof driverFiles>>;

const cdiSpec = z.object({
  path: publicText,
  /** nvidia.com/gpu, management.nvidia.com/gpu, ... */
  kind: publicText,
  devices: z.array(publicText),
  /** Driver versions in the names of the libraries that it mounts; more than the loaded one is stale. */
  driverVersions: z.array(publicText),
});
export type CdiSpec = Fixed<z.infer<typeof cdiSpec>>;

const runtimeConfiguration = z.object({
  path: publicText,
  runtime: z.enum(['containerd', 'cri-o', 'docker', 'nvidia_toolkit']),
  /** A handler named nvidia is configured. */
  nvidiaHandler: z.boolean(),
  defaultIsNvidia: z.boolean().exactOptional(),
  cdiEnabled: z.boolean().exactOptional(),
  systemdCgroup: z.boolean().exactOptional(),
});
export type RuntimeConfiguration = Fixed<z.infer<typeof runtimeConfiguration>>;

/** How containers get their GPUs. */
export const containerToolkit = z.object({
  /** CDI specs of NVIDIA's in /etc/cdi, /run/cdi and Talos' /var/cdi. */
  cdiSpecs: reading(z.array(cdiSpec)),
  /** What files tell the container runtime of nvidia; a file without a row was not seen. */
  runtimes: reading(z.array(runtimeConfiguration)),
});
export type ContainerToolkit = Fixed<z.infer<typeof containerToolkit>>;
