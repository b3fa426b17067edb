import * as z from 'zod';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { GpuState } from '../../nvml/port.ts';
import { nodeRow } from './node-row.ts';
import type { Judged, Snapshot } from './snapshot.ts';

/** What began anew between two moments: counters of before say nothing of those after it. */
export const Restarts = z.strictObject({
  /** null: neither boot id nor uptime was read both times. */
  rebooted: z.boolean().nullable(),
  /** ISO 8601 UTC, of the driver loads that the kernel log shows between. */
  driverLoads: z.array(z.string()),
});
export type Restarts = z.infer<typeof Restarts>;

const DRIVER_LOADS_MAX = 16;

export function restartsBetween(before: NodeFacts, after: Snapshot['facts']): Restarts {
  const loads = after.log.boundaries.flatMap(({ kind, moment: { timeMs } }) =>
    kind === 'driver_load' && timeMs !== null && timeMs > before.nowMs ? [timeMs] : [],
  );
  return {
    rebooted: rebooted(before, after),
    driverLoads: loads.slice(-DRIVER_LOADS_MAX).map(ms => new Date(ms).toISOString()),
  };
}

function rebooted(before: NodeFacts, after: NodeFacts): boolean | null {
  const [then, now] = [known(before.host.bootId), known(after.host.bootId)];
  if (then !== undefined && now !== undefined) return then !== now;
  const uptime = known(after.host.uptimeSeconds);
  return uptime === undefined ? null : after.nowMs - uptime * 1_000 > before.nowMs;
}

export const SettingChange = z.strictObject({
  /** `node`, `cluster`, `driver parameter`, or `GPU 3`. */
  where: z.string(),
  name: z.string(),
  before: z.string(),
  after: z.string(),
});
export type SettingChange = z.infer<typeof SettingChange>;

const CHANGES_MAX = 200;

type Settings = ReadonlyMap<string, string>;

/** Settings and versions that differ, where both moments tell them. */
export function settingChanges(before: Judged, after: Judged): SettingChange[] {
  const gpus = after.facts.driver.gpus.flatMap(now => {
    const uuid = known(now.uuid);
    const then = before.facts.driver.gpus.find(
      gpu => uuid !== undefined && known(gpu.uuid) === uuid,
    );
    return then ? changes(`GPU ${now.index}`, gpuSettings(then), gpuSettings(now)) : [];
  });
  return [
    ...changes('node', nodeSettings(before), nodeSettings(after)),
    ...changes('driver parameter', parameters(before), parameters(after)),
    ...changes('cluster', clusterSettings(before), clusterSettings(after)),
    ...gpus,
  ].slice(0, CHANGES_MAX);
}

const changes = (where: string, then: Settings, now: Settings): SettingChange[] =>
  [...now].flatMap(([name, after]) => {
    const before = then.get(name);
    return before === undefined || before === after ? [] : [{ where, name, before, after }];
  });

const settings = (values: Readonly<Record<string, unknown>>): Settings =>
  new Map(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[plainText(name, 64), plainText(String(value), 128)] as const],
    ),
  );

function nodeSettings({ facts }: Judged): Settings {
  const { bootId: _, uptimeSeconds: __, unavailable: ___, ...row } = nodeRow(facts, undefined);
  return settings(row);
}

const parameters = ({ facts }: Judged): Settings =>
  settings(known(facts.host.driverFiles.parameters) ?? {});

function clusterSettings({ cluster }: Judged): Settings {
  const node = cluster && known(cluster.node);
  if (!node) return new Map();
  return settings({
    cordoned: node.cordoned,
    ready: node.conditions.find(({ type }) => type === 'Ready')?.status,
    allocatableGpus: node.allocatable['nvidia.com/gpu'],
    kubeletVersion: node.kubeletVersion,
  });
}

function gpuSettings(gpu: GpuState): Settings {
  return settings({
    persistenceMode: known(gpu.persistenceMode),
    computeMode: known(gpu.computeMode),
    eccMode: known(gpu.eccMode)?.current,
    migMode: known(gpu.migMode)?.current,
    powerLimitMw: known(gpu.powerLimitMw),
    applicationGraphicsClockMhz: known(gpu.applicationGraphicsClockMhz),
    applicationMemoryClockMhz: known(gpu.applicationMemoryClockMhz),
    vbios: known(gpu.vbios),
    inforom: known(gpu.inforom.imageVersion),
    gspFirmware: known(gpu.gsp.firmwareVersion),
  });
}
