import * as z from 'zod';
import { count } from './host-data-reading.ts';

const pciAddress = z.string().regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}$/);
const link = {
  linkSpeed: z.string().default('32.0 GT/s PCIe'),
  linkWidth: z.int().default(16),
  maxLinkSpeed: z.string().default('32.0 GT/s PCIe'),
  maxLinkWidth: z.int().default(16),
};
const aer = {
  aerFatal: count.default(0),
  aerNonFatal: count.default(0),
  aerCorrectable: count.default(0),
};

const Bridge = z.strictObject({
  pci: pciAddress,
  function: z.int().min(0).max(7).default(0),
  ...link,
  ...aer,
  /** Null where the bridge has no ACS. */
  acsRedirect: z.boolean().nullable().default(false),
});
export type BridgeData = z.infer<typeof Bridge>;

export const PciFunction = z.strictObject({
  /** `dddd:bb:dd` */
  pci: z.string(),
  kind: z.enum(['gpu', 'nvswitch']).default('gpu'),
  driver: z.string().nullable().default('nvidia'),
  ...link,
  ...aer,
  /** False for a device that sysfs lists but whose configuration space answers no more. */
  answers: z.boolean().default(true),
  numaNode: z.int().nullable().default(0),
  slot: z.string().nullable().default(null),
  bridges: z.array(Bridge).default([]),
});
export type PciFunction = z.infer<typeof PciFunction>;

export const Nic = z.strictObject({
  name: z.string(),
  kind: z.enum(['infiniband', 'roce', 'efa', 'iwarp', 'other']).default('infiniband'),
  pci: pciAddress,
  driver: z.string().default('mlx5_core'),
  numaNode: z.int().nullable().default(0),
  firmware: z.string().default('28.39.1002'),
  boardId: z.string().default('MT_0000000838'),
  ...link,
  ports: z
    .array(
      z.strictObject({
        port: z.int().default(1),
        linkLayer: z.string().default('InfiniBand'),
        state: z.string().default('ACTIVE'),
        physicalState: z.string().default('LinkUp'),
        rateGbps: z.number().default(400),
        counters: z.record(z.string(), z.int()).default({}),
      }),
    )
    .prefault([{}]),
  interfaces: z
    .array(
      z.strictObject({
        name: z.string(),
        operstate: z.string().default('up'),
        /** Null where the link is down. */
        speedMbps: z.int().nullable().default(400_000),
      }),
    )
    .default([]),
  gpuPaths: z
    .array(
      z.strictObject({
        gpuPci: pciAddress,
        path: z.enum(['PIX', 'PXB', 'PHB', 'NODE', 'SYS', 'unknown']),
      }),
    )
    .default([]),
});
export type NicData = z.infer<typeof Nic>;
