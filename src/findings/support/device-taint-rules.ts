import type { ClusterDevice, DeviceTaint, DeviceTaintRule } from '../../contract/cluster-view.ts';

/** A taint on a device of DRA: by its driver, or by an admin's rule. */
export interface LaidTaint {
  readonly taint: DeviceTaint;
  readonly rule?: string;
}

/** Those of its driver, and those of every rule that selects it. */
export const taintsOf = (
  device: Pick<ClusterDevice, 'driver' | 'pool' | 'name' | 'taints'>,
  rules: readonly DeviceTaintRule[],
): readonly LaidTaint[] => [
  ...(device.taints ?? []).map(taint => ({ taint })),
  ...rules.filter(one => selects(one, device)).map(({ name, taint }) => ({ taint, rule: name })),
];

/** An empty selector is every device. */
const selects = (
  { driver, pool, device }: DeviceTaintRule,
  of: Pick<ClusterDevice, 'driver' | 'pool' | 'name'>,
): boolean =>
  (driver === undefined || driver === of.driver) &&
  (pool === undefined || pool === of.pool) &&
  (device === undefined || device === of.name);
