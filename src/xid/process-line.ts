import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { note, ours } from './plain-verdict.ts';
import { type Line, line } from './verdict.ts';

/**
 * Lines that begin with or contain a process's own name: read before anything is searched in
 * them, so that a process called `NVRM: Xid (PCI:` stays a name.
 */
export function parseProcessLine(message: string): Line | undefined {
  return segfault(message) ?? outOfMemory(message) ?? stuck(message);
}

/** Libraries whose crash concerns GPU work. */
const GPU_LIBRARY =
  /^lib(?:nccl|cuda|cudart|cudnn|cublas|cufft|cusparse|cusolver|curand|nvrtc|nvinfer|nvidia|nv|torch_cuda|c10_cuda|tensorrt|nccl-net)/i;

function segfault(message: string): Line | undefined {
  const found =
    /^(.{1,16}?)\[(\d{1,7})\]: segfault at [0-9a-f]+ ip [0-9a-f]+ sp [0-9a-f]+ error ([0-9a-f]+)(?: in ([^[]{1,128})\[)?/.exec(
      message,
    );
  if (!found) return undefined;
  const [, process = '', pid, error = '', library] = found;
  const name = library?.trim() ?? null;
  if (name === null || !GPU_LIBRARY.test(name)) return undefined;
  return line({
    kind: 'segfault',
    pid: Number(pid),
    process: plainText(process, 128),
    rank: 25,
    details: { library: name, error: Number.parseInt(error, 16) },
    verdict: {
      ...note('Crash in a CUDA or NCCL library', 'A process crashed inside a library of GPU work.'),
      blame: 'application',
      advice: 'Look at the application; nothing to do for the GPU.',
    },
  });
}

function outOfMemory(message: string): Line | undefined {
  const invoked = /^(.{1,16}) invoked oom-killer: gfp_mask=/.exec(message);
  if (invoked) {
    const process = plainText(invoked[1] ?? '', 128);
    return oom({ process, pid: null, role: 'companion', details: { stage: 'invoked' } });
  }
  const chosen =
    /^oom-kill:constraint=(\w+),.*?task_memcg=([^,]*),task=(.*),pid=(\d{1,7}),uid=(\d+)/.exec(
      message,
    );
  if (chosen) {
    const [, constraint, cgroup = '', task = '', pid, uid] = chosen;
    return oom({
      process: plainText(task, 128),
      pid: Number(pid),
      details: {
        stage: 'chosen',
        constraint,
        task_memcg: cgroup,
        ...podOf(cgroup),
        uid: Number(uid),
      },
    });
  }
  const killed =
    /^(Memory cgroup out of memory|Out of memory)[^:]*: Kill(?:ed)? process (\d{1,7}) \((.*?)\)(?=[, ]|$)/.exec(
      message,
    );
  if (!killed) return undefined;
  const [, scope, pid, process = ''] = killed;
  return oom({
    process: plainText(process, 128),
    pid: Number(pid),
    details: {
      stage: 'killed',
      constraint: scope?.startsWith('Memory') ? 'CONSTRAINT_MEMCG' : 'CONSTRAINT_NONE',
    },
  });
}

/**
 * The pod and container of a cgroup path, as kubelet's cgroup drivers write it:
 * `.../kubepods-pod<uid with _>.slice/cri-containerd-<id>.scope` or `/kubepods/pod<uid>/<id>`.
 */
function podOf(cgroup: string) {
  const uid = /pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})/i.exec(cgroup)?.[1];
  const container = /([0-9a-f]{64})(?:\.scope)?$/i.exec(cgroup)?.[1];
  return {
    pod_uid: uid?.replaceAll('_', '-') ?? null,
    container_id: container ?? null,
  };
}

function oom(parts: Pick<Line, 'pid' | 'process' | 'details'> & Partial<Pick<Line, 'role'>>): Line {
  return line({
    kind: 'oom',
    rank: 42,
    ...parts,
    verdict: ours({
      action: 'restart_app',
      severity: 'warning',
      blame: 'host',
      confidence: 'high',
      title: 'Process ended for lack of host memory',
      meaning: 'The kernel ended a process because host memory, not GPU memory, ran out.',
      advice: "Raise the container's memory limit or lower what it uses, then restart it.",
      source: "the kernel's out-of-memory message",
    }),
  });
}

/** A line of a trace, `rm_ioctl+0x40/0x50 [nvidia]`, that the unwinder is sure of: no `? ` before it. */
const DRIVER_FRAME = /^ *(?:RIP: 0010:)?[\w.]+\+0x[0-9a-f]+\/0x[0-9a-f]+ \[(nvidia[\w-]*)\]/m;

/** The trace tells in whose code the process waits; its name is its own choice. */
function stuck(message: string): Line | undefined {
  const found =
    /^(?:INFO: task (.{1,16}):(\d{1,7}) blocked for more than (\d+) seconds|watchdog: BUG: soft lockup - CPU#\d+ stuck for (\d+)s! \[(.{1,16}):(\d{1,7})\])/.exec(
      message,
    );
  if (!found) return undefined;
  const [head, task, taskPid, seconds, stuckSeconds, lockedTask, lockedPid] = found;
  const module = DRIVER_FRAME.exec(message.slice(head.length))?.[1];
  return line({
    kind: task === undefined ? 'soft_lockup' : 'hung_task',
    pid: Number(taskPid ?? lockedPid),
    process: plainText(task ?? lockedTask ?? '', 128),
    role: module === undefined ? 'background' : 'event',
    rank: 24,
    details: {
      seconds: Number(seconds ?? stuckSeconds),
      ...optional({ blocked_in: module }),
    },
    verdict: ours({
      action: module === undefined ? 'watch' : 'reboot_node',
      severity: module === undefined ? 'warning' : 'critical',
      blame: module === undefined ? 'host' : 'driver',
      confidence: module === undefined ? 'low' : 'medium',
      title: 'Process stuck in the kernel',
      meaning: 'A process waits inside the kernel and cannot be ended.',
      advice:
        module === undefined
          ? 'Look at what the process waits for: storage, network or a driver.'
          : 'A GPU call hangs in the driver: drain and reboot the node if it does not end.',
    }),
  });
}
