import type { ClusterDevice, ClusterView } from '../../contract/cluster-view.ts';
import type { GpuRef } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { GpuState } from '../../nvml/port.ts';
import { xidEntry } from '../../xid/catalogue.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import { type LaidTaint, taintsOf } from '../support/device-taint-rules.ts';
import { GPU_DRIVER } from '../support/dra.ts';

/** A GPU as an answer lists it: enough to say which a device of DRA is, and whether it answers. */
export interface SeenGpu {
  readonly index?: number | undefined;
  readonly uuid?: string | undefined;
  readonly pci?: string | undefined;
  readonly error?: string | undefined;
}

/** The same of the agent's own reading. */
export const seenGpus = ({
  gpus,
}: {
  readonly gpus: readonly Pick<GpuState, 'index' | 'uuid' | 'pci' | 'handle'>[];
}): readonly SeenGpu[] =>
  gpus.map(({ index, uuid, pci, handle }) => ({
    index,
    uuid: known(uuid),
    pci: known(pci),
    error: handle.ok ? undefined : handle.reason,
  }));

export const refOf = ({ index, uuid, pci }: SeenGpu): GpuRef => optional({ index, uuid, pci });

type Dra = Pick<ClusterView, 'devices' | 'taintRules' | 'claims'>;

interface Kept extends LaidTaint {
  readonly device: ClusterDevice;
  readonly gpu?: SeenGpu | undefined;
}

/**
 * Devices of DRA that are kept from pods. With DRA `allocatable` of the node never drops: a taint in
 * the ResourceSlice is all that the cluster shows. The driver's health check writes
 * gpu.nvidia.com/xid, gpu-lost and unmonitored (NVIDIA/k8s-dra-driver-gpu,
 * cmd/gpu-kubelet-plugin/device_health.go); an admin's DeviceTaintRule any other.
 */
export function taintedDevices(view: Dra, gpus: readonly SeenGpu[]): readonly Clue[] {
  const rules = known(view.taintRules) ?? [];
  const kept = (known(view.devices) ?? []).flatMap((device): Kept[] => {
    const gpu = gpus.find(
      ({ uuid }) => uuid !== undefined && (uuid === device.uuid || uuid === device.parentUuid),
    );
    return taintsOf(device, rules).map(laid => ({ ...laid, device, gpu }));
  });
  return [...Map.groupBy(kept, sameWords).values()].flatMap(group => taintClue(group, view));
}

/** One taint on many devices is one matter, but for those whose GPU is lost. */
const sameWords = ({ taint: { key, value, effect }, rule: by, gpu }: Kept): string =>
  JSON.stringify([key, value, effect, by, gpu === undefined ? '' : answers(gpu)]);

const answers = (gpu: SeenGpu): boolean => gpu.error === undefined;
const NAMES_MAX = 16;

function taintClue(group: readonly Kept[], view: Dra): readonly Clue[] {
  const [first] = group;
  if (!first) return [];
  const { taint, gpu, rule: by } = first;
  const key = plainText(taint.key, 128);
  const words = `${key}${taint.value && `=${plainText(taint.value, 64)}`}`;
  const informs = taint.effect === 'None';
  const names = group.map(({ device }) => plainText(device.name, 96));
  const which =
    group.length > 1
      ? `${group.length} devices`
      : gpu?.index === undefined
        ? (names[0] ?? '')
        : `GPU ${gpu.index} (${names[0]})`;
  const refs = group.flatMap(one => (one.gpu ? [refOf(one.gpu)] : []));
  const holders = holdersOf(group, view);
  return [
    nodeClue('device-taint', {
      of: group.length > 1 ? words : `${names[0]}:${key}`,
      severity: informs ? 'info' : 'warning',
      component: 'kubernetes',
      title: informs
        ? `DRA notes ${words} on ${which}`
        : `${by === undefined ? 'DRA' : plainText(by, 253)} keeps ${which} from pods: ${words}`,
      action: 'watch',
      advice: adviceFor(first),
      blame: 'unknown',
      confidence: 'medium',
      ...(refs.length > 0 && { gpus: refs }),
      wouldChange:
        'A taint stays after its cause is gone until the DRA driver writes the slice anew.',
      evidence: [
        {
          what: `${words}:${plainText(taint.effect, 32)} on ${group.length > 1 ? `devices ${shortList(names)}` : `device ${names[0]}`} of pool ${plainText(first.device.pool, 253)}`,
          source: by === undefined ? 'ResourceSlice' : plainText(by, 253),
          ...optional({ time: taint.since }),
          command:
            by === undefined
              ? 'kubectl get resourceslices -o yaml'
              : 'kubectl get devicetaintrules -o yaml',
        },
        ...(gpu === undefined
          ? []
          : [
              {
                what: answers(gpu)
                  ? `the driver reads ${group.length > 1 ? 'these GPUs' : 'this GPU'} now`
                  : `the driver says ${gpu.error}`,
                source: 'NVML',
              },
            ]),
        ...(holders.length > 0
          ? [{ what: `held by ${shortList(holders)}`, source: 'ResourceClaims of the node' }]
          : []),
      ],
    }),
  ];
}

const shortList = (names: readonly string[]): string =>
  names.length <= NAMES_MAX
    ? names.join(', ')
    : `${names.slice(0, NAMES_MAX).join(', ')} and ${names.length - NAMES_MAX} more`;

/** The pods that the scheduler has given one of these devices. */
function holdersOf(group: readonly Kept[], { claims }: Dra): readonly string[] {
  const pods = (known(claims) ?? []).flatMap(({ namespace, users, devices }) =>
    devices.some(held =>
      group.some(
        ({ device }) =>
          held.driver === device.driver && held.pool === device.pool && held.name === device.name,
      ),
    )
      ? users.map(({ pod }) => `pod ${plainText(namespace, 63)}/${plainText(pod, 253)}`)
      : [],
  );
  return [...new Set(pods)];
}

/** The driver's taints stay until its plugin starts again: its issue 1455, 2026-09. */
function adviceFor({ taint: { key, value, effect }, rule: by, gpu }: Kept): string {
  if (key === 'gpu.nvidia.com/unmonitored') {
    return 'The DRA driver cannot watch this device: what happens to it is not noticed there.';
  }
  if (effect === 'None') {
    return 'It keeps nobody away: an error of a program, as the DRA driver sees it.';
  }
  if (by !== undefined || !key.startsWith('gpu.nvidia.com/')) {
    const evicts =
      effect === 'NoExecute' ? ' It also takes the device from the pods that hold it.' : '';
    return `Somebody keeps it from pods by a DeviceTaintRule: ask who, and why, before you act.${evicts}`;
  }
  if (key === 'gpu.nvidia.com/gpu-lost') {
    const all = 'The DRA driver lays this on every device of the node when one GPU is lost.';
    return gpu !== undefined && answers(gpu)
      ? `${all} The driver reads this one: act by the finding on the lost GPU, then restart the DRA kubelet plugin, which writes its slices anew.`
      : `${all} Act by the finding on the lost GPU, then restart the DRA kubelet plugin, which writes its slices anew.`;
  }
  const isSilent = gpu !== undefined && !answers(gpu);
  const xid = key === 'gpu.nvidia.com/xid' && !isSilent ? xidEntry(Number(value)) : undefined;
  if (xid) {
    return `XID ${xid.code}, ${xid.title}: ${xid.advice} Once no finding speaks against this GPU, restart the DRA kubelet plugin of this node, which writes its slices anew.`;
  }
  return gpu !== undefined && answers(gpu)
    ? 'The driver reads this GPU now: if no finding speaks against it, restart the DRA kubelet plugin of this node, which writes its slices anew.'
    : 'Act by the finding on this GPU; then restart the DRA kubelet plugin of this node if the taint stays.';
}

/** Devices that DRA keeps from pods, by its driver or by an admin's rule, and whether their GPUs answer now. */
export const deviceTaints = rule(
  'device-taints',
  { gpu: { tells: ['uuid', 'pci', 'handle'] }, cluster: true },
  facts => (facts.cluster ? taintedDevices(facts.cluster, seenGpus(facts.driver)) : []),
);

/**
 * Devices that are still published though no pod of their driver runs on the node: the API server
 * does not take them back, and the scheduler goes on to give them away (kubernetes issue 141912).
 */
export const draDriver = rule(
  'dra-driver',
  { cluster: true },
  ({ cluster }: { readonly cluster?: Pick<ClusterView, 'devices' | 'pods'> }) => {
    const published = (known(cluster?.devices) ?? []).filter(({ driver }) => driver === GPU_DRIVER);
    const pods = known(cluster?.pods);
    // Who may not list all pods does not see the driver's.
    if (published.length === 0 || pods?.stack === undefined || pods.namespace !== null) return [];
    const own = pods.stack.filter(({ part }) => part === 'DRA driver');
    if (own.some(({ phase, deleting }) => phase === 'Running' && !deleting)) return [];
    const waiting = pods.gpuPods.filter(
      ({ phase, claims }) => phase === 'Pending' && claims.length > 0,
    );
    return [
      nodeClue('dra-driver-gone', {
        severity: waiting.length > 0 ? 'warning' : 'info',
        component: 'kubernetes',
        title: `DRA offers devices of this node, ${published.length} in all, but its driver does not run here${waiting.length > 0 ? `, and pods wait: ${waiting.length}` : ''}`,
        action: 'fix_configuration',
        advice:
          'Look why the DaemonSet of the DRA driver has no pod here: taints, node labels, or its image. Pods that are bound to the node meanwhile wait until it is back.',
        blame: 'configuration',
        confidence: 'medium',
        wouldChange: 'A DRA driver that is installed under another name.',
        evidence: [
          {
            what:
              own.length === 0
                ? 'no pod of the DRA driver'
                : `pod ${plainText(own[0]?.name ?? '', 253)} is ${own[0]?.phase}`,
            source: 'pods of the node',
            command: 'kubectl get resourceslices; kubectl get pods -A -o wide',
          },
          ...waiting.slice(0, 4).map(({ namespace, name, createdAt }) => ({
            what: `pod ${plainText(namespace, 63)}/${plainText(name, 253)} is Pending`,
            source: 'pods of the node',
            ...(createdAt === '' ? {} : { time: createdAt }),
          })),
        ],
      }),
    ];
  },
);
