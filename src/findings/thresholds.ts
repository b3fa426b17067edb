/**
 * Every number that a rule compares with, once, and whose number it is. What is missing here is
 * judged by the driver's own flag or by the other GPUs of the node.
 */
export const THRESHOLDS = {
  /** Rows remapped for uncorrected errors in a GPU's life. */
  uncorrectedRemaps: { value: 512, source: 'DCGM 4.6, error 132' },
  /** Pages retired in a GPU's life (Volta and older, Turing). */
  retiredPages: { value: 63, source: 'DCGM 4.6, hard limit of retired pages' },
  /** CRC errors of one NVLink per second. */
  nvlinkCrcPerSecond: { value: 100, source: 'DCGM 4.6, NVLink CRC limit' },
  /** CRC errors or replays of one NVLink since it was trained, below which nobody is compared. */
  nvlinkErrorsCompared: { value: 10_000, source: 'this project' },
  /** PCIe replays per second. */
  pcieReplaysPerSecond: { value: 10, source: 'this project' },
  /** PCIe replays, or corrected AER errors, since boot, below which nobody is compared. */
  pcieErrorsCompared: { value: 1_000, source: 'this project' },
  /** Part of a window in which the hardware held the clocks down. */
  slowdownShare: { value: 0.1, source: 'this project' },
  /** SM clock of a busy GPU as a part of its busy neighbours' median. */
  clockShare: { value: 0.7, source: 'this project' },
  /** Memory in use on a GPU without a process: what the driver itself keeps stays far below. */
  leakedBytes: { value: 1024 ** 3, source: 'this project' },
  /** Free part of the file system of /var/lib/kubelet below which the kubelet evicts pods. */
  nodefsAvailable: { value: 0.1, source: 'kubelet, default of nodefs.available' },
  nodefsInodesFree: { value: 0.05, source: 'kubelet, default of nodefs.inodesFree' },
  /** Free part of any other file system of the node. */
  diskAvailable: { value: 0.02, source: 'this project' },
  /** Free memory of the node in bytes below which the kubelet evicts pods. */
  memoryAvailableBytes: { value: 100 * 1024 ** 2, source: 'kubelet, default of memory.available' },
  /** Time after boot in which the fabric may still be coming up, in seconds. */
  fabricStartSeconds: { value: 600, source: 'this project' },
  /** Link flaps of a port since boot. */
  linkFlaps: { value: 3, source: 'gpud, flaps in 12 h' },
  /** Utilisation in percent from which a GPU is taken to be at work. */
  busyPercent: { value: 10, source: 'this project' },
  /** Utilisation in percent from which clocks and link speed are taken to be as high as they get. */
  fullLoadPercent: { value: 90, source: 'this project' },
} as const satisfies Readonly<Record<string, { readonly value: number; readonly source: string }>>;
