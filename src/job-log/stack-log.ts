import { optional } from '../contract/optional.ts';
import type { STACK_CAUSES, StackLog } from '../contract/stack-log.ts';
import { plainText } from '../contract/untrusted.ts';
import { stamped } from './log-lines.ts';

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
    /could not insert '?nvidia\S*: (?:Key was rejected|Required key not available|Operation not permitted)/,
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
    /failed to update the dnf metadata cache|Temporary failure (?:in name resolution|resolving)/,
  ],
  [
    'network',
    /Could not resolve host|Failed to download metadata for repo|certificate verify failed/,
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
  ['compiler', /The kernel was built (?:by|with):? gcc .* but the current compiler/],
  ['module-load', /could not insert '?nvidia/],
  ['module-load', /Unable to load the kernel module '?nvidia/],
  ['build', /Failed to (?:make|build) (?:module|the kernel module|the NVIDIA kernel module)/i],
  [
    'build',
    /make(?:\[\d+\])?: \*\*\* .*(?:Error \d+|Stop\.)|An error occurred while performing the step: "Building kernel modules"/,
  ],
  ['build', /no NVIDIA driver generated|Failed to find NVIDIA driver source, exiting/],
  // NVIDIA/k8s-device-plugin#302, #856, #1469: its runtime gives it no driver.
  ['no-driver', /could not load NVML library|nvml init failed: ERROR_LIBRARY_NOT_FOUND/i],
  ['no-driver', /invalid device discovery strategy|Incompatible (?:platform|strategy) detected/i],
  [
    'no-driver',
    /failed to locate (?:driver libraries|nvidia-smi)|libnvidia-ml\.so\.1: cannot open/,
  ],
];

/** What of these comes of what was told before it: a driver that does not build says so last. */
const COMES_OF: Readonly<Partial<Record<Cause, readonly Cause[]>>> = {
  build: ['disk-full', 'headers', 'compiler'],
  'module-load': ['signature', 'nouveau'],
  // apt-get goes on with the lists that it has.
  headers: ['network', 'disk-full'],
};
/** apt-get has reached its repositories. */
const REACHED = /^(?:Get:\d+ |Fetched \d)/;

interface LogLine {
  readonly at: string | undefined;
  readonly said: string;
}

/** The last known cause of the run, or what it came of: an earlier one was got over. */
function causeIn(lines: readonly LogLine[]) {
  let found: { readonly cause: Cause; readonly line: LogLine } | undefined;
  let isReached = false;
  for (const line of lines.toReversed()) {
    const [cause] = TEXTS.find(([, text]) => text.test(line.said)) ?? [];
    isReached ||= REACHED.test(line.said);
    if (cause === undefined || (cause === 'network' && found && isReached)) continue;
    if (!found || COMES_OF[found.cause]?.includes(cause)) found = { cause, line };
  }
  return found;
}

/** A line that says of itself that something went wrong. */
const ERROR = /\b(?:error|fatal|failed|failure|cannot|could not|unable|denied|panic)\b/i;
const TEXT_CHARACTERS_MAX = 200;

interface Given {
  readonly container: string;
  readonly previous: boolean;
  /** Lines as Kubernetes gives them with their timestamps. */
  readonly text: string;
  readonly requests: number;
  readonly bytes: number;
  readonly newestUnread?: true;
}

/** What the log of a container of the GPU stack says of why it goes no further. Pure. */
export function readStackLog({ container, text, ...read }: Given): StackLog {
  const lines = text.split('\n').map(linesIn);
  const all = lines.flat();
  const { cause, line } = causeIn(all) ?? {};
  const told = line ?? all.findLast(({ said }) => ERROR.test(said)) ?? all.at(-1);
  return {
    ...{
      container: plainText(container, 64),
      ...read,
      lines: lines.filter(each => each.length > 0).length,
    },
    ...optional({ cause, at: told?.at }),
    text: told?.said ?? '',
  };
}

/** What a terminal would have drawn over each other, as of a progress bar, is a line each. */
function linesIn(line: string): LogLine[] {
  const { at, said } = stamped(line);
  return said.split('\r').flatMap(piece => {
    const words = plainText(piece.trim(), TEXT_CHARACTERS_MAX);
    return words === '' ? [] : [{ at, said: words }];
  });
}
