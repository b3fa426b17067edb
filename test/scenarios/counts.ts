import type { ClusterNode } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { aNode, aView } from '../fakes/cluster-view.ts';
import { DAEMONS, EVERY_H100, H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const inCluster =
  (over: Partial<ClusterNode> = {}) =>
  (facts: NodeFacts): NodeFacts => ({
    ...facts,
    cluster: aView({ node: present(aNode(over)) }),
  });

/** A virtual machine with eight H100 of which the bus shows the first seven. */
const sevenOnBus = (log: readonly (readonly [number, string])[] = []) => ({
  like: 'dgx-h100',
  everyGpu: { answers: { ...EVERY_H100, deviceGetVirtualizationMode: 1, deviceGetCount: 7 } },
  driver: { answers: { deviceGetCount: 7 } },
  host: {
    daemons: DAEMONS,
    deviceNodes: [...[0, 1, 2, 3, 4, 5, 6].map(at => `nvidia${at}`), 'nvidiactl', 'nvidia-uvm'],
    pci: Object.fromEntries([[7, { kind: 'nvswitch' }]]),
  },
  kernelLog: { lines: log.map(([secondsAgo, text]) => ({ secondsAgo, text })) },
});

/** How many GPUs there are, from the PCI bus up to what the cloud sold. */
export const COUNTS: readonly Scenario[] = [
  {
    name: 'all layers count eight GPUs, as many as the instance type has',
    truth: 'healthy',
    machine: h100(),
    facts: inCluster(),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the PCI bus of a p5.48xlarge shows seven GPUs',
    truth: 'hardware',
    machine: sevenOnBus(),
    facts: inCluster({ capacity: { 'nvidia.com/gpu': 7 }, allocatable: { 'nvidia.com/gpu': 7 } }),
    verdict: 'critical',
    findings: ['fewer-gpus-than-instance-type'],
  },
  {
    name: 'the bus shows seven GPUs since the eighth fell off: the log names it',
    truth: 'hardware',
    machine: sevenOnBus([
      [
        7_200,
        "NVRM: Xid (PCI:0000:df:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
      ],
    ]),
    facts: inCluster({ allocatable: { 'nvidia.com/gpu': 7 } }),
    verdict: 'critical',
    findings: ['fewer-gpus-than-instance-type', `xid-79:${H100[7]}`, 'fewer-allocatable'],
  },
  {
    name: 'a label of another machine’s instance type accuses nobody',
    truth: 'healthy',
    machine: h100(),
    facts: inCluster({ instanceType: 'a2-megagpu-16g' }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'an instance type that nobody lists accuses nobody',
    truth: 'healthy',
    machine: sevenOnBus(),
    facts: inCluster({
      instanceType: 'bm.gpu.special',
      labels: {},
      capacity: { 'nvidia.com/gpu': 7 },
      allocatable: { 'nvidia.com/gpu': 7 },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the device plugin registered seven of eight GPUs that the driver has',
    truth: 'configuration',
    machine: h100(),
    facts: inCluster({ capacity: { 'nvidia.com/gpu': 7 }, allocatable: { 'nvidia.com/gpu': 7 } }),
    verdict: 'warning',
    findings: ['gpus-not-registered'],
  },
  {
    name: 'GPUs that are offered as slices are not counted against the capacity',
    truth: 'healthy',
    machine: h100(),
    facts: inCluster({
      capacity: { 'nvidia.com/gpu': 4, 'nvidia.com/mig-1g.10gb': 28 },
      allocatable: { 'nvidia.com/gpu': 4, 'nvidia.com/mig-1g.10gb': 28 },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'all eight GPUs are on the bus, the driver counts seven: the lost one leads',
    truth: 'hardware',
    machine: { ...sevenOnBus(), host: { daemons: DAEMONS } },
    facts: inCluster({ capacity: { 'nvidia.com/gpu': 7 }, allocatable: { 'nvidia.com/gpu': 7 } }),
    verdict: 'critical',
    findings: [`lost-gpu:${H100[7]}`, 'gpus-not-in-driver'],
  },
];
