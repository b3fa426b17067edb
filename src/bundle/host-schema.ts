import * as z from 'zod';
import type { HostState } from '../host/port.ts';
import { count, number, reading, text, yesOrNo } from './bundle-readings.ts';
import {
  containerToolkit,
  daemon,
  deviceHolder,
  driverFiles,
  nodeResources,
} from './host-node-schema.ts';
import { pods } from './host-pods-schema.ts';

/** The host in a bundle; host/port.ts says what the readings mean. A field of the port that is not here does not compile. */

const link = {
  currentLinkSpeed: text,
  currentLinkWidth: number,
  maxLinkSpeed: text,
  maxLinkWidth: number,
};
const aer = { aerFatal: number, aerNonFatal: number, aerCorrectable: number };

const bridge = z.object({
  pci: z.string(),
  function: count,
  ...link,
  ...aer,
  acsRedirect: yesOrNo,
});

const pciDevice = z.object({
  pci: z.string(),
  function: count,
  kind: z.enum(['gpu', 'nvswitch']),
  driver: z.string().exactOptional(),
  ...link,
  ...aer,
  numaNode: number,
  slot: text,
  bridges: reading(z.array(bridge)),
});

const nic = z.object({
  name: z.string(),
  kind: z.enum(['infiniband', 'roce', 'efa', 'iwarp', 'other']),
  pci: text,
  driver: text,
  numaNode: number,
  firmware: text,
  boardId: text,
  ...link,
  ports: z.array(
    z.object({
      port: count,
      linkLayer: text,
      state: text,
      physicalState: text,
      rateGbps: number,
      counters: z.record(z.string(), z.number()),
    }),
  ),
  interfaces: z.array(
    z.object({
      name: z.string(),
      operstate: text,
      speedMbps: number,
    }),
  ),
  gpuPaths: z.array(
    z.object({
      gpuPci: z.string(),
      path: z.enum(['PIX', 'PXB', 'PHB', 'NODE', 'SYS', 'unknown']),
    }),
  ),
});

export const hostState = z.object({
  hostname: text,
  bootId: text,
  uptimeSeconds: number,
  virtualMachine: yesOrNo,
  kernel: text,
  os: text,
  pciDevices: reading(z.array(pciDevice)),
  moduleVersion: text,
  moduleKind: reading(z.enum(['open', 'proprietary'])),
  driverGpus: reading(
    z.array(z.object({ pci: z.string(), model: text, uuid: text, minor: number })),
  ),
  deviceNodes: reading(z.array(z.string())),
  blockedTasks: reading(z.array(z.object({ pid: count, name: z.string(), waitsIn: text }))),
  driverFiles,
  daemons: reading(z.array(daemon)),
  deviceHolders: reading(z.array(deviceHolder)),
  nics: reading(z.array(nic)),
  resources: nodeResources,
  containerToolkit,
  pods,
} satisfies { [F in keyof HostState]-?: z.ZodType<HostState[F]> });
