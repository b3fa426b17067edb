/**
 * Every number that a rule compares with, once, and whose number it is. What is missing here is
 * judged by the driver's own flag or by the other GPUs of the node.
 */
export const THRESHOLDS = {
  /** Rows remapped for uncorrected errors in a GPU's life, and from where on they come near that. */
  uncorrectedRemaps: { value: 512, source: 'DCGM 4.6, error 132' },
  remapsNearLimit: { value: 256, source: 'this project, half of DCGM’s 512' },
  /** Corrected ECC errors: of SRAM, of all memory; beside neighbours from here on; per second. */
  correctedSram: { value: 10_000, source: 'Azure node health checks, check_gpu_ecc' },
  corrected: { value: 20_000_000, source: 'Azure node health checks, check_gpu_ecc' },
  correctedCompared: { value: 1_000_000, source: 'this project' },
  correctedReadAgain: { value: 10_000, source: 'this project' },
  correctedPerSecond: { value: 100, source: 'this project; 4,600 and more in NVIDIA/DCGM#313' },
  /** Pages retired in a GPU's life (Volta and older, Turing). */
  retiredPages: { value: 63, source: 'DCGM 4.6, hard limit of retired pages' },
  /** CRC errors of one NVLink per second. */
  nvlinkCrcPerSecond: { value: 100, source: 'DCGM 4.6, NVLink CRC limit' },
  /** Bit errors of one NVLink behind forward error correction, and behind retransmission too. */
  nvlinkEffectiveBer: { value: 1e-12, source: 'DCGM 4, effective bit error rate' },
  nvlinkSymbolBer: { value: 1e-236, source: 'DCGM 4, floor of the symbol bit error rate' },
  /** CRC errors or replays of one NVLink since it was trained, below which nobody is compared. */
  nvlinkErrorsCompared: { value: 10_000, source: 'this project' },
  /** A counter that lies far above its neighbours' is read again from here on: once says nothing of now. */
  countReadAgain: { value: 100, source: 'this project' },
  /** CRC errors or replays of a GPU's C2C links: in a second, beside its neighbours, and by themselves. */
  c2cErrorsPerSecond: { value: 100, source: 'this project, as of one NVLink' },
  c2cErrorsCompared: { value: 1_000, source: 'this project' },
  c2cErrors: { value: 1_000_000, source: 'this project' },
  /** Bits of a PCIe link that may be wrong: what makes the errors a minute that a link may have. */
  pcieBitErrorRate: { value: 1e-12, source: 'DCGM 4, PCIe replay rate by generation and lanes' },
  /** Errors in a second look below which chance may have put them there. */
  pcieErrorsGrown: { value: 3, source: 'this project' },
  /** Errors of one kind on a PCIe link since boot, below which nobody is compared. */
  pcieErrorsCompared: { value: 1_000, source: 'this project' },
  /** So many of one kind that no neighbour need have fewer. */
  pcieErrors: { value: 100_000, source: 'this project' },
  /** Non-fatal PCIe errors that no enumeration at boot leaves behind. */
  pcieNonFatal: { value: 3, source: 'this project' },
  /** What GPUs of one node differ by, in °C: air goes from one to the next. */
  heatSpreadC: { value: 4, source: 'this project' },
  /** Degrees above neighbours that draw this part of its power: its own cooling fails, and not the room's. */
  hotAloneC: { value: 15, source: 'this project' },
  samePowerShare: { value: 0.8, source: 'this project' },
  /** Highest temperature of HBM for work where the driver does not tell it. */
  hbmMaxC: { value: 95, source: 'what drivers of A100 and H200 give as the memory’s highest' },
  /** From here on the fans of every board turn. */
  fansRunC: { value: 70, source: 'this project' },
  /** Part of a window from which on a slowdown lasted for all of it. */
  lastingShare: { value: 0.9, source: 'this project; NVSentinel: three polls' },
  /** Part of a window in which the hardware held the clocks down. */
  slowdownShare: { value: 0.1, source: 'this project' },
  /** SM clock of a busy GPU as a part of its busy neighbours' median, and of its own maximum. */
  clockShare: { value: 0.7, source: 'this project' },
  ownClockShare: { value: 0.6, source: 'this project' },
  /** The same where both draw what they may: other work at that power has other clocks, but not these. */
  cappedClockShare: { value: 0.5, source: 'this project' },
  /** Performance states from here on are of GPUs without work: P5 and below. */
  idleState: { value: 5, source: 'this project; programs compute in P0 to P3' },
  /** Enforced power limit as a part of the one that was set; on a module the CPU takes its part first. */
  enforcedShare: { value: 0.9, source: 'this project' },
  enforcedShareOfModule: { value: 0.6, source: 'this project' },
  /** A power limit that someone set, as a part of the default, below which it is no saving. */
  setLimitShare: { value: 0.5, source: 'this project' },
  /** Power drawn as a part of the limit below which a power cap explains no low clock, or no cap at all. */
  cappedShare: { value: 0.7, source: 'this project' },
  cappedAloneShare: { value: 0.5, source: 'this project' },
  /** A GPU that is busy and works not: its utilization, that of its memory, its power by its limit. */
  waitingBusyPercent: { value: 95, source: 'sichek, GPU hang' },
  waitingMemoryPercent: { value: 5, source: 'sichek, GPU hang' },
  waitingPowerShare: { value: 0.23, source: 'sichek, GPU hang: 160 of the 700 W of an H100' },
  /** The same where all GPUs of a job do alike; waiting.ts says why the bounds differ. */
  allWaitMemoryPercent: { value: 12, source: 'this project, as in slow-jobs.ts of its tests' },
  allWaitPowerShare: { value: 0.45, source: 'this project, as in slow-jobs.ts of its tests' },
  allWaitSmPercent: { value: 40, source: 'this project, as in slow-jobs.ts of its tests' },
  allIdlePercent: { value: 30, source: 'this project' },
  /** What so many GPUs of a job do, the job does. */
  mostOfJobShare: { value: 0.9, source: 'this project: of eight GPUs one may be another rank' },
  /** A job is held up where its usual GPU works or is busy so little: a slow link may be why. */
  heldUpShare: { value: 0.62, source: 'this project, as in slow-jobs.ts of its tests' },
  heldUpBusyPercent: { value: 80, source: 'this project, as in slow-jobs.ts of its tests' },
  /** How far below the others' one GPU of a job idles; what they do beside one that has more work, and how alike. */
  idleGapPercent: { value: 12, source: 'this project: five looks, of a second each, miss less' },
  lessWorkShare: { value: 0.85, source: 'this project, as the clocks' },
  alikeSpread: { value: 0.15, source: 'this project' },
  /** Load in every look from which a GPU of a job keeps its clocks and its PCIe link up. */
  keepsClocksPercent: { value: 40, source: 'this project' },
  /** For how much of a look at a job a reason must have held clocks; below the others' with it, and without. */
  heldShare: { value: 0.3, source: 'this project' },
  heldClockShare: { value: 0.95, source: 'this project: two steps of a clock and more' },
  slowClockShare: { value: 0.85, source: 'this project: chips of one model differ by less' },
  lowerLimitShare: { value: 0.9, source: 'this project, as of limits that were set' },
  /** Rate of a link beside the others' in a job: half the lanes, half the speed, a generation less. */
  slowLinkShare: { value: 0.75, source: 'this project, between half and all' },
  /** Of what a link carries at most, from where on a slower one can hold a job up. */
  usedLinkShare: { value: 0.1, source: 'this project' },
  /** Errors of an adapter while a job is looked at, and the traffic from which on a job uses it. */
  nicErrorsGrown: { value: 100, source: 'this project' },
  likeTrafficShare: { value: 0.5, source: 'this project: adapters of one collective carry alike' },
  /** Of the adapters of two nodes, those that both have: with fewer they are of another make, with more one fell off. */
  likeNicsShare: { value: 0.85, source: 'this project: 7 of 8' },
  missingNicShare: { value: 0.75, source: 'this project: 3 of 4 nodes have it' },
  usedNicMbps: { value: 1_000, source: 'this project: less are heartbeats' },
  /** Of what the busiest adapter of a job has carried since boot: less was never the job's. */
  usedNicShare: { value: 0.01, source: 'this project' },
  /** Memory in use on a GPU without a process: what the driver itself keeps stays far below. */
  leakedBytes: { value: 1024 ** 3, source: 'this project' },
  /** Free part of the file system of /var/lib/kubelet below which the kubelet evicts pods. */
  nodefsAvailable: { value: 0.1, source: 'kubelet, default of nodefs.available' },
  nodefsInodesFree: { value: 0.05, source: 'kubelet, default of nodefs.inodesFree' },
  /** Free part of any other file system of the node. */
  diskAvailable: { value: 0.02, source: 'this project' },
  /** Free memory of the node in bytes below which the kubelet evicts pods. */
  memoryAvailableBytes: { value: 100 * 1024 ** 2, source: 'kubelet, default of memory.available' },
  /** Part of a minute, in percent, in which no task of the node could go on (PSI, full). */
  stallPercent: { value: 10, source: 'this project' },
  memoryStallPercent: { value: 60, source: 'systemd-oomd, default of DefaultMemoryPressureLimit' },
  /** Memory that containers may lock, in bytes: up to here nobody has raised it for RDMA. */
  memlockBytes: { value: 8 * 1024 ** 2, source: 'systemd, default of DefaultLimitMEMLOCK' },
  /** Size of /dev/shm in a container, in bytes: up to here nobody has raised it for NCCL. */
  sharedMemoryBytes: { value: 64 * 1024 ** 2, source: 'containerd and CRI-O, default' },
  /** Free part of a container's /dev/shm: of a volume a job may fill most on purpose. */
  containerShmFree: { value: 0.05, source: 'this project' },
  /** Memory in bytes that a container beside RDMA adapters has to lock: ibv_reg_mr(3), NCCL's buffers. */
  lockedBytesLeast: { value: 64 * 1024 ** 2, source: 'this project, above every default' },
  /** Of the periods of its CPU limit, those in which a container was throttled. */
  throttledPercent: { value: 30, source: 'this project' },
  /** Linux from which RDMA can take GPU memory without nvidia_peermem: 1000 times major, plus minor. */
  dmabufKernel: { value: 5_012, source: 'NVIDIA GPU Operator, GPUDirect RDMA with DMA-BUF' },
  /** Time after boot in which the fabric may still be coming up, in seconds. */
  fabricStartSeconds: { value: 600, source: 'this project' },
  /** Link flaps of a port since boot, or in the hours of `flapHours`. */
  linkFlaps: { value: 3, source: 'gpud, flaps in 12 h' },
  flapHours: { value: 12, source: 'gpud, flaps in 12 h' },
  /** A link that is back sooner has not flapped; one that is down for longer has dropped. In seconds. */
  flapSeconds: { value: 25, source: 'gpud, down for 25 s and back' },
  dropSeconds: { value: 240, source: 'gpud, down for 4 min' },
  /** Counters of a network port that grow faster. */
  symbolErrorsPerSecond: { value: 10, source: 'NVSentinel, degraded' },
  symbolErrorsPerHour: { value: 120, source: 'InfiniBand, as NVSentinel calls it fatal' },
  linkRecoveriesPerMinute: { value: 5, source: 'NVSentinel' },
  slowRestartsPerSecond: { value: 10, source: 'NVSentinel, roce_slow_restart' },
  /** The same XID on one GPU within a day, each burst once. */
  xidRepeats: { value: 5, source: 'NVSentinel, repeated XID on one GPU in 24 h' },
  xidRepeatHours: { value: 24, source: 'NVSentinel, repeated XID on one GPU in 24 h' },
  /** XID 31 on one GPU, or XID 13 at one GPC and TPC of it, from which diagnostics are advised. */
  suspectRepeats: { value: 2, source: 'NVSentinel, rules for XID 13 and 31' },
  /** Boots or driver loads after which the same fault came back. */
  bootsWithoutCure: { value: 2, source: 'gpud, reboots before hardware inspection' },
  /** Utilisation in percent from which a GPU is taken to be at work. */
  busyPercent: { value: 10, source: 'this project' },
  /** Utilisation in percent from which clocks and link speed are taken to be as high as they get. */
  fullLoadPercent: { value: 90, source: 'this project' },
} as const satisfies Readonly<Record<string, { readonly value: number; readonly source: string }>>;
