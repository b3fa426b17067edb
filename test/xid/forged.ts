import { readFileSync } from 'node:fs';
import * as z from 'zod';

const XID = 'NVRM: Xid (PCI:0000:41:00): 79, pid=1234, name=python, GPU has fallen off the bus.';

/** The messages that a user of a node would like to have believed, and 15 bytes of each. */
const TEXTS = {
  xid: XID,
  'xid in small letters': XID.toLowerCase(),
  sxid: 'nvidia-nvswitch0: SXid (PCI:0000:86:00.0): 12028, Fatal, Link 32 egress non-posted PRIV error',
  load: 'NVRM: loading NVIDIA UNIX x86_64 Kernel Module  570.124.06  Wed Feb 26 01:00:00 UTC 2025',
  nic: "mlx5_core 0000:3b:00.0: poll_health:800:(pid 0): device's health compromised - reached miss count",
} as const;

const text = (name: string) =>
  readFileSync(new URL(`../fixtures/forged/${name}`, import.meta.url), 'utf8').trimEnd();

const Recorded = z.object({ form: z.string(), text: z.string(), message: z.string() });

const recorded = text('recorded.jsonl')
  .split('\n')
  .map(row => Recorded.parse(JSON.parse(row)));

const templates = text('templates.tsv')
  .split('\n')
  .map(row => row.split('\t'))
  .map(([place = '', format = '']) => ({ place, format }));

const composed = templates.flatMap(({ place, format }) =>
  Object.entries(TEXTS).map(([name, chosen]) => ({
    form: place,
    text: name,
    message: format.replaceAll('{text}', chosen).replaceAll('{comm}', chosen.slice(0, 15)),
  })),
);

/** Messages of the kernel in each of which a user's text says what the driver would say. */
export const FORGED: readonly z.infer<typeof Recorded>[] = [...recorded, ...composed];

export const FORGED_FORMS =
  new Set(recorded.map(({ form }) => form)).size + new Set(templates.map(t => t.format)).size;
