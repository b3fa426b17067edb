import { setTimeout as sleep } from 'node:timers/promises';
import { createNodeHost } from '../host/node-host.ts';
import { loadXz } from '../kernel-log/load-xz.ts';
import { createNodeKernelLog } from '../kernel-log/node-log.ts';
import { createNodePodHistory } from '../kernel-log/pod-history.ts';
import type { KernelClock } from '../kernel-log/source.ts';
import { createNvml } from '../nvml/child/driver.ts';
import type { NvmlProcess } from '../nvml/child/hosted.ts';
import { realTimers, type Timers } from '../nvml/child/waiting.ts';
import type { Instruments } from '../tools/instruments.ts';
import type { AgentArguments } from './agent-arguments.ts';

interface InstrumentOptions {
  readonly arguments: AgentArguments;
  readonly clock: KernelClock;
  readonly spawnChild: () => NvmlProcess;
  readonly timers?: Timers;
}

/** All that lasts as long as the agent: each call brings a progress of its own. */
export type AgentInstruments = Omit<Instruments, 'progress'>;

/**
 * The instruments of this node, of a machine made of data, both with NVML in a child, or of a bundle.
 * Where names may not leave, no tool gets to see one.
 */
export async function instrumentsOf(
  options: InstrumentOptions,
  redactionKey: string | undefined,
): Promise<AgentInstruments> {
  const opened = await openInstruments(options);
  const instruments = await within(options.arguments, opened);
  if (redactionKey === undefined) return instruments;
  // What makes the tokens loads OpenSSL: 6 ms and 4 MB that most sessions do without.
  const { redactedInstruments } = await import('../redaction/node.ts');
  return redactedInstruments(instruments, redactionKey);
}

/** Of what the pod itself would tell in the node's place nothing is told. */
async function within({ profile, podUid }: AgentArguments, opened: AgentInstruments) {
  switch (profile) {
    case undefined:
      return opened;
    case 'restricted':
      return (await import('./restricted.ts')).restrictedInstruments(opened);
    case 'ephemeral':
      return (await import('./ephemeral.ts')).ephemeralInstruments(opened, podUid);
  }
}

async function openInstruments(options: InstrumentOptions): Promise<AgentInstruments> {
  const { spawnChild, clock, timers = realTimers } = options;
  const { from } = options.arguments;
  if (from !== undefined) {
    const { openReplay } = await import('../bundle/replay.ts');
    return openReplay(from);
  }
  const { simulate, node, hostRoot: root, podUid, container: containerId } = options.arguments;
  const container =
    podUid === undefined || containerId === undefined ? undefined : { podUid, containerId };
  const nvml = createNvml({ spawnChild, clock, timers });
  const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal });
  const common = { nvml, clock, pause, node, simulated: undefined };
  if (simulate === undefined) {
    const host = createNodeHost({ root, container });
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
