import { cluster } from './host.ts';
import { h100, LOADED } from './machines.ts';
import type { Scenario } from './scenario.ts';

const xid = (pci: string, rest: string) => `NVRM: Xid (PCI:${pci}): ${rest}`;
const PAGE_FAULT = (pid: number) =>
  `31, pid=${pid}, name=pt_main_thread, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f3a_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ`;
const DBE = xid(
  '0000:43:00',
  '48, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at physAddr 0xe9b9107e0 partition 3, subpartition 0.',
);
const CONTAINED = xid(
  '0000:43:00',
  '94, pid=41211, name=pt_main_thread, Contained: SM (0x1). RST: No, D-RST: No',
);
const TIMEOUT = (pid: number) =>
  `109, pid=${pid}, name=pt_main_thread, Ch 00000010, errorString CTX SWITCH TIMEOUT, Info 0x4c01a`;

/** Lines and labels of the past against what the GPU shows now, and against what came before them. */
export const PAST: readonly Scenario[] = [
  {
    name: 'a GPU fell off the bus and was taken back: it answers now',
    truth: 'hardware',
    machine: h100({
      log: [[600, xid('0000:52:00', '79, pid=1, name=x, GPU has fallen off the bus.')]],
    }),
    verdict: 'warning',
    findings: ['xid-79:0000:52:00'],
  },
  {
    name: 'a program failed before the driver was loaded anew: it is gone',
    truth: 'healthy',
    machine: h100({
      log: [
        [7_000, xid('0000:52:00', PAGE_FAULT(41_212))],
        [3_600, LOADED],
      ],
    }),
    verdict: 'healthy',
    findings: ['xid-31:0000:52:00'],
  },
  {
    name: 'versions did not match before the driver was loaded anew',
    truth: 'healthy',
    machine: h100({
      log: [
        [
          7_000,
          'NVRM: API mismatch: the client has the version 550.54.15, but\nNVRM: this kernel module has the version 570.124.06.  Please\nNVRM: make sure that this kernel module and all NVIDIA driver\nNVRM: components have the same version.',
        ],
        [3_600, LOADED],
      ],
    }),
    verdict: 'healthy',
    findings: ['api_mismatch'],
  },
  {
    name: 'an uncorrected error before the driver was loaded anew, and a program’s fault since',
    // Two faults, of which one is the program's.
    truth: 'unknown',
    machine: h100({
      log: [
        [72_000, DBE],
        [64_800, LOADED],
        [7_200, xid('0000:43:00', PAGE_FAULT(41_211))],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00', 'xid-48:0000:43:00'],
  },
  {
    name: 'a program’s fault before the driver was loaded anew, and a contained error since',
    truth: 'hardware',
    machine: h100({
      log: [
        [72_000, xid('0000:43:00', PAGE_FAULT(41_211))],
        [64_800, LOADED],
        [7_200, CONTAINED],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-94:0000:43:00', 'xid-31:0000:43:00'],
  },
  {
    name: 'a contained error before the driver was loaded anew, and another one since',
    truth: 'hardware',
    machine: h100({
      log: [
        [72_000, CONTAINED],
        [64_800, LOADED],
        [7_200, CONTAINED],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-94:0000:43:00'],
  },
  {
    name: 'a row could not be remapped before the driver was loaded anew, and a program’s fault since',
    // Two faults, of which one is the program's.
    truth: 'unknown',
    machine: h100({
      log: [
        [72_000, xid('0000:43:00', '64, Row remapper: remap failed')],
        [64_800, LOADED],
        [7_200, xid('0000:43:00', PAGE_FAULT(41_211))],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00', 'xid-64:0000:43:00'],
  },
  {
    name: 'a job was ended before the driver was loaded anew, and a program’s fault since',
    truth: 'application',
    machine: h100({
      log: [
        [72_000, xid('0000:43:00', '45, pid=40001, name=pt_main_thread, Ch 00000008')],
        [64_800, LOADED],
        [7_200, xid('0000:43:00', PAGE_FAULT(41_211))],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00', 'xid-45:0000:43:00'],
  },
  {
    name: 'a program faulted, and half a minute later its context did not switch: its own fault',
    truth: 'application',
    machine: h100({
      log: [
        [600, xid('0000:43:00', PAGE_FAULT(41_211))],
        [570, xid('0000:43:00', TIMEOUT(41_211))],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00'],
  },
  {
    name: 'a program faulted, and the context of another one does not switch: the GPU hangs',
    truth: 'driver',
    machine: h100({
      log: [
        [600, xid('0000:43:00', PAGE_FAULT(41_211))],
        [570, xid('0000:43:00', TIMEOUT(50_000))],
      ],
    }),
    verdict: 'critical',
    findings: ['xid-109:0000:43:00', 'xid-31:0000:43:00'],
  },
  {
    name: 'NVLink training failed (XID 136) and its link is down: one finding',
    truth: 'fabric',
    machine: h100({
      gpus: { 4: { 'deviceGetFieldValue nvlinkState 6': 0 } },
      log: [[1_800, xid('0000:9d:00', '136, NVLink: link training failed on link 6')]],
    }),
    verdict: 'critical',
    findings: ['nvlink-down:0000:9d:00'],
  },
  {
    name: 'a label that counts MIG devices (strategy `single`) counts no GPUs',
    truth: 'healthy',
    machine: h100(),
    facts: cluster({
      labels: {
        'nvidia.com/gpu.count': '56',
        'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3-MIG-1g.10gb',
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
];
