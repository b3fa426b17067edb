import { setTimeout as sleep } from 'node:timers/promises';
import { createNodeHost } from '../host/node-host.ts';
import { loadXz } from '../kernel-log/load-xz.ts';
import { createNodeKernelLog } from '../kernel-log/node-log.ts';
import { createNodePodHistory } from '../kernel-log/pod-history.ts';
import type { KernelClock } from '../kernel-log/source.ts';
import { createNvml } from '../nvml/driver.ts';
import { type ChildCommand, spawnNvmlChild } from '../nvml/hosted.ts';
import type { Instruments } from '../tools/tool.ts';
import type { AgentArguments } from './arguments.ts';

/** The instruments of this node, of a machine made of data, both with NVML in a child, or of a bundle. */
export async function instrumentsOf(options: {
  readonly arguments: AgentArguments;
  readonly clock: KernelClock;
  readonly nvmlChild: ChildCommand;
}): Promise<Omit<Instruments, 'progress'>> {
  const { clock } = options;
  const { from } = options.arguments;
  if (from !== undefined) {
    const { openReplay } = await import('../bundle/open-replay.ts');
    return openReplay(from);
  }
  const { simulate, node, hostRoot: root } = options.arguments;
  const nvml = createNvml({ spawnChild: () => spawnNvmlChild(options.nvmlChild), clock });
  const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal });
  const common = { nvml, clock, pause, node, simulated: simulate };
  if (simulate === undefined) {
    const host = createNodeHost({ root });
    return {
      ...common,
      host,
      kernelLog: createNodeKernelLog({ root, clock, loadXz }),
      podHistory: createNodePodHistory({ root, nowMs: () => clock.nowMs(), loadXz }),
    };
  }
  const { simulatedInstruments } = await import('./simulated.ts');
  return { ...common, ...simulatedInstruments(simulate, clock) };
}
