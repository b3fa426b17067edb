import { basename, join } from 'node:path';
import { known, mapReading, present, type Reading } from '../contract/reading.ts';
import { eachOf, type NodeFiles } from './files.ts';
import type { Daemon, DaemonKind } from './port.ts';
import { readCgroupOwner } from './process-owners.ts';
import type { Task } from './process-table.ts';

const LISTED_MAX = 128;

/**
 * Programs by their comm, which the kernel cuts at 15 characters. `exe` tells apart two that are cut
 * to the same name: the base name of /proc/PID/exe has to match it too.
 */
const DAEMONS: readonly { kind: DaemonKind; comm: RegExp; exe?: RegExp }[] = [
  { kind: 'persistenced', comm: /^nvidia-persiste/ },
  { kind: 'fabric_manager', comm: /^nv-fabricmanage/ },
  { kind: 'nvlink_subnet_manager', comm: /^nvlsm/ },
  { kind: 'imex', comm: /^nvidia-imex$/ },
  { kind: 'mps_server', comm: /^nvidia-cuda-mps/, exe: /^nvidia-cuda-mps-server/ },
  { kind: 'mps_control', comm: /^nvidia-cuda-mps/ },
  { kind: 'dcgm_hostengine', comm: /^nv-hostengine/ },
  { kind: 'dcgm_exporter', comm: /^dcgm-exporter/ },
  // NVIDIA's and Google's.
  { kind: 'device_plugin', comm: /^nvidia-device-p|^nvidia_gpu$|^nvidia-gpu-devi/ },
  { kind: 'gpu_feature_discovery', comm: /^gpu-feature-dis/ },
  { kind: 'mig_manager', comm: /^nvidia-mig-mana|^nvidia-mig-part/ },
  { kind: 'dra_plugin', comm: /^gpu-kubelet-plu|^compute-domain-/ },
  { kind: 'container_toolkit', comm: /^nvidia-toolkit|^nvidia-ctk/ },
  { kind: 'node_problem_detector', comm: /^node-problem-de/ },
  { kind: 'kubelet', comm: /^(?:kubelet|k3s-server|k3s-agent|k3s|rke2|k0s|kubelite)$/ },
  { kind: 'container_runtime', comm: /^(?:containerd|crio|dockerd)$/ },
  { kind: 'time_sync', comm: /^(?:chronyd|ntpd|systemd-timesyn|ptp4l|phc2sys|timed)$/ },
];

/** Which of the programs that matter to GPUs run, each process once. */
export async function readDaemons(
  files: NodeFiles,
  tasks: Reading<readonly Task[]>,
): Promise<Reading<readonly Daemon[]>> {
  if (!tasks.ok) return tasks;
  const named = tasks.value.filter(task => DAEMONS.some(({ comm }) => comm.test(task.name)));
  return present(await eachOf(named.slice(0, LISTED_MAX), task => daemonOf(files, task)));
}

async function daemonOf(files: NodeFiles, task: Task): Promise<Daemon> {
  const { pid, path, name, state, startedAfterBootSeconds } = task;
  const exe = known(mapReading(await files.link(join(path, 'exe')), target => basename(target)));
  const row = DAEMONS.find(
    each => each.comm.test(name) && (each.exe === undefined || each.exe.test(exe ?? '')),
  );
  const { podUid } = await readCgroupOwner(files, path);
  return {
    kind: row?.kind ?? 'mps_control',
    pid,
    name,
    state,
    startedAfterBootSeconds,
    ...(podUid === undefined ? {} : { podUid }),
  };
}
