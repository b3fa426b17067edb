import {
  A10,
  A100,
  addressOf,
  type FieldMachine,
  GB200,
  H100,
  H200,
  L4,
  L40S,
  on,
  T4,
  well,
} from './field-machines.ts';

/**
 * One reading each, as tickets and threads tell of machines that fail or only look as if they did.
 * Written down before they were judged for the first time; the source says where the sign is told.
 */
const faulty = (name: string, told: RegExp, _source: string, machine: object): FieldMachine => ({
  name,
  told,
  machine,
});
/** The verdict stays healthy: it is told as a remark. */
const remark: typeof faulty = (...parts) => ({ ...faulty(...parts), asRemark: true });
const at = addressOf;
const line = (text: string) => ({ log: [text] });
const resources = (over: object) => ({ host: { resources: over } });
const nics = (index: number, over: object, count = 8) => ({
  host: {
    nics: Array.from({ length: count }, (_, nic) => ({
      name: `mlx5_${nic}`,
      pci: `0000:${(0x12 + nic * 8).toString(16)}:00`,
      gpuPaths: [{ gpuPci: addressOf(nic), path: 'PIX' }],
      ...(nic === index ? over : {}),
    })),
  },
});
const space = (availableBytes: number, inodesFree = 58_000_000) => ({
  space: { totalBytes: 1_073_741_824_000, availableBytes, inodesTotal: 60_000_000, inodesFree },
});
const root = (over: object) => ({ bus: { bridges: [{ pci: '0000:00:01', ...over }] } });

// biome-ignore format: a table
const FAULTS: readonly FieldMachine[] = [
  // The driver does not start a GPU, or the bus does not give it what it needs.
  faulty('GSP firmware of one A10 does not start', /lost-gpu|init|count/, 'open-gpu-kernel-modules#789', on(A10, 2, { unseen: 1, log: ['NVRM: RmInitAdapter: Cannot initialize GSP firmware RM', `NVRM: GPU ${at(1)}.0: RmInitAdapter failed! (0x62:0x65:1792)`, `NVRM: GPU ${at(1)}.0: rm_init_adapter failed, device minor number 1`] })),
  faulty('a card without its power cable', /lost-gpu|init|power|count/, 'forums.developer.nvidia.com: necessary power cables', on(L40S, 4, { unseen: 1, log: [`NVRM: GPU ${at(3)}.0: GPU does not have the necessary power cables connected.`, `NVRM: GPU ${at(3)}.0: RmInitAdapter failed! (0x24:0x1c:1435)`] })),
  faulty('firmware left no room for a BAR', /lost-gpu|bar|count/i, 'open-gpu-kernel-modules: BAR1 is 0M', on(L40S, 4, { unseen: 1, log: ['NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\nNVRM: BAR1 is 0M @ 0x0 (PCI:0000:28:00.0)', 'nvidia: probe of 0000:28:00.0 failed with error -1'] })),
  faulty('a GPU does not come back from D3cold', /lost-gpu|pci|count/, 'kernel.org bugzilla: config space inaccessible', on(L4, 4, { unseen: 1, log: [`nvidia ${at(3)}.0: can't change power state from D3cold to D0 (config space inaccessible)`] })),
  faulty('the hot-plug slot lost its card', /lost-gpu|slot|count|pci/, 'pciehp: Slot: Card not present', on(L40S, 7, { bus: {}, log: ['pcieport 0000:00:01.0: pciehp: Slot(7): Link Down', 'pcieport 0000:00:01.0: pciehp: Slot(7): Card not present'], host: { vendor: 'Supermicro' } })),
  faulty('the IOMMU refuses what a GPU writes to its peer', /iommu|io-page|pci|xid|kernel/i, 'nccl docs: troubleshooting, ACS and IOMMU', on(L40S, 4, { log: [`AMD-Vi: Event logged [IO_PAGE_FAULT device=${at(2).slice(5)}.0 domain=0x0021 address=0xd0001000 flags=0x0020]`, `AMD-Vi: Event logged [IO_PAGE_FAULT device=${at(2).slice(5)}.0 domain=0x0021 address=0xd0001040 flags=0x0020]`] })),
  faulty('the port above a GPU reports fatal errors', /pcie/, 'illinois-scicomp/machine-shop-maintenance#76', on(H100, 8, root({ aerFatal: 3 }))),
  faulty('the port above all GPUs works on 4 lanes', /pcie-width|pcie/, 'supermicro riser tickets', on(L40S, 4, { bus: { bridges: [{ pci: '0000:03:00' }, { pci: '0000:02:00', currentLinkWidth: 4 }, { pci: '0000:00:01', currentLinkWidth: 4 }] } })),
  // Sensors and clocks.
  faulty('a GPU under full load that draws 0 W', /power/, 'nvidia-smi shows 0W at 100 %', on(L40S, 4, { gpus: { 1: { deviceGetPowerUsage: 0 } } })),
  faulty('a GPU under full load that is at 0 °C', /temperature/, 'nvidia-smi shows 0C', on(L40S, 4, { gpus: { 1: { deviceGetTemperature: 0 } } })),
  faulty('memory clock stuck at 405 MHz under full load', /clock|memory/, 'forums: stuck in low memory clock', on(H100, 8, { gpus: { 5: { 'deviceGetClockInfo memory': 405 } } })),
  faulty('stuck in P8 under full load', /clock|performance|p8/i, 'forums: GPU stuck in P8', on(L4, 4, { gpus: { 0: { deviceGetPerformanceState: 8, 'deviceGetClockInfo sm': 210, 'deviceGetClockInfo graphics': 210, 'deviceGetClockInfo memory': 405 } } })),
  faulty('somebody locked the clocks of one of eight', /clock|settings/, 'azure_gpu_app_clocks.nhc', on(H200, 8, { gpus: { 3: { 'deviceGetClockInfo sm': 1_005, 'deviceGetClockInfo graphics': 1_005, deviceGetCurrentClocksEventReasons: 2 } } })),
  faulty('one of eight has 64 GiB where the others have 80', /memory/, 'wrong SKU delivered in one tray', on(H100, 8, { gpus: { 6: { deviceGetMemoryInfo: { total: 68_719_476_736, reserved: 600_000_000, used: 60_000_000_000, free: 8_119_476_736 } } } })),
  faulty('ECC was switched on, and nobody rebooted', /ecc-mode/, 'nvidia-smi -e 1', on(A10, 2, { gpus: { 0: { deviceGetEccMode: { current: 0, pending: 1 } } } })),
  // Errors that the kernel log tells.
  remark('the driver stops counting single-bit errors, there are so many', /xid-92/, 'XID 92', on(T4, 4, line(`NVRM: Xid (PCI:${at(2)}): 92, pid=1882, High single-bit ECC error rate`))),
  faulty('unrecovered ECC error', /xid-140/, 'XID 140', on(H100, 8, line(`NVRM: Xid (PCI:${at(1)}): 140, pid='<unknown>', name=<unknown>, An uncorrectable ECC error detected (possible firmware handling failure) DRAM:-1840691462, LTC:0, MMU:0, PCIE:0`))),
  faulty('links are not found as they are trained', /nvlink|post.?rx|fabric/i, 'gpud: post_rx_detect_failure.go', on(H100, 8, line('NVRM: knvlinkUpdatePostRxDetectLinkMask_IMPL: Failed to update Rx Detect Link mask!'))),
  faulty('the network card sees a dead cable', /nic|network|cable|port/i, 'mlx5_core: Port module event', on(H100, 8, { ...nics(3, { ports: [{ state: 'DOWN', physicalState: 'Polling' }] }), log: ['mlx5_core 0000:2a:00.0: Port module event[error]: module 3, Cable error, Bus stuck (I2C or data shorted)'] })),
  faulty('firmware of a network card stopped', /nic|network|health/i, 'mlx5_core: health compromised', on(H100, 8, { ...nics(9, {}), log: ["mlx5_core 0000:2a:00.0: poll_health:955:(pid 0): device's health compromised - reached miss count"] })),
  faulty('a machine check of the CPU', /machine-check|mce|hardware|memory|cpu/i, 'kernel: mce: [Hardware Error]', on(H200, 8, line('mce: [Hardware Error]: CPU 44: Machine Check: 0 Bank 7: be00000000800400'))),
  faulty('a disk that does not answer', /disk|nvme|storage/i, 'kernel: nvme timeout, reset controller', on(H200, 8, { log: ['nvme nvme0: I/O 24 QID 5 timeout, aborting', 'nvme nvme0: I/O 24 QID 5 timeout, reset controller', 'blk_update_request: I/O error, dev nvme0n1, sector 209716 op 0x1:(WRITE)'] })),
  faulty('a CPU of the host is stuck in the kernel', /cpu-stuck/, 'kernel: watchdog: soft lockup', on(H100, 8, line('watchdog: BUG: soft lockup - CPU#5 stuck for 26s! [kworker/5:1:991]'))),
  // The host beside them.
  faulty('no room in /dev/shm', /shared|shm/, 'pytorch#5040: bus error', on(L40S, 4, resources({ sharedMemory: { totalBytes: 1_073_741_824, availableBytes: 0 } }))),
  faulty('the root disk is full', /disk|space|filesystem/i, 'kubelet DiskPressure', on(L40S, 4, resources({ filesystems: [{ mountPoint: '/', ...space(0) }] }))),
  remark('containers may lock 64 KiB', /memlock/, 'rdma: ibv_reg_mr failed', on(H100, 8, { ...nics(9, {}), ...{ host: { ...nics(9, {}).host, resources: { memlockBytes: 65_536 } } } })),
  faulty('an uncorrected error in the memory of the host', /host-hardware-error/, 'EDAC MC0: 1 UE', on(H100, 8, resources({ edac: { corrected: 0, uncorrected: 1 } }))),
  faulty('one of eight adapters has half its rate', /nic|rate|adapter/i, 'azure_ib_link.nhc', on(H100, 8, nics(2, { ports: [{ rateGbps: 200 }] }))),
  faulty('nouveau holds a GPU', /driver|bound|nouveau|lost|count/, 'mattshma/bigdata#133', on(T4, 4, { unseen: 1, host: {}, log: ['NVRM: The NVIDIA probe routine was not called for 1 device(s).\nNVRM: This can occur when a driver such as:\nNVRM: nouveau, rivafb, nvidiafb or rivatv\nNVRM: was loaded and obtained ownership of the NVIDIA device(s).'] })),
  remark('no /dev/nvidia-uvm: CUDA gives error 999', /uvm-absent/, 'pytorch forums: CUDA unknown error 999', on(L4, 2, { host: { deviceNodes: ['nvidia0', 'nvidia1', 'nvidiactl'] } })),
];

// biome-ignore format: a table
const WELL: readonly FieldMachine[] = [
  well('assertions of the open module that mean nothing', on(H100, 8, line('NVRM: nvAssertOkFailedNoLog: Assertion failed: Call not supported [NV_ERR_NOT_SUPPORTED] (0x00000056) returned from status @ kernel_bif.c:1240'))),
  well('the lines of a fresh start', on(L40S, 4, { log: ['nvidia: loading out-of-tree module taints kernel.', 'nvidia: module license taints kernel.', 'nvidia-nvlink: Nvlink Core is being initialized, major device number 238', 'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build', 'nvidia-modeset: Loading NVIDIA UNIX Open Kernel Mode Setting Driver for x86_64  570.124.06', '[drm] [nvidia-drm] [GPU ID 0x00001000] Loading driver', 'nvidia-uvm: Loaded the UVM driver, major device number 234.'] })),
  well('a virtual CD drive of the BMC has no disk', on(L40S, 4, line('Buffer I/O error on dev sr0, logical block 0, async page read'))),
  well('a program of no interest crashed', on(L40S, 4, line('node[81233]: segfault at 0 ip 00007f1b2c4 sp 00007ffd error 4 in libc.so.6'))),
  well('twelve corrected errors of the PCIe link of one H100', on(H100, 8, { bus: { aerCorrectable: 12 } })),
  well('four corrected errors in the memory of the host', on(H200, 8, resources({ edac: { corrected: 4, uncorrected: 0 } }))),
  well('the storage port of an adapter is not used', on(H100, 8, nics(7, { kind: 'roce', boardId: 'MT_0000000359', ports: [{ linkLayer: 'Ethernet', state: 'DOWN', physicalState: 'Disabled' }] }))),
  well('a link of an adapter went down once as the switch restarted', on(H100, 8, nics(1, { ports: [{ counters: { link_downed: 1 } }] }))),
  well('packed images of snap are full by design', on(L4, 4, resources({ filesystems: [{ mountPoint: '/' }, { mountPoint: '/snap/core20/2318', type: 'squashfs', readOnly: true, readOnlyByDesign: true, ...space(0, 0) }] }))),
  well('the root disk is at 84 %', on(L4, 4, resources({ filesystems: [{ mountPoint: '/', ...space(171_000_000_000) }] }))),
  well('more runnable tasks than CPUs', on(H100, 8, resources({ load: { one: 310, cpus: 224 } }))),
  well('eight H100 that somebody limited to 500 W', on(H100, 8, { every: { deviceGetPowerManagementLimit: 500_000, deviceGetEnforcedPowerLimit: 500_000, deviceGetPowerUsage: 498_000 } })),
  well('three corrected errors of one A100', on(A100, 8, { gpus: { 5: { 'deviceGetTotalEccErrors corrected volatile': 3 } } })),
  well('two pages of a T4 retired long ago', on(T4, 4, { gpus: { 0: { 'deviceGetRetiredPages doubleBit': [1_204, 88_121] } } })),
  well('two A100 that idle beside six that work', on(A100, 8, { gpus: Object.fromEntries([6, 7].map(gpu => [gpu, { deviceGetUtilizationRates: { gpu: 0, memory: 0 }, deviceGetPowerUsage: 58_000, deviceGetTemperature: 33, deviceGetMemoryInfo: { total: 85_899_345_920, reserved: 600_000_000, used: 0, free: 85_299_345_920 }, 'deviceGetClockInfo sm': 210, 'deviceGetClockInfo graphics': 210, deviceGetCurrentClocksEventReasons: 1, deviceGetComputeRunningProcesses: [] }])) })),
  well('a GB200 tray whose GPUs differ by eight degrees', on(GB200, 4, { gpus: { 0: { deviceGetTemperature: 48 }, 1: { deviceGetTemperature: 56 } } })),
  well('a GPU that the links of its board put on generation 4', on(T4, 2, { every: { deviceGetMaxPcieLinkGeneration: 3 } })),
  well('three hundred replays of an L4 since it was powered on', on(L4, 4, { gpus: { 1: { deviceGetPcieReplayCounter: 300 } } })),
  well('an adapter that is slower by its kind', on(H100, 8, nics(6, { boardId: 'MT_0000000884', firmware: '32.41.1000', ports: [{ rateGbps: 200 }] }))),
  well('a link that a switch trained anew is told without severity', on(H100, 8, line('nvidia-nvswitch3: SXid (PCI:0000:04:00.0): 22013, Severity 0 Engine instance 56 Sub-engine instance 00'))),
];

export const TICKET_MACHINES: readonly FieldMachine[] = [...FAULTS, ...WELL];
