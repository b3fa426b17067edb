import type { ClusterDevice, ClusterView } from '../../contract/cluster-view.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import { GPU_DRIVER } from '../support/dra.ts';
import { refOf, type SeenGpu, seenGpus } from './device-taints.ts';

type View = Pick<ClusterView, 'devices' | 'claims' | 'pods'>;

/** GPUs that DRA does not give out, and devices that it has given out and does not know any more. */
export const draDeviceClues = (view: View, gpus: readonly SeenGpu[]): readonly Clue[] => [
  ...nonePublished(view, gpus),
  ...notPublished(view, gpus),
  ...incompletePools(view),
  ...goneDevices(view),
];

const SLICES = { source: 'ResourceSlice', command: 'kubectl get resourceslices -o yaml' } as const;
const MISSING = {
  severity: 'warning',
  component: 'kubernetes',
  action: 'fix_configuration',
  blame: 'configuration',
  confidence: 'medium',
} as const;

const ofGpus = ({ devices }: View) =>
  (known(devices) ?? []).filter(({ driver }) => driver === GPU_DRIVER);

/** Of an incomplete pool nobody knows which devices it lacks. */
const areAllSeen = (devices: readonly ClusterDevice[]): boolean =>
  devices.every(({ poolIncomplete }) => !poolIncomplete);

/** Its kubelet plugin has a container for GPUs only where these are to be given out by DRA (chart, resources.gpus). */
function nonePublished(view: View, gpus: readonly SeenGpu[]): readonly Clue[] {
  const working = gpus.filter(({ error }) => error === undefined);
  const pods = known(view.pods);
  if (!view.devices?.ok || ofGpus(view).length > 0 || working.length === 0) return [];
  const plugin = pods?.stack?.find(
    ({ part, isClaim, deleting, containers }) =>
      part === 'DRA driver' &&
      !isClaim &&
      !deleting &&
      containers.some(({ name, state, ready }) => name === 'gpus' && state === 'running' && ready),
  );
  if (!plugin) return [];
  const { namespace, name } = plugin;
  return [
    nodeClue('dra-none-published', {
      ...MISSING,
      title: `The DRA driver runs and publishes none of the ${working.length} GPUs of this node`,
      advice:
        'Read the log of its container gpus: it publishes what it finds when it starts. Delete the pod once that is mended.',
      wouldChange: 'A DRA driver that has just started.',
      evidence: [
        {
          what: `no ResourceSlice of ${GPU_DRIVER} for this node, and pod ${plainText(namespace, 63)}/${plainText(name, 253)} is ready`,
          source: 'ResourceSlices and pods of the node',
          command: shell`kubectl logs -n ${namespace} ${name} -c gpus`,
        },
      ],
    }),
  ];
}

/** GPUs that work and that no device of DRA is, nor is a part of, beside others that are. */
function notPublished(view: View, gpus: readonly SeenGpu[]): readonly Clue[] {
  const devices = ofGpus(view);
  const names = new Set(
    devices.flatMap(({ uuid, parentUuid }) => [uuid ?? [], parentUuid ?? []].flat()),
  );
  const left = gpus.filter(
    ({ uuid, error }) => error === undefined && uuid !== undefined && !names.has(uuid),
  );
  // Where none of them is known by its name, it is the names that do not fit.
  const isOther = gpus.every(({ uuid }) => uuid === undefined || !names.has(uuid));
  if (names.size === 0 || left.length === 0 || isOther || !areAllSeen(devices)) return [];
  return [
    nodeClue('dra-not-published', {
      ...MISSING,
      gpus: left.map(refOf),
      title: `DRA publishes ${devices.length} ${devices.length === 1 ? 'device' : 'devices'} of this node, and of ${left.length} working ${left.length === 1 ? 'GPU' : 'GPUs'} none`,
      advice:
        'Restart the DRA kubelet plugin of this node: it publishes what it finds when it starts. If a GPU stays away, its container gpus says why.',
      wouldChange: 'A GPU that is kept for virtual machines, or that the driver has just got back.',
      evidence: [
        {
          what: `not in it: ${left.map(({ index, uuid }) => `GPU ${index ?? '?'} (${plainText(uuid ?? '', 64)})`).join(', ')}`,
          ...SLICES,
        },
      ],
    }),
  ];
}

/** Pools of these are of one node. Of others a slice may be of all nodes, and is not asked for here. */
const IS_NVIDIAS = /(?:^|\.)nvidia\.com$/;

/** k8s.io/dynamic-resource-allocation, structured: of an incomplete pool nothing is allocated. */
function incompletePools(view: View): readonly Clue[] {
  const pools = (known(view.devices) ?? []).filter(
    ({ driver, poolIncomplete }) => poolIncomplete && IS_NVIDIAS.test(driver),
  );
  return [...new Set(pools.map(({ driver, pool }) => `${driver}/${pool}`))].map(key =>
    nodeClue('dra-pool-incomplete', {
      ...MISSING,
      of: plainText(key, 253),
      title: `DRA’s pool ${plainText(key, 253)} lacks slices: nothing of it is given to pods`,
      advice:
        'Look at the log of its driver on this node: it writes all slices of a pool, and the API server may refuse one.',
      wouldChange: 'A driver that is just writing its slices.',
      evidence: [{ what: 'fewer slices than resourceSliceCount says', ...SLICES }],
    }),
  );
}

/** What the scheduler has allocated and its driver publishes no more: the pod that holds it may have lost it. */
function goneDevices(view: View): readonly Clue[] {
  const published = ofGpus(view);
  if (!areAllSeen(published)) return [];
  const pools = new Set(published.map(({ pool }) => pool));
  const isThere = (pool: string, name: string) =>
    published.some(one => one.pool === pool && one.name === name);
  const gone = (known(view.claims) ?? []).flatMap(({ namespace, users, devices }) =>
    devices
      .filter(
        ({ driver, pool, name }) =>
          driver === GPU_DRIVER && pools.has(pool) && !isThere(pool, name),
      )
      .map(({ name }) => ({ name, pods: users.map(({ pod }) => `${namespace}/${pod}`) })),
  );
  if (gone.length === 0) return [];
  const holders = [...new Set(gone.flatMap(({ pods }) => pods))].map(pod => plainText(pod, 316));
  return [
    nodeClue('dra-device-gone', {
      ...MISSING,
      title: `${gone.length === 1 ? 'A device' : `${gone.length} devices`} that DRA has given to pods ${gone.length === 1 ? 'is' : 'are'} published no more`,
      action: 'watch',
      advice:
        'Its driver did not find it when it last started: compare with the findings on lost GPUs and on MIG. The pods that hold it may have lost it, and cannot start anew with this claim.',
      wouldChange: 'A MIG device that is made and removed with its claim.',
      evidence: [
        {
          what: `${gone.map(({ name }) => plainText(name, 96)).join(', ')}, held by ${holders.slice(0, 4).join(', ')}`,
          source: 'ResourceClaims and ResourceSlices of the node',
          command: 'kubectl get resourceclaims -A; kubectl get resourceslices -o yaml',
        },
      ],
    }),
  ];
}

/** GPUs that DRA does not publish, and devices that pods hold and it publishes no more. */
export const draDevices = rule(
  'dra-devices',
  { gpu: { decides: ['handle'], tells: ['uuid', 'pci'] }, cluster: true },
  facts => (facts.cluster ? draDeviceClues(facts.cluster, seenGpus(facts.driver)) : []),
);
