import type { StackPod } from '../contract/cluster-view.ts';
import { optional } from '../contract/optional.ts';
import type { STACK_CAUSES, StackLog } from '../contract/stack-log.ts';
import { plainText } from '../contract/untrusted.ts';
import { stamped } from './log-lines.ts';
import { withoutSecrets } from './secrets.ts';

type Cause = (typeof STACK_CAUSES)[number];

/**
 * What programs of the GPU stack print where they cannot go on, of one line the surest first. Sources: NVIDIA/gpu-driver-container (ubuntu22.04/nvidia-driver,
 * rhel9/nvidia-driver), NVIDIA/k8s-driver-manager (cmd/driver-manager), NVIDIA/gpu-operator
 * (cmd/nvidia-validator/main.go), NVIDIA/nvidia-installer, kmod's modprobe with the words of errno(3),
 * and NVIDIA/open-gpu-kernel-modules (conftest.sh); threads where a text is not theirs.
 */
const TEXTS: readonly (readonly [cause: Cause, text: RegExp])[] = [
  ['disk-full', /No space left on device|You don't have enough free space/],
  // Kernel, kernel/module/signing.c: EKEYREJECTED and ENOKEY; with lockdown EPERM.
  [
    'signature',
    /could not insert '?nvidia\S{0,64}: (?:Key was rejected|Required key not available|Operation not permitted)/,
  ],
  ['signature', /Loading of (?:unsigned module|module with unavailable key) is rejected/],
  ['nouveau', /Nouveau kernel driver is currently in use|failed to unload nouveau driver/],
  ['in-use', /Could not unload NVIDIA driver kernel modules, driver is in use/],
  ['in-use', /Cleanup could not automatically proceed on node/],
  [
    'in-use',
    /cannot proceed until all GPU pods are drained|pod\(s\) still hold GPU resource claims/,
  ],
  ['in-use', /Failed to uninstall nvidia driver components|failed to drain node/],
  ['in-use', /An instance of the NVIDIA driver is already running, aborting/],
  ['pre-installed', /driver is pre-installed on host/],
  // apt-get and dnf in words of their own, of which the scripts' line is the last.
  ['network', /Failed to update package cache|failed to reach RHEL package repositories/],
  [
    'network',
    /failed to update the dnf metadata cache|Failed to download metadata for repo|Temporary failure resolving '/,
  ],
  ['headers', /Could not (?:resolve Linux kernel version|locate Linux kernel version string)/],
  [
    'headers',
    /Unable to resolve RHEL version from kernel version|RHEL entitlement may be improperly deployed/,
  ],
  [
    'headers',
    /Unable to (?:locate package|find a match:) (?:linux-headers|linux-image|linux-modules|kernel-)/,
  ],
  ['headers', /Unable to find the kernel source tree for the currently running kernel/],
  // NVIDIA/gpu-operator#564: the kernel's own flags, which an older compiler does not know.
  ['compiler', /Compiler version check failed|unrecognized command[- ]line option/],
  ['compiler', /The kernel was built (?:by|with):? gcc .{0,200} but the current compiler/],
  // The same script's reload_nvidia_peermem, and the installers of nvidia-fs and GDRCopy.
  ['peermem-load', /could not insert '?nvidia[_-]peermem|failed to load nvidia-peermem module/],
  ['helper-load', /could not insert (?:module )?'?(?:nvidia[_-]fs|gdrdrv)/],
  ['module-load', /could not insert '?nvidia/],
  ['module-load', /Unable to load the kernel module '?nvidia/],
  ['build', /Failed to (?:make|build) (?:module|the kernel module|the NVIDIA kernel module)/i],
  [
    'build',
    /make(?:\[\d{1,4}\])?: \*\*\* .{0,400}(?:Error \d{1,4}|Stop\.)|An error occurred while performing the step: "Building kernel modules"/,
  ],
  ['build', /no NVIDIA driver generated|Failed to find NVIDIA driver source, exiting/],
  // NVIDIA/nvidia-container-toolkit, cmd/nvidia-ctk-installer: the set-up of each runtime, and its signal.
  [
    'runtime-restart',
    /unable to restart (?:containerd|crio|docker)\b|error restarting \S{1,40} using systemd|Max retries reached \d{1,3}\/\d{1,3}, aborting/,
  ],
  // Mellanox/network-operator-init-container, cmd/network-operator-init-container/app/app.go.
  ['network-in-use', /blocking MOFED (?:driver reload|module unload)/],
  // nvidia-smi, as validations run it; NVML of a container whose devices are gone.
  ['version-mismatch', /Driver\/library version mismatch/],
  ['gpus-lost', /(?:initialize NVML|nvml\.Init|nvml init failed).{0,80}\bUnknown Error/i],
  // cudaErrorSystemNotReady of CUDA's sample, which cuda-validation runs.
  ['not-initialized', /system not yet initialized/i],
  // kubernetes-sigs/dra-driver-nvidia-gpu, hack/kubelet-plugin-prestart.sh.
  ['driver-root', /Has the NVIDIA GPU driver been set up\?/],
  // NVIDIA/k8s-device-plugin, cmd/config-manager, api/config/v1, cmd/mps-control-daemon and cmd/nvidia-device-plugin.
  [
    'configuration',
    /specified config \S{1,260} does not exist|no configuration files available|no config was set, no default was provided/,
  ],
  [
    'configuration',
    /unable to (?:load|finalize|validate|parse) (?:config|flags)|invalid MPS configuration|unknown MIG strategy|using (?:MPS requires|--mig-strategy=mixed is not)/,
  ],
  ['mps', /error (?:waiting for|checking) MPS daemon|Failed to start MPS daemon/],
  // NVIDIA/gpu-operator, cmd/nvidia-validator/main.go.
  [
    'none-registered',
    /GPU resources are not (?:yet )?discovered by the node|unable to find any allocatable GPU resource/,
  ],
  // NVIDIA/dcgm-exporter, internal/pkg/dcgmprovider/dcgm.go, and go-dcgm's error of before.
  ['host-engine', /Failed to connect to remote hostengine|connecting to nv-hostengine/i],
  // Go's net and errno(3): an exporter's port, and that of IMEX.
  ['address-in-use', /\b(?:bind|listen)\b.{0,160}address already in use/i],
  // NVIDIA/k8s-device-plugin#302, #856, #1469: its runtime gives it no driver.
  ['no-driver', /could not load NVML library|nvml init failed: ERROR_LIBRARY_NOT_FOUND/i],
  ['no-driver', /invalid device discovery strategy|Incompatible (?:platform|strategy) detected/i],
  [
    'no-driver',
    /failed to locate (?:driver libraries|nvidia-smi)|libnvidia-ml\.so\.1: cannot open/,
  ],
];

/**
 * NVIDIA/mig-parted, cmd/nvidia-mig-parted (apply, util.GetSelectedMigConfig), with what nvidia-smi says that it calls
 * to reset GPUs: NVIDIA/gpu-operator, threads.
 */
const OF_MIG: readonly (readonly [cause: Cause, text: RegExp])[] = [
  ['mig-in-use', /In use by another client|Please first kill all processes using this device/],
  ['mig-profile', /selected mig-config not present/],
  ['mig-reset', /error resetting all GPUs|Resetting GPU \S{1,32} is not supported/i],
];

/** It goes on after each try, and what hindered an earlier one is over: mig-parted, cmd/nvidia-mig-manager/main.go. */
const NEW_TRY = /Updating to MIG config: /;

/** Words of any program: where a driver is installed, of what fetches its packages. */
const FETCHES: readonly (readonly [cause: Cause, text: RegExp])[] = [
  [
    'network',
    /Could not resolve host|Temporary failure in name resolution|certificate verify failed/,
  ],
];

/** What of these comes of what was told before it: a driver that does not build says so last. */
const COMES_OF: Readonly<Partial<Record<Cause, readonly Cause[]>>> = {
  build: ['disk-full', 'headers', 'compiler'],
  'module-load': ['signature', 'nouveau'],
  // apt-get goes on with the lists that it has.
  headers: ['network', 'disk-full'],
  'mig-reset': ['mig-in-use'],
};
/** apt-get has reached its repositories. */
const REACHED = /^(?:Get:\d+ |Fetched \d)/;

interface LogLine {
  readonly at: string | undefined;
  readonly said: string;
}
/** A line with what of it tells. */
interface Telling {
  readonly line: LogLine;
  readonly told: RegExpExecArray | null;
}

/** The last known cause of the run, or what it came of: an earlier one was got over. */
function causeIn(lines: readonly LogLine[], texts: typeof TEXTS) {
  let found: ({ readonly cause: Cause } & Telling) | undefined;
  let isReached = false;
  for (const line of lines.toReversed()) {
    const [cause, text] = texts.find(([, own]) => own.test(line.said)) ?? [];
    isReached ||= REACHED.test(line.said);
    if (!cause || !text || (cause === 'network' && found && isReached)) continue;
    if (!found || COMES_OF[found.cause]?.includes(cause)) {
      found = { cause, line, told: text.exec(line.said) };
    }
  }
  return found;
}

/** A line that says of itself that something went wrong. */
const ERROR = /\b(?:error|fatal|failed|failure|cannot|could not|unable|denied|panic)\b/i;
const TEXT_CHARACTERS_MAX = 200;
/** What of a longer line is quoted of what stands before the words that tell. */
const BEFORE_CHARACTERS_MAX = 60;

interface Given {
  readonly part: StackPod['part'];
  readonly container: string;
  readonly init: boolean;
  readonly previous: boolean;
  /** Lines as Kubernetes gives them with their timestamps. */
  readonly text: string;
  readonly requests: number;
  readonly bytes: number;
  readonly newestUnread?: true;
}

/** What the log of a container of the GPU stack says of why it goes no further. Pure. */
export function readStackLog({ part, container, init, text, ...read }: Given): StackLog {
  const lines = text.split('\n').map(linesIn);
  const whole = lines.flat();
  const begun = part === 'MIG manager' ? whole.findLastIndex(({ said }) => NEW_TRY.test(said)) : -1;
  const all = whole.slice(Math.max(0, begun));
  const installs = !init && (part === 'driver' || part === 'network operator');
  const own = part === 'MIG manager' ? OF_MIG : installs ? FETCHES : [];
  const found = causeIn(all, [...TEXTS, ...own]);
  const telling = found ?? lastWord(all);
  return {
    ...{
      container: plainText(container, 64),
      ...read,
      lines: lines.filter(each => each.length > 0).length,
    },
    ...optional({ cause: found?.cause, at: telling?.line.at }),
    text: telling ? quoteOf(telling) : '',
  };
}

/** Its last error, else its last line. */
function lastWord(lines: readonly LogLine[]): Telling | undefined {
  const line = lines.findLast(each => ERROR.test(each.said)) ?? lines.at(-1);
  return line && { line, told: ERROR.exec(line.said) };
}

/** A line, of a long one what stands about the words that tell. */
function quoteOf({ line: { said }, told }: Telling): string {
  const at = told?.index ?? 0;
  const from = said.length <= TEXT_CHARACTERS_MAX ? 0 : Math.max(0, at - BEFORE_CHARACTERS_MAX);
  // At the begin of a word, where there is one.
  const begin = from === 0 ? 0 : from + said.slice(from, at).search(/\s|$/);
  return plainText(`${begin > 0 ? '…' : ''}${said.slice(begin)}`, TEXT_CHARACTERS_MAX);
}

/** What a terminal would have drawn over each other, as of a progress bar, is a line each. */
function linesIn(line: string): LogLine[] {
  const { at, said } = stamped(line);
  return said.split('\r').flatMap(piece => {
    // Before anything is cut off it: the name of a secret may be what is cut.
    const open = withoutSecrets(piece.trim());
    const words = plainText(open, open.length);
    return words === '' ? [] : [{ at, said: words }];
  });
}
