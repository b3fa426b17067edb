import type { ClusterView, StackPod } from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known, type Reading, reasonWords } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { HostState } from '../../host/port.ts';
import type { KernelEvent } from '../../xid/events.ts';
import { FABRIC_MANAGER_VERSION } from '../../xid/sxid-line.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';

/** The parts of NVIDIA's software against the version of the loaded driver, and against each other. */

type Versions = Pick<HostState, 'moduleVersion' | 'driverFiles'>;

interface Misfit {
  readonly installed: string;
  readonly loaded: string;
  readonly evidence: Evidence;
}

type Daemon = 'fabricmanager' | 'imex';

const packagesOf = ({ driverFiles }: Versions, daemon: Daemon) =>
  (known(driverFiles.packages) ?? []).filter(({ name }) => name.startsWith(`nvidia-${daemon}`));

/** Why no version of a daemon was read: RPM's database is a binary that no file of ours reads. */
export function unreadVersion(host: Versions, daemon: Daemon): string | undefined {
  const { packages } = host.driverFiles;
  if (!packages.ok) return `dpkg’s database: ${reasonWords(packages.reason)}`;
  return packagesOf(host, daemon).length === 0 ? 'dpkg has no package of it' : undefined;
}

/** A daemon whose installed package is of another version than the loaded driver; none of two fits. */
export function misfitOf(host: Versions, daemon: Daemon): Misfit | undefined {
  const loaded = known(host.moduleVersion);
  const own = packagesOf(host, daemon);
  const [first] = own;
  if (loaded === undefined || !first || own.some(({ version }) => version === loaded)) {
    return undefined;
  }
  const installed = plainText(first.version, 32);
  return {
    ...{ installed, loaded: plainText(loaded, 32) },
    evidence: {
      what: `package ${plainText(first.name, 64)} ${installed}, loaded kernel module ${plainText(loaded, 32)}`,
      source: '/var/lib/dpkg/status, /proc/driver/nvidia/version',
      command: shell`dpkg-query -W ${`nvidia-${daemon}*`}; cat /proc/driver/nvidia/version`,
    },
  };
}

/**
 * The same by Fabric Manager's own last word on the driver that is loaded: it tells where packages are not
 * dpkg's (RPM's database is a binary that no file of ours reads), or come in a container.
 */
export function misfitByLog(
  { moduleVersion }: Pick<HostState, 'moduleVersion'>,
  events: readonly KernelEvent[],
): Misfit | undefined {
  const loaded = known(moduleVersion);
  const last = events.findLast(({ kind }) => kind === FABRIC_MANAGER_VERSION);
  const { own, driver } = last?.details ?? {};
  if (!last || typeof own !== 'string' || loaded === undefined || driver !== loaded)
    return undefined;
  return {
    ...{ installed: plainText(own, 32), loaded: plainText(loaded, 32) },
    evidence: {
      what: plainText(last.text, 200),
      source: plainText(last.source, 128),
      ...optional({ time: last.time ?? undefined }),
      command: 'grep "don\'t match with driver" /var/log/fabricmanager.log',
    },
  };
}

const MISFIT = {
  severity: 'info',
  component: 'configuration',
  action: 'fix_configuration',
  blame: 'configuration',
} as const;

/**
 * Fabric Manager and IMEX as they are installed. One that runs was started by what was installed
 * then, or comes from a container: of it the package says nothing before its next start.
 */
export const stackVersions = rule(
  'stack-versions',
  {
    host: { tells: ['moduleVersion', 'driverFiles.packages', 'daemons'] },
    gpu: { tells: ['fabric'] },
  },
  ({ host, driver }) => {
    const runs = (kind: string) =>
      known(host.daemons)?.some(each => each.kind === kind && each.podUid === undefined) === true;
    const manager = runs('fabric_manager') ? managerClues(host) : [];
    // Where no NVLink leads to another node the package only lies there. The IMEX of a ComputeDomain is a pod's.
    const isWanted =
      known(host.daemons)?.some(({ kind }) => kind === 'imex') === true ||
      driver.gpus.some(({ fabric }) => known(fabric)?.clusterUuid !== undefined);
    const imex = isWanted ? misfitOf(host, 'imex') : undefined;
    return [...manager, ...(imex ? [imexClue(imex, runs('imex'))] : [])];
  },
);

/** Without a word of its version a fabric manager that runs would pass for one that fits. */
function managerClues(host: Versions): readonly Clue[] {
  const misfit = misfitOf(host, 'fabricmanager');
  if (misfit) return [managerClue(misfit)];
  const loaded = known(host.moduleVersion);
  const unread = unreadVersion(host, 'fabricmanager');
  return unread === undefined || loaded === undefined
    ? []
    : [unreadClue(unread, plainText(loaded, 32))];
}

const unreadClue = (unread: string, loaded: string): Clue =>
  nodeClue('fabric-manager-version-unread', {
    ...MISFIT,
    action: 'watch',
    title: `Fabric Manager runs, but its version was not read: whether it fits driver ${loaded} is not known`,
    advice: `Ask it for its version on the node: of another than ${loaded} it does not start again.`,
    confidence: 'high',
    evidence: [
      {
        what: unread,
        source: '/var/lib/dpkg/status',
        command: 'nv-fabricmanager --version; cat /proc/driver/nvidia/version',
      },
    ],
  });

/** User guide of Fabric Manager: it ends where the loaded driver stack is not compatible. */
const managerClue = ({ installed, loaded, evidence }: Misfit): Clue =>
  nodeClue('fabric-manager-version', {
    ...MISFIT,
    title: `Fabric Manager ${installed} is installed beside driver ${loaded}: it will not start again`,
    advice: `Before its next start, install nvidia-fabricmanager ${loaded}, or load the driver of ${installed}, and hold both at one version: it compares them and ends where they differ.`,
    confidence: 'high',
    evidence: [evidence],
    wouldChange: 'A fabric manager that a container brings along.',
  });

/** NVIDIA packs it with each driver, of its version (NVIDIA/gpu-driver-container pull request 200). */
const imexClue = ({ installed, loaded, evidence }: Misfit, isRunning: boolean): Clue =>
  nodeClue('imex-version', {
    ...MISFIT,
    title: `IMEX ${installed} is installed beside driver ${loaded}`,
    advice: `NVIDIA publishes IMEX with each driver: install nvidia-imex ${loaded}, alike on all nodes of the NVLink domain.`,
    confidence: isRunning ? 'medium' : 'low',
    evidence: [evidence],
    wouldChange: 'An IMEX daemon that the DRA driver takes from elsewhere.',
  });

type VersionedView = Pick<ClusterView, 'node' | 'pods'>;

/** What the images of the operator's pods are of, against the loaded driver and each other. */
export const stackImages = rule(
  'stack-images',
  { cluster: true, host: { decides: ['moduleVersion'] } },
  ({
    cluster,
    host,
  }: {
    readonly cluster?: VersionedView;
    readonly host: { readonly moduleVersion: Reading<string> };
  }) => {
    const stack = (known(cluster?.pods)?.stack ?? []).filter(isUp);
    const upgrade = known(cluster?.node)?.labels['nvidia.com/gpu-driver-upgrade-state'] ?? '';
    const loaded = known(host.moduleVersion);
    return [
      // While the operator upgrades, that is what is told.
      ...(/^(?:|upgrade-done)$/.test(upgrade) ? driverImage(stack, loaded) : []),
      ...engines(stack, loaded),
    ];
  },
);

/** One that only claims to be of the stack may have any image. */
const isUp = ({ phase, deleting, containers, isClaim }: StackPod): boolean =>
  phase === 'Running' &&
  !isClaim &&
  !deleting &&
  containers.every(({ init, state }) => init || state === 'running');

const imageEvidence = ({ namespace, name, version }: StackPod): Evidence => ({
  what: `the image of pod ${plainText(namespace, 63)}/${plainText(name, 253)} is of ${version}`,
  source: 'pods of the node',
  command: shell`kubectl get pod -n ${namespace} ${name} -o jsonpath={.spec.containers[*].image}`,
});

function driverImage(stack: readonly StackPod[], loaded: string | undefined): readonly Clue[] {
  const pod = stack.find(({ part, version }) => part === 'driver' && version !== undefined);
  if (!pod || loaded === undefined || pod.version === loaded) return [];
  return [
    nodeClue('driver-image-version', {
      severity: 'warning',
      component: 'configuration',
      title: `The driver pod is of ${pod.version}, but the loaded driver is ${plainText(loaded, 32)}`,
      action: 'fix_configuration',
      advice:
        'Drain the pods that use GPUs, then delete the driver pod of this node: it unloads the old module and loads its own. Remove a driver that is installed on the node itself.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [
        imageEvidence(pod),
        {
          what: `loaded kernel module ${plainText(loaded, 32)}`,
          source: '/proc/driver/nvidia/version',
          command: 'cat /proc/driver/nvidia/version',
        },
      ],
      wouldChange: 'A driver pod that still installs its module.',
    }),
  ];
}

/** The driver that DCGM 2.4 and all newer ones ask for (DCGM's installation page: "R450 and later"). */
const DCGM_DRIVER_LEAST = 450;

/** The pod of GPU Operator's DaemonSet nvidia-dcgm: others that run DCGM are asked by nobody. */
const HOST_ENGINE = /^nvidia-dcgm-[a-z0-9]{5}$/;

/**
 * An exporter beside a host engine of its own asks that one (GPU Operator's `dcgm.enabled`), with
 * structures of its own version: one that the engine does not know is an "API version mismatch"
 * (NVIDIA/go-dcgm pull request 1).
 */
function engines(stack: readonly StackPod[], loaded: string | undefined): readonly Clue[] {
  const dcgm = stack.filter(({ part, version }) => part === 'DCGM' && version !== undefined);
  const exporter = dcgm.find(({ name }) => name.includes('exporter'));
  const engine = dcgm.find(({ name }) => HOST_ENGINE.test(name));
  const [pod] = dcgm;
  return [
    ...(exporter && engine && majorOf(exporter.version) !== majorOf(engine.version)
      ? [
          nodeClue('dcgm-versions', {
            ...MISFIT,
            title: `DCGM exporter ${exporter.version} asks a host engine of ${engine.version}`,
            advice:
              'Take images of one version of DCGM for both: otherwise metrics fail with "API version mismatch", and GPUs look unmonitored.',
            confidence: 'medium',
            evidence: [imageEvidence(exporter), imageEvidence(engine)],
            wouldChange: 'An exporter that brings its own engine along.',
          }),
        ]
      : []),
    ...(pod && loaded !== undefined && majorOf(loaded) < DCGM_DRIVER_LEAST
      ? [
          nodeClue('dcgm-driver', {
            ...MISFIT,
            title: `DCGM ${pod.version} asks for driver ${DCGM_DRIVER_LEAST} or newer, loaded is ${plainText(loaded, 32)}`,
            advice: 'Upgrade the driver, or take a DCGM of its time.',
            confidence: 'high',
            evidence: [imageEvidence(pod)],
          }),
        ]
      : []),
  ];
}

const majorOf = (version: string | undefined): number => Number(version?.split('.')[0]);
