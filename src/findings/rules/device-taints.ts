import type { ClusterDevice, ClusterView } from '../../contract/cluster-view.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';

type Taint = NonNullable<ClusterDevice['taints']>[number];

/** A GPU as an answer lists it: enough to say which a device of DRA is, and whether it answers. */
export interface SeenGpu {
  readonly index?: number | undefined;
  readonly uuid?: string | undefined;
  readonly error?: string | undefined;
}

/**
 * Devices of DRA that are kept from pods. With DRA `allocatable` of the node never drops: a taint in
 * the ResourceSlice is all that the cluster shows. The driver's health check writes
 * gpu.nvidia.com/xid, gpu-lost and unmonitored; an admin's DeviceTaintRule any other.
 */
export function taintedDevices(
  view: Pick<ClusterView, 'devices'>,
  gpus: readonly SeenGpu[],
): readonly Clue[] {
  return (known(view.devices) ?? []).flatMap(device =>
    (device.taints ?? []).map(taint => taintClue(device, taint, gpus)),
  );
}

function taintClue(device: ClusterDevice, taint: Taint, gpus: readonly SeenGpu[]): Clue {
  const gpu = gpus.find(
    ({ uuid }) => uuid !== undefined && (uuid === device.uuid || uuid === device.parentUuid),
  );
  const answers = gpu !== undefined && gpu.error === undefined;
  const name = plainText(device.name, 96);
  const words = `${plainText(taint.key, 128)}${taint.value && `=${plainText(taint.value, 64)}`}`;
  const informs = taint.effect === 'None';
  const which = gpu?.index === undefined ? name : `GPU ${gpu.index} (${name})`;
  return nodeClue('device-taint', {
    of: `${name}:${plainText(taint.key, 128)}`,
    severity: informs ? 'info' : 'warning',
    component: 'kubernetes',
    title: informs ? `DRA notes ${words} on ${which}` : `DRA keeps ${which} from pods: ${words}`,
    action: 'watch',
    advice: adviceFor(taint, { informs, answers }),
    blame: 'unknown',
    confidence: 'medium',
    wouldChange:
      'A taint stays after its cause is gone until the DRA driver writes the slice anew.',
    evidence: [
      {
        what: `${words}:${plainText(taint.effect, 32)} on device ${name} of pool ${plainText(device.pool, 253)}`,
        source: 'ResourceSlice',
        ...(taint.since === undefined ? {} : { time: taint.since }),
        command: 'kubectl get resourceslices -o yaml',
      },
      ...(gpu === undefined
        ? []
        : [
            {
              what: answers ? 'the driver reads this GPU now' : `the driver says ${gpu.error}`,
              source: 'NVML',
            },
          ]),
    ],
  });
}

function adviceFor(
  { key }: Taint,
  { informs, answers }: { readonly informs: boolean; readonly answers: boolean },
): string {
  if (key === 'gpu.nvidia.com/unmonitored') {
    return 'The DRA driver cannot watch this device: what happens to it is not noticed there.';
  }
  if (informs) return 'It keeps nobody away: an error of a program, as the DRA driver sees it.';
  if (!key.startsWith('gpu.nvidia.com/')) {
    return 'Somebody keeps it from pods by a DeviceTaintRule: ask who, and why, before you act.';
  }
  return answers
    ? 'The driver reads this GPU now: if no finding speaks against it, restart the DRA kubelet plugin of this node, which writes its slices anew.'
    : 'Act by the finding on this GPU; the taint goes when the DRA driver sees it well.';
}

/** The same as a rule; silent where nobody asked for the devices of DRA. */
export const deviceTaints = rule(
  'device-taints',
  { gpu: { tells: ['uuid', 'handle'] }, cluster: true },
  facts =>
    facts.cluster
      ? taintedDevices(
          facts.cluster,
          facts.driver.gpus.map(({ index, uuid, handle }) => ({
            index,
            uuid: known(uuid),
            error: handle.ok ? undefined : handle.reason,
          })),
        )
      : [],
);
