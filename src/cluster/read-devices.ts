import type { ClusterDevice } from '../contract/cluster-view.ts';
import { pciKey } from '../contract/pci.ts';
import { plainText } from '../contract/untrusted.ts';
import { isObject, listAt, numberOf, objectAt, textOf } from './json.ts';

const DEVICES_MAX = 512;

/**
 * The devices of ResourceSlices, each once, of the newest generation of its pool: after a change
 * the old slices stay until the driver has removed them. k8s.io/api/resource/v1/types.go.
 */
export function readClusterDevices(slices: readonly unknown[]): readonly ClusterDevice[] {
  const newest = new Map<string, number>();
  for (const slice of slices) {
    const { key, generation } = poolOf(slice);
    newest.set(key, Math.max(newest.get(key) ?? 0, generation));
  }
  return slices
    .filter(slice => newest.get(poolOf(slice).key) === poolOf(slice).generation)
    .flatMap(slice => {
      const { driver, pool } = poolOf(slice);
      return listAt(slice, 'spec', 'devices').map(device => readDevice(device, { driver, pool }));
    })
    .slice(0, DEVICES_MAX);
}

function poolOf(slice: unknown) {
  const spec = objectAt(slice, 'spec');
  const driver = plainText(textOf(spec, 'driver'), 253);
  const pool = plainText(textOf(spec['pool'], 'name'), 253);
  return {
    driver,
    pool,
    key: `${driver}/${pool}`,
    generation: numberOf(spec['pool'], 'generation') ?? 0,
  };
}

function readDevice(
  device: unknown,
  of: { readonly driver: string; readonly pool: string },
): ClusterDevice {
  // v1beta1 has them one level deeper.
  const own = objectAt(device, 'attributes');
  const attributes = isObject(objectAt(device)['attributes'])
    ? own
    : objectAt(device, 'basic', 'attributes');
  // A name without a domain is the driver's; k8s-dra-driver-gpu's deviceinfo.go has the names.
  const value = (...names: readonly string[]) =>
    names
      .flatMap(name => [name, `${of.driver}/${name}`])
      .map(name => plainText(textOf(attributes[name], 'string'), 96))
      .find(text => text !== '');
  const uuid = value('uuid');
  const parentUuid = value('parentUUID');
  const pci = pciKey(value('resource.kubernetes.io/pciBusID', 'pcieBusID', 'pciBusID') ?? '');
  return {
    ...of,
    name: plainText(textOf(device, 'name'), 96),
    ...(uuid === undefined ? {} : { uuid }),
    ...(parentUuid === undefined ? {} : { parentUuid }),
    ...(pci === undefined ? {} : { pci }),
  };
}
