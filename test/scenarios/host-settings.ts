import { H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const UID = 'f6a1e4a0-3b1c-4a52-9f6e-0d8f2d3c7b11';
const MIB = 1024 ** 2;

/** Four adapters, each below one switch with two GPUs, as on many machines. */
const nics = [0, 1, 2, 3].map(at => ({
  name: `mlx5_${at}`,
  pci: `0000:${20 + at}:00`,
  gpuPaths: [
    { gpuPci: H100[at * 2], path: 'PXB' },
    { gpuPci: H100[at * 2 + 1], path: 'PXB' },
  ],
}));

const CALM = { some60Percent: 0, full60Percent: 0 };
const pressure = (over: object) => ({
  resources: { pressure: { cpu: CALM, memory: CALM, io: CALM, ...over } },
});
const stalled = (full60Percent: number) => ({
  ...CALM,
  some60Percent: 90,
  full60Percent,
});

/** The first GPUs below one switch, each behind a port of its own; all others behind root ports. */
const switched = (redirect: 'ports' | 'root', together = 2) =>
  H100.map((pci, index) => {
    const root = {
      pci: `0000:${index < together ? '00' : `0${index}`}:01`,
      acsRedirect: redirect === 'root',
    };
    const port = { pci: `0000:0a:0${index}`, acsRedirect: redirect === 'ports' };
    const upstream = { pci: '0000:09:00', acsRedirect: null };
    return { pci, bridges: index < together ? [port, upstream, root] : [root] };
  });

/** Processes of one pod on GPUs 0 and 1, as the driver lists them, with so much shared memory. */
const pod = (sharedMemoryBytes: number, pids: readonly number[] = [41_210, 41_211]) => ({
  pods: {
    allocations: [
      { podUid: UID, devices: pids.map((_, minor) => ({ id: `nvidia${minor}`, minor })) },
    ],
  },
  processDetails: Object.fromEntries(
    pids.map((pid, index) => [
      pid,
      { podUid: UID, devices: [`nvidia${index}`, 'nvidiactl'], sharedMemoryBytes },
    ]),
  ),
});

const holder = (over: object) => ({
  processDetails: { 41212: { devices: ['nvidia2', 'nvidiactl'], ...over } },
});
const hung = (pid: number) =>
  [700, `INFO: task pt_main_thread:${pid} blocked for more than 120 seconds.`] as const;

/** What is set or short on the host around GPUs that are well: weak signs, and their healthy likes. */
export const HOST_SETTINGS: readonly Scenario[] = [
  {
    name: 'the node thrashes: for most of a minute no task could go on for want of memory',
    truth: 'host',
    machine: h100({ host: pressure({ memory: stalled(71) }) }),
    verdict: 'warning',
    findings: ['memory-stalls'],
  },
  {
    name: 'tasks stand still for disks now and then: good to know',
    truth: 'healthy',
    machine: h100({ host: pressure({ io: stalled(14) }) }),
    verdict: 'healthy',
    findings: ['io-stalls'],
  },
  {
    name: 'some task always waits for a disk, and the others go on',
    truth: 'healthy',
    machine: h100({ host: pressure({ io: stalled(2), memory: stalled(2) }) }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'containers beside RDMA adapters may lock little memory: good to know',
    truth: 'healthy',
    machine: h100({ host: { nics, resources: { memlockBytes: 8 * MIB } } }),
    verdict: 'healthy',
    findings: ['memlock-small'],
  },
  {
    name: 'containers may lock little memory where nothing needs more',
    truth: 'healthy',
    machine: h100({ host: { resources: { memlockBytes: 8 * MIB } } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'containers beside RDMA adapters may lock as much as somebody has set',
    truth: 'healthy',
    machine: h100({ host: { nics, resources: { memlockBytes: 64 * 1024 * MIB } } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the proprietary module beside RDMA adapters, without nvidia_peermem: good to know',
    truth: 'healthy',
    machine: h100({ host: { nics, module: { version: '570.124.06', kind: 'proprietary' } } }),
    verdict: 'healthy',
    findings: ['peermem-absent'],
  },
  {
    name: 'the open module on a kernel without dma-buf, without nvidia_peermem: good to know',
    truth: 'healthy',
    machine: h100({ host: { nics, kernel: '5.4.0-216-generic' } }),
    verdict: 'healthy',
    findings: ['peermem-absent'],
  },
  {
    name: 'the proprietary module beside RDMA adapters, with nvidia_peermem',
    truth: 'healthy',
    machine: h100({
      host: {
        nics,
        module: { version: '570.124.06', kind: 'proprietary' },
        driverFiles: { modules: [{ name: 'nvidia_peermem' }] },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'ACS is on at the ports of the switch that two GPUs share: good to know',
    truth: 'healthy',
    machine: h100({ host: { pci: switched('ports') } }),
    verdict: 'healthy',
    findings: ['acs-redirect'],
  },
  {
    name: 'ACS is on at the port of a GPU that shares its switch with an adapter: good to know',
    truth: 'healthy',
    machine: h100({
      host: {
        pci: switched('ports', 1),
        nics: nics.slice(0, 1),
      },
    }),
    verdict: 'healthy',
    findings: ['acs-redirect'],
  },
  {
    name: 'ACS is on in a virtual machine, which sees no real switch',
    truth: 'healthy',
    machine: h100({ host: { pci: switched('ports'), virtualMachine: true } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'ACS is on at root ports only, below which nothing goes another way',
    truth: 'healthy',
    machine: h100({ host: { pci: switched('root') } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a pod on two GPUs has the default shared memory: good to know',
    truth: 'healthy',
    machine: h100({ host: pod(64 * MIB) }),
    verdict: 'healthy',
    findings: ['shared-memory-small'],
  },
  {
    name: 'a pod on two GPUs has a gibibyte of shared memory',
    truth: 'healthy',
    machine: h100({ host: pod(1024 * MIB) }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a pod on one GPU has the default shared memory',
    truth: 'healthy',
    machine: h100({ host: pod(64 * MIB, [41_210]) }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a monitoring pod holds two GPUs open with the default shared memory and computes nothing',
    truth: 'healthy',
    machine: h100({ host: { processDetails: pod(64 * MIB, [5_001, 5_002]).processDetails } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a program with a GPU has been blocked for minutes in a network file system',
    truth: 'host',
    machine: h100({
      host: holder({ state: 'D', waitsIn: 'rpc_wait_bit_killable' }),
      log: [hung(41_212)],
    }),
    verdict: 'warning',
    findings: ['gpu-holder-blocked:41212'],
  },
  {
    name: 'a program with a GPU reads a file at the moment of the reading',
    truth: 'healthy',
    machine: h100({ host: holder({ state: 'D', waitsIn: 'folio_wait_bit_common' }) }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a program with a GPU was blocked, and goes on',
    truth: 'healthy',
    machine: h100({ host: holder({ state: 'R' }), log: [hung(41_212)] }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the main thread of a program has ended and another still holds its GPU: good to know',
    truth: 'healthy',
    machine: h100({ host: holder({ state: 'Z', waitsIn: 'nv_close_device' }) }),
    verdict: 'healthy',
    findings: ['gpu-holder-ended:41212'],
  },
];
