import { shell } from '../../contract/printed-command.ts';
import { known, type MissingReason, type Reading } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { CdiSpec } from '../../host/port.ts';
import { type Clue, nodeClue, nvmlEvidence } from '../clue.ts';
import { gpuRef, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { gpusOnBus } from '../support/places.ts';
import { wrongDriver } from '../support/wrong-driver.ts';
import { gspFailure } from './gsp-failure.ts';

/** The driver cannot be asked at all: not loaded, library absent, versions apart, or anything else. */
export const driverState = rule(
  'driver-state',
  {
    driver: { tells: ['initialized', 'count', 'library'] },
    host: { tells: ['pciDevices', 'moduleVersion'] },
  },
  facts => {
    const { library, initialized } = facts.driver;
    if (facts.driver.unresponsive) return [];
    const wrong = wrongDriver(facts);
    if (wrong && facts.driver.gpus.length === 0) return [wrong];
    if (initialized.ok) return noGpu(facts);
    const gpus = known(facts.host.pciDevices)?.filter(device => device.kind === 'gpu').length;
    if (initialized.reason === 'lib_rm_version_mismatch') return [versionMismatch(facts)];
    // A library that was not got for another reason than that it is not there says nothing of the driver.
    if (!library.ok && library.reason !== 'library_not_found') {
      return [notAsked(facts, library.reason)];
    }
    if (!library.ok || initialized.reason === 'driver_not_loaded') return [notLoaded(facts, gpus)];
    if (OURS.includes(initialized.reason)) return [notAsked(facts, initialized.reason)];
    return [
      nodeClue('driver-not-usable', {
        severity: 'critical',
        component: 'driver',
        title: `NVML does not start: ${initialized.reason}`,
        action: 'reboot_node',
        advice:
          'Read the NVRM lines of the kernel log for the reason; without one, drain and reboot the node.',
        blame: 'driver',
        confidence: 'medium',
        evidence: [nvmlEvidence(facts, `nvmlInit_v2 returned ${why(initialized)}`, 'nvidia-smi')],
        wouldChange: 'A line of the kernel log that says why the driver does not start.',
      }),
    ];
  },
);

/** Reasons that are about who asks, and say nothing of the driver. */
const OURS: readonly MissingReason[] = [
  'no_permission',
  'crashed',
  'memory',
  'insufficient_resources',
  'in_use',
];

const notAsked = (facts: NodeFacts, reason: MissingReason): Clue =>
  nodeClue('driver-not-asked', {
    severity: 'info',
    component: 'driver',
    title: `NVML could not be asked: ${reason}`,
    action: 'watch',
    advice:
      reason === 'no_permission'
        ? 'Ask again as root, or from a privileged pod: this user may not open the devices.'
        : 'Run nvidia-smi on the node: where it fails as well, read the NVRM lines of the kernel log.',
    blame: 'unknown',
    confidence: 'low',
    evidence: [nvmlEvidence(facts, `nvmlInit_v2: ${why(facts.driver.initialized)}`, 'nvidia-smi')],
  });

/** The driver runs and has no GPU, and no layer shows one: nothing else would ever say so. */
function noGpu(facts: NodeFacts): readonly Clue[] {
  const { count, gpus } = facts.driver;
  const none = known(count) === 0 && gpus.length === 0;
  if (!none || !facts.host.pciDevices.ok || gpusOnBus(facts).length > 0) return [];
  return [
    nodeClue('no-gpu', {
      severity: 'warning',
      component: 'gpu',
      title: 'The driver is loaded, but neither it nor the PCI bus shows a GPU',
      action: 'fix_configuration',
      advice: NO_GPU,
      blame: 'unknown',
      confidence: 'high',
      evidence: [
        nvmlEvidence(facts, 'NVML counts 0 GPUs', 'nvidia-smi -L'),
        {
          what: '0 GPUs on the PCI bus',
          source: '/sys/bus/pci/devices',
          command: 'lspci -d 10de:',
        },
      ],
      wouldChange: 'A node that is not meant to have GPUs.',
    }),
  ];
}

const NO_GPU =
  'Check that this is a GPU node; if it should have GPUs, power-cycle it and look at the firmware.';

const why = (reading: Reading<unknown>): string =>
  reading.ok
    ? 'success'
    : `${reading.reason}${reading.detail ? ` (${briefly(reading.detail)})` : ''}`;

/** A list of places is long: the first ones and the number say it. */
function briefly(detail: string): string {
  const [first = '', second = '', ...others] = detail.split(', ');
  return others.length > 1 ? `${first}, ${second} and ${others.length} more places` : detail;
}

function notLoaded(facts: NodeFacts, gpus: number | undefined): Clue {
  const { library, initialized } = facts.driver;
  const { moduleVersion } = facts.host;
  const bound = [
    ...new Set(
      (known(facts.host.pciDevices) ?? [])
        .filter(device => device.kind === 'gpu')
        .map(device => device.driver ?? 'no driver'),
    ),
  ];
  const onBus =
    gpus === undefined ? 'The PCI bus could not be read' : `${gpus} GPUs on the PCI bus`;
  return nodeClue('driver-not-loaded', {
    // With the module loaded, the library may only lie where we do not look.
    severity: gpus === 0 || moduleVersion.ok ? 'warning' : 'critical',
    component: 'driver',
    title:
      gpus === 0
        ? 'No NVIDIA GPU on the PCI bus and no driver'
        : moduleVersion.ok
          ? 'The NVIDIA kernel module is loaded, but its library was not found'
          : 'The NVIDIA driver is not loaded',
    action: 'fix_configuration',
    advice:
      gpus === 0
        ? NO_GPU
        : 'Install or start the driver (driver package, driver DaemonSet); look for nouveau or vfio-pci holding the GPUs.',
    blame: gpus === 0 ? 'unknown' : 'configuration',
    confidence: gpus === undefined ? 'low' : moduleVersion.ok ? 'medium' : 'high',
    evidence: [
      { what: onBus, source: '/sys/bus/pci/devices', command: 'lspci -d 10de:' },
      ...(bound.length > 0
        ? [
            {
              what: `bound to: ${bound.join(', ')}`,
              source: '/sys/bus/pci/devices/*/driver',
              command: 'lspci -k -d 10de:',
            },
          ]
        : []),
      {
        what: moduleVersion.ok
          ? `kernel module ${moduleVersion.value}`
          : `kernel module: ${moduleVersion.reason}`,
        source: '/proc/driver/nvidia/version',
        command: 'cat /proc/driver/nvidia/version',
      },
      nvmlEvidence(
        facts,
        library.ok ? `nvmlInit_v2: ${why(initialized)}` : `libnvidia-ml.so.1: ${why(library)}`,
        'nvidia-smi',
      ),
    ],
    counterEvidence: moduleVersion.ok ? ['the kernel module is loaded'] : [],
    wouldChange: moduleVersion.ok
      ? 'A library in an unusual place: --driver-root names the root of the driver.'
      : 'A node on which the driver is only loaded with the first job, or that needs none.',
  });
}

function versionMismatch(facts: NodeFacts): Clue {
  const module = known(facts.host.moduleVersion);
  const library = known(facts.driver.library);
  return nodeClue('driver-version-mismatch', {
    cause: 'node-versions',
    severity: 'critical',
    component: 'driver',
    title: 'Driver library and kernel module are of different versions',
    action: 'reboot_node',
    advice:
      'A driver upgrade replaced the library while the old module runs: drain the node, then reload the module or reboot.',
    blame: 'configuration',
    confidence: 'high',
    evidence: [
      nvmlEvidence(facts, 'nvmlInit_v2 returned lib_rm_version_mismatch (18)', 'nvidia-smi'),
      {
        what: `loaded module ${module ?? 'unknown'}, library ${library ?? 'unknown'}`,
        source: '/proc/driver/nvidia/version',
        command: 'cat /proc/driver/nvidia/version; ls -l /usr/lib/*/libnvidia-ml.so*',
      },
    ],
    wouldChange: 'Only a container with libraries of its own: the host itself then works.',
  });
}

/** NVML did not answer within its deadline: a wedged driver blocks every tool that asks it. */
export const driverUnresponsive = rule(
  'driver-unresponsive',
  {
    findings: [gspFailure],
    gpu: { tells: ['handle'] },
    host: { tells: ['blockedTasks', 'blockedTasks.waitsIn'] },
  },
  facts => {
    const hung = facts.driver.unresponsive;
    if (!hung) return [];
    const blocked = known(facts.host.blockedTasks) ?? [];
    const where = hung.gpu === undefined ? '' : ` on GPU ${hung.gpu}`;
    const hungGpu = facts.driver.gpus.find(({ index }) => index === hung.gpu);
    // One GPU whose system processor does not answer (XID 119) makes every call on the node wait.
    const failed = gspFailure(facts);
    const gpu = hungGpu ? gpuRef(hungGpu) : failed.length === 1 ? failed[0]?.gpu : undefined;
    // Opening NVML or a GPU takes seconds where the driver has to start it; nothing else does.
    const opens = /^nvml(?:Init|DeviceGetHandleBy)/.test(hung.call);
    const starting =
      opens && facts.host.blockedTasks.ok && blocked.length === 0 && failed.length === 0;
    const answered = facts.driver.gpus.filter(gpu => gpu.handle.ok).length;
    return [
      {
        ...nodeClue('driver-unresponsive', {
          severity: starting ? 'warning' : 'critical',
          component: 'driver',
          title: `The driver does not answer: ${hung.call}${where} was given up`,
          action: starting ? 'watch' : 'reboot_node',
          advice: starting
            ? 'Ask again in a minute: where nobody holds the GPUs open (no persistence), the driver starts each of them first. If it hangs again, drain the node and reboot it.'
            : 'Drain the node and reboot it; nvidia-smi will hang as well. Processes in state D cannot be killed.',
          blame: 'driver',
          confidence: starting ? 'low' : blocked.length > 0 ? 'high' : 'medium',
          evidence: [
            nvmlEvidence(
              facts,
              `no answer within ${hung.waitedMs} ms`,
              'timeout 10 nvidia-smi; echo $?',
            ),
            ...blocked.slice(0, 4).map(task => ({
              what: `task ${task.pid} (${plainText(task.name, 16)}) is blocked in ${
                task.waitsIn.ok ? plainText(task.waitsIn.value, 64) : 'the kernel'
              }`,
              source: `/proc/${task.pid}`,
              command: shell`cat /proc/${task.pid}/stack /proc/${task.pid}/wchan`,
            })),
          ],
          counterEvidence: [
            ...(answered > 0 ? [`${answered} GPUs answered before the call hung`] : []),
            ...(starting
              ? ['no task is blocked in the driver, and the kernel log names no cause']
              : []),
          ],
          wouldChange: 'An answer to the same question a minute later.',
        }),
        ...(gpu ? { gpu, cause: 'firmware' as const } : {}),
      },
    ];
  },
);

/** How containers get their GPUs: a specification from before an upgrade, and devices that get lost. */
export const containerToolkit = rule(
  'container-toolkit',
  {
    host: {
      decides: ['moduleVersion', 'containerToolkit.cdiSpecs'],
      tells: ['containerToolkit.runtimes', 'driverFiles.charLinks'],
    },
  },
  facts => [...staleCdi(facts), ...lostAfterReload(facts)],
);

function staleCdi(facts: NodeFacts): readonly Clue[] {
  const loaded = known(facts.host.moduleVersion);
  if (loaded === undefined) return [];
  const specs = known(facts.host.containerToolkit.cdiSpecs) ?? [];
  const isFresh = ({ driverVersions }: CdiSpec) => driverVersions.includes(loaded);
  // Of two specifications of one kind the newer directory wins.
  const fresh = new Set(specs.filter(isFresh).map(({ kind }) => kind));
  const stale = specs.filter(
    ({ kind, driverVersions }) => driverVersions.length > 0 && !fresh.has(kind),
  );
  const [first] = stale;
  if (!first) return [];
  return [
    nodeClue('cdi-stale', {
      severity: 'warning',
      component: 'configuration',
      title: `The CDI specification is of driver ${plainText(first.driverVersions.join(', '), 64)}, loaded is ${plainText(loaded, 32)}`,
      action: 'fix_configuration',
      advice:
        'Write it anew (nvidia-ctk cdi generate, or restart the toolkit): containers that use it do not start, or start with the wrong libraries.',
      blame: 'configuration',
      confidence: 'high',
      evidence: stale.slice(0, 4).map(({ path, driverVersions }) => ({
        what: `names libraries of ${plainText(driverVersions.join(', '), 64)}`,
        source: plainText(path, 128),
        command: shell`grep -o 'libnvidia-ml.so[0-9.]*' ${path}`,
      })),
    }),
  ];
}

/** NVIDIA/nvidia-container-toolkit issue 48: `systemctl daemon-reload` takes the devices away. */
function lostAfterReload(facts: NodeFacts): readonly Clue[] {
  const links = known(facts.host.driverFiles.charLinks);
  const runtimes = known(facts.host.containerToolkit.runtimes) ?? [];
  const bySystemd = runtimes.filter(
    ({ systemdCgroup, nvidiaHandler, cdiEnabled }) => systemdCgroup && nvidiaHandler && !cdiEnabled,
  );
  const [first] = bySystemd;
  if (links !== false || !first) return [];
  return [
    nodeClue('devices-lost-on-reload', {
      severity: 'info',
      component: 'configuration',
      title: 'Containers will lose their GPUs at the next systemctl daemon-reload',
      action: 'watch',
      advice:
        'Create the links in /dev/char (nvidia-ctk system create-dev-char-symlinks --create-all) or use CDI.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [
        {
          what: 'systemd cgroups, no CDI, and no links of NVIDIA devices in /dev/char',
          source: plainText(first.path, 128),
          command: 'ls -l /dev/char | grep nvidia',
        },
      ],
    }),
  ];
}
