import type {
  ClusterDevice,
  ClusterView,
  ComputeDomain,
  DeviceTaint,
  DeviceTaintRule,
  ResourceClaim,
} from '../contract/cluster-view.ts';
import { SHARED_LIST_MS } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { pciKey } from '../contract/pci.ts';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { ApiServer } from './http.ts';
import { isObject, type Json, listAt, numberOf, objectAt, textOf } from './json.ts';
import { listAll } from './list.ts';
import { computeDomainList, resourceClaimPath, sliceList, taintRuleList } from './paths.ts';
import { ApiError } from './port.ts';
import { tried } from './tried.ts';

type Api = Pick<ApiServer, 'object' | 'settings'>;

/** Which versions of resource.k8s.io the API server has, newest first; asked once, for all nodes. */
export type DraVersions = () => Promise<readonly string[]>;

/** A list of the whole cluster, by what it is of: asked once for the nodes of a fleet. */
export type SharedLists = (
  name: string,
  ask: () => Promise<Reading<readonly unknown[]>>,
) => Promise<Reading<readonly unknown[]>>;

/** Lists that serve whoever asks for the same within some seconds; one that was refused serves nobody else. */
export function sharedLists(): SharedLists {
  const lists = new Map<string, { until: AbortSignal; list: ReturnType<SharedLists> }>();
  return async (name, ask) => {
    const held = lists.get(name);
    const found = held?.until.aborted === false ? await held.list : undefined;
    if (found?.ok || found?.reason === 'not_found') return found;
    const list = ask();
    lists.set(name, { until: AbortSignal.timeout(SHARED_LIST_MS), list });
    return list;
  };
}

/** What the cluster's DRA knows of a node. A node without devices of DRA is asked nothing more. */
export type DraView = Pick<ClusterView, 'devices' | 'taintRules' | 'claims' | 'computeDomains'>;

/**
 * The API's versions, newest first: 1.34, 1.33, 1.32, and v1alpha3, which has DeviceTaintRules since
 * 1.33. k8s.io/api/resource.
 */
const VERSIONS = ['v1', 'v1beta2', 'v1beta1', 'v1alpha3'];

/**
 * Those of them that the API server has, none without DRA.
 *
 * @throws as every request does.
 */
export async function findDraVersions(
  api: Pick<ApiServer, 'object'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const group = await api
    .object(
      {
        method: 'GET',
        path: '/apis/resource.k8s.io',
        kinds: ['APIGroup'],
        doing: 'ask for the versions of resource.k8s.io',
      },
      signal,
    )
    .catch(error => {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    });
  const served = listAt(group, 'versions').map(version => textOf(version, 'version'));
  return VERSIONS.filter(version => served.includes(version));
}

const NO_DRA = missing('not_found', 'the cluster has no resource.k8s.io: no DRA');

/**
 * What DRA drivers publish for this node; where they publish something, the rules by which an admin
 * taints devices and the domains of NVLink that are built on them; and what claims of its pods hold.
 * `pods` are those of the node as the API server has them.
 */
export async function readDra(
  api: Api,
  node: string,
  {
    signal,
    versions,
    shared,
    pods,
  }: {
    readonly signal: AbortSignal;
    readonly versions: DraVersions;
    readonly shared: SharedLists;
    readonly pods: Promise<Reading<readonly unknown[]>>;
  },
): Promise<DraView> {
  const served = await tried(versions);
  if (!served.ok) return { devices: served };
  const newestOf = async (list: (version: string) => Parameters<typeof listAll>[1]) => {
    let found: Reading<readonly unknown[]> = NO_DRA;
    for (const version of served.value) {
      found = await tried(() => listAll(api, list(version), signal));
      if (found.ok || found.reason !== 'not_found') break;
    }
    return found;
  };
  const [devices, claims] = await Promise.all([
    newestOf(version => sliceList(version, node)),
    pods.then(read => claimsOf(api, read, { version: served.value[0], signal })),
  ]);
  const read = mapReading(devices, readClusterDevices);
  // A list that is cut would be one of devices that are gone.
  const published =
    read.ok && read.value.length > DEVICES_MAX
      ? missing('unreadable', `its node has ${read.value.length} devices, more than ${DEVICES_MAX}`)
      : read;
  const found = { devices: published, ...(claims && { claims }) };
  if (!published.ok || published.value.length === 0) return found;
  const withDomains = published.value.some(({ driver }) => driver === COMPUTE_DOMAIN);
  const [rules, domains] = await Promise.all([
    shared('rules', () => newestOf(taintRuleList)),
    withDomains
      ? shared('domains', () => tried(() => listAll(api, computeDomainList, signal)))
      : undefined,
  ]);
  return {
    ...found,
    // An API server before 1.33, or one on which nobody has enabled them, has no such rules.
    taintRules:
      !rules.ok && rules.reason === 'not_found'
        ? present([])
        : mapReading(rules, all => all.slice(0, RULES_MAX).flatMap(readTaintRule)),
    ...(domains && {
      computeDomains: mapReading(domains, all => all.slice(0, DOMAINS_MAX).map(readDomain)),
    }),
  };
}

/** NVIDIA/k8s-dra-driver-gpu, cmd/compute-domain-kubelet-plugin/main.go, DriverName. */
const COMPUTE_DOMAIN = 'compute-domain.nvidia.com';
const DEVICES_MAX = 512;
const RULES_MAX = 256;
const DOMAINS_MAX = 256;

/**
 * The devices of ResourceSlices, each once, of the newest generation of its pool: after a change
 * the old slices stay until the driver has removed them. k8s.io/api/resource/v1/types.go.
 */
function readClusterDevices(slices: readonly unknown[]): readonly ClusterDevice[] {
  const newest = new Map<string, number>();
  for (const slice of slices) {
    const { key, generation } = poolOf(slice);
    newest.set(key, Math.max(newest.get(key) ?? 0, generation));
  }
  const own = slices.filter(slice => newest.get(poolOf(slice).key) === poolOf(slice).generation);
  const read = Map.groupBy(own, slice => poolOf(slice).key);
  return own.flatMap(slice => {
    const { driver, pool, key, slices: all } = poolOf(slice);
    const isShort = (read.get(key)?.length ?? 0) < all;
    return listAt(slice, 'spec', 'devices').map(device => ({
      ...readDevice(device, { driver, pool }),
      ...(isShort && { poolIncomplete: true as const }),
    }));
  });
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
    slices: numberOf(spec['pool'], 'resourceSliceCount') ?? 0,
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
    ...optional({ uuid, parentUuid, pci }),
    ...deviceTaints(device),
  };
}

const TAINTS_MAX = 16;

/** resource.k8s.io DeviceTaint, from 1.33 on; v1beta1 has them one level deeper. */
function deviceTaints(device: unknown): Pick<ClusterDevice, 'taints'> {
  const own = listAt(device, 'taints');
  const taints = (own.length > 0 ? own : listAt(device, 'basic', 'taints')).slice(0, TAINTS_MAX);
  return taints.length === 0 ? {} : { taints: taints.map(readTaint) };
}

function readTaint(taint: unknown): DeviceTaint {
  const since = plainText(textOf(taint, 'timeAdded'), 40);
  return {
    key: plainText(textOf(taint, 'key'), 128),
    value: plainText(textOf(taint, 'value'), 64),
    effect: plainText(textOf(taint, 'effect'), 32),
    ...(since === '' ? {} : { since }),
  };
}

/**
 * An empty selector means every device, none means no device. Those before 1.35 could also select by
 * class and by CEL, which only the API server can evaluate: of these nothing is said.
 */
function readTaintRule(rule: unknown): readonly DeviceTaintRule[] {
  const selector = objectAt(rule, 'spec')['deviceSelector'];
  if (!isObject(selector) || 'deviceClassName' in selector || 'selectors' in selector) return [];
  const part = (key: 'driver' | 'pool' | 'device') => {
    const text = plainText(textOf(selector, key), 253);
    return text === '' ? {} : { [key]: text };
  };
  return [
    {
      name: `DeviceTaintRule/${nameOf(rule)}`,
      ...{ ...part('driver'), ...part('pool'), ...part('device') },
      taint: readTaint(objectAt(rule, 'spec', 'taint')),
    },
  ];
}

const nameOf = (object: unknown): string =>
  plainText(textOf(objectAt(object, 'metadata'), 'name'), 253);

/** NVIDIA/k8s-dra-driver-gpu, api/nvidia.com/resource/v1beta1/computedomain.go. */
function readDomain(domain: unknown): ComputeDomain {
  const wanted = numberOf(objectAt(domain, 'spec'), 'numNodes') ?? 0;
  return {
    namespace: plainText(textOf(objectAt(domain, 'metadata'), 'namespace'), 63),
    name: `ComputeDomain/${nameOf(domain)}`,
    status: plainText(textOf(objectAt(domain, 'status'), 'status'), 32),
    // Zero, which is advised, asks for no number.
    ...(wanted > 0 && { nodesWanted: wanted }),
    nodes: listAt(domain, 'status', 'nodes')
      .slice(0, DOMAIN_NODES_MAX)
      .map(node => ({
        node: plainText(textOf(node, 'name'), 253),
        clique: plainText(textOf(node, 'cliqueID'), 96),
        status: plainText(textOf(node, 'status'), 32),
      })),
  };
}

const DOMAIN_NODES_MAX = 128;
/** A node has 110 pods, where nobody has raised that: kubelet's maxPods. */
const CLAIMS_MAX = 128;
/** How many are asked for at a time. */
const CLAIMS_AT_ONCE = 8;

interface HeldClaim {
  readonly namespace: string;
  readonly name: string;
  readonly pod: string;
  readonly containers: readonly string[];
}

/**
 * What the claims of these pods have allocated, claim by claim: a list would be that of the whole
 * cluster. One that is gone meanwhile holds nothing; any other that cannot be read leaves the part unread.
 */
async function claimsOf(
  api: Api,
  pods: Reading<readonly unknown[]>,
  { version, signal }: { readonly version: string | undefined; readonly signal: AbortSignal },
): Promise<Reading<readonly ResourceClaim[]> | undefined> {
  const held = pods.ok ? pods.value.flatMap(heldClaims) : [];
  if (held.length === 0 || version === undefined) return undefined;
  const byClaim = [
    ...Map.groupBy(held, ({ namespace, name }) => `${namespace}/${name}`).values(),
  ].flatMap(([first, ...others]) => (first ? [{ first, all: [first, ...others] }] : []));
  if (byClaim.length > CLAIMS_MAX) {
    return missing('unreadable', `its pods have ${byClaim.length} claims, more than ${CLAIMS_MAX}`);
  }
  const claims: ResourceClaim[] = [];
  for (let at = 0; at < byClaim.length; at += CLAIMS_AT_ONCE) {
    const found = await Promise.all(
      byClaim.slice(at, at + CLAIMS_AT_ONCE).map(async ({ first, all }) => {
        const { namespace, name } = first;
        const path = resourceClaimPath(version, { namespace, name });
        const doing = `get resourceclaims "${name}" in namespace "${namespace}"`;
        const read = await tried(() =>
          api.object({ method: 'GET', path, doing, kinds: ['ResourceClaim'], name }, signal),
        );
        return mapReading(read, claim => readClaim(claim, first, all));
      }),
    );
    const unread = found.find(read => !read.ok && read.reason !== 'not_found');
    if (unread && !unread.ok) return unread;
    claims.push(...found.flatMap(read => (read.ok ? [read.value] : [])));
  }
  return present(claims);
}

/**
 * The claims of a pod that has not ended, by their own names: of a template or an extended resource
 * the pod's status has them. k8s.io/api/core/v1, PodResourceClaimStatus, PodExtendedResourceClaimStatus.
 */
function heldClaims(pod: unknown): readonly HeldClaim[] {
  const status = objectAt(pod, 'status');
  if (/^(?:Succeeded|Failed)$/.test(textOf(status, 'phase'))) return [];
  const of = {
    namespace: textOf(objectAt(pod, 'metadata'), 'namespace'),
    pod: nameOf(pod),
  };
  const generated = listAt(status, 'resourceClaimStatuses');
  const containers = [
    ...listAt(pod, 'spec', 'initContainers'),
    ...listAt(pod, 'spec', 'containers'),
  ];
  const named = listAt(pod, 'spec', 'resourceClaims').flatMap(claim => {
    const local = textOf(claim, 'name');
    const made = generated.find(one => textOf(one, 'name') === local);
    const name = textOf(claim, 'resourceClaimName') || textOf(made, 'resourceClaimName');
    if (name === '') return [];
    const users = containers.filter(container =>
      listAt(container, 'resources', 'claims').some(one => textOf(one, 'name') === local),
    );
    return [{ ...of, name, containers: users.map(containerName) }];
  });
  const extended = objectAt(status, 'extendedResourceClaimStatus');
  const name = textOf(extended, 'resourceClaimName');
  if (name === '') return named;
  const users = listAt(extended, 'requestMappings').map(one =>
    plainText(textOf(one, 'containerName'), 64),
  );
  return [...named, { ...of, name, containers: [...new Set(users)] }];
}

const containerName = (container: unknown): string => plainText(textOf(container, 'name'), 64);

const CLAIM_DEVICES_MAX = 64;

function readClaim(
  claim: Json,
  { namespace, name }: HeldClaim,
  held: readonly HeldClaim[],
): ResourceClaim {
  const allocation = objectAt(claim, 'status', 'allocation');
  const since = plainText(textOf(allocation, 'allocationTimestamp'), 40);
  return {
    namespace: plainText(namespace, 63),
    name: plainText(name, 253),
    users: held.map(({ pod, containers }) => ({ pod, containers: [...containers] })),
    ...(since === '' ? {} : { since }),
    devices: listAt(allocation, 'devices', 'results')
      // Of those who only look on, as a monitor does.
      .filter(result => objectAt(result)['adminAccess'] !== true)
      .slice(0, CLAIM_DEVICES_MAX)
      .map(result => ({
        driver: plainText(textOf(result, 'driver'), 253),
        pool: plainText(textOf(result, 'pool'), 253),
        name: plainText(textOf(result, 'device'), 96),
      })),
  };
}
