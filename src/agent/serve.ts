import type { Readable, Writable } from 'node:stream';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CAPTURE_TOOL } from '../contract/capture-tool.ts';
import { UsageError } from '../contract/errors.ts';
import { type FirstQuestion, firstQuestionIn } from '../contract/first-question.ts';
import { REDACTION_KEY } from '../contract/labels.ts';
import {
  AGENT_FIRST_BYTE_MS_MAX,
  AGENT_IDLE_MS_MAX,
  ANSWER_BYTES_MAX,
  CLIENT_LINE_BYTES_MAX,
  READING_TOLD_MS,
} from '../contract/limits.ts';
import type { KernelClock } from '../kernel-log/source.ts';
import { ClockRequest } from '../mcp/clock.ts';
import { sentFacts } from '../mcp/results.ts';
import { StreamTransport } from '../mcp/stream-transport.ts';
import type { NvmlProcess } from '../nvml/child/hosted.ts';
import type { Timers } from '../nvml/child/waiting.ts';
import type { Reached } from '../nvml/port.ts';
import { CONTAINERS_TOOL } from '../tools/container-view.ts';
import { GLANCE_TOOL } from '../tools/glance.ts';
import { TOOLS } from '../tools/index.ts';
import { provenanceOf } from '../tools/instruments.ts';
import { listed } from '../tools/listing.ts';
import { PACE_TOOL } from '../tools/pace.ts';
import { plural } from '../tools/support/wording.ts';
import type { AgentArguments } from './agent-arguments.ts';
import { type AgentInstruments, instrumentsOf } from './open-instruments.ts';
import { readAhead } from './read-ahead.ts';
import { keepingReadings } from './read-lately.ts';
import { createToolServer } from './tool-server.ts';

export interface ServeOptions {
  readonly arguments: AgentArguments;
  readonly input: Readable;
  readonly output: Writable;
  readonly clock: KernelClock;
  /** Starts a process that hosts NVML, or gives the one that loads already. */
  readonly spawnChild: () => NvmlProcess;
  /** What the driver's deadlines run on; absent: the machine's own. */
  readonly timers?: Timers;
  /** Ends it as the input's end does: a kubelet that removes the pod. */
  readonly stop?: AbortSignal;
  /** Without a byte from the bridge for this long the agent ends itself; the same before the first. */
  readonly idleMsMax?: number;
  readonly firstByteMsMax?: number;
}

/**
 * Serves MCP until the stream ends or falls silent: nobody attached in time, a laptop that sleeps,
 * a network that drops packets. The bridge pings far more often than that. True when no process of it
 * is left in the driver.
 */
export async function serveAgent(options: ServeOptions): Promise<boolean> {
  const { input, output, idleMsMax = AGENT_IDLE_MS_MAX } = options;
  const { firstByteMsMax = AGENT_FIRST_BYTE_MS_MAX, stop } = options;
  const { lifeSeconds } = options.arguments;
  const redacts = options.arguments.redactNames !== undefined;
  const key = redacts ? await redactionKey(input, firstByteMsMax) : undefined;
  // Without the key nothing is read that could leave.
  if (redacts && key === undefined) return true;
  const instruments = await instrumentsOf(options, key);
  // Nobody starts an agent without a question: its child loads beside it.
  instruments.nvml.warm();
  const { firstQuestion = '' } = options.arguments;
  const server = createAgentServer(instruments, firstQuestionIn(firstQuestion));
  const over = new Promise<void>(resolve => {
    server.onclose = resolve;
    if (stop?.aborted) resolve();
    stop?.addEventListener('abort', () => resolve(), { once: true });
    const unheard = setTimeout(resolve, firstByteMsMax);
    if (lifeSeconds !== undefined) setTimeout(resolve, lifeSeconds * 1_000).unref();
    input.once('data', () => {
      clearTimeout(unheard);
      const idle = setTimeout(resolve, idleMsMax);
      input.on('data', () => idle.refresh());
    });
  });
  await server.connect(new StreamTransport(input, output, { lineBytesMax: CLIENT_LINE_BYTES_MAX }));
  // Reading the key has stopped it.
  input.resume();
  await over;
  return instruments.nvml.close();
}

const KEY_BYTES_MAX = 64;

/** The first line, and nothing behind it; undefined where that is no key, or does not come in time. */
function redactionKey(input: Readable, msMax: number): Promise<string | undefined> {
  return new Promise(resolve => {
    let seen = Buffer.alloc(0);
    const settle = (key: string | undefined) => {
      clearTimeout(late);
      input.pause().off('data', hear).off('end', end);
      resolve(key);
    };
    const end = () => settle(undefined);
    const hear = (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
      const length = seen.indexOf('\n');
      if (length === -1 && seen.length <= KEY_BYTES_MAX) return;
      const line = seen.subarray(0, Math.max(length, 0)).toString('utf8');
      settle(REDACTION_KEY.test(line) ? line : undefined);
      if (length + 1 < seen.length) input.unshift(seen.subarray(length + 1));
    };
    const late = setTimeout(end, msMax);
    input.on('data', hear).once('end', end);
  });
}

/** What no client lists: one half asks the other. */
const APART = [CAPTURE_TOOL, GLANCE_TOOL, PACE_TOOL, CONTAINERS_TOOL];

/** The agent's MCP server: every tool, answered from this node's instruments. Unconnected. */
export function createAgentServer(given: AgentInstruments, firstQuestion?: FirstQuestion): Server {
  const instruments = keepingReadings(given);
  const startedMs = instruments.clock.nowMs();
  let ahead = firstQuestion && readAhead(firstQuestion, instruments);
  const capture = loadedOnce(() =>
    import('./capture-node.ts').then(({ captureAnswers }) => captureAnswers(instruments)),
  );
  const glance = loadedOnce(() =>
    import('./glance-node.ts').then(({ glances }) => glances(instruments, startedMs)),
  );
  const server = createToolServer({
    name: 'gpu-mcp-agent',
    instructions: 'Reads one GPU node. Spoken to by kubectl gpu-mcp.',
    tools: async () => TOOLS.map(listed),
    names: async () => [...TOOLS.map(({ name }) => name), ...APART],
    async call({ tool: name, input, signal, progress }) {
      if (name === CAPTURE_TOOL) return (await capture())(input, signal, progress);
      if (name === GLANCE_TOOL) {
        const facts = await tellingReading((await glance())(signal), instruments, progress);
        return sentFacts(facts, provenanceOf(instruments));
      }
      if (name === CONTAINERS_TOOL) {
        const { viewedContainers } = await import('./view-containers.ts');
        const found = await viewedContainers(instruments, input, signal);
        return sentFacts(found, provenanceOf(instruments));
      }
      if (name === PACE_TOOL) {
        const { paceNode } = await import('./pace-node.ts');
        return sentFacts(await paceNode(instruments, signal), provenanceOf(instruments));
      }
      const tool = TOOLS.find(other => other.name === name);
      if (!tool) throw new UsageError(`there is no tool "${name}"`);
      const read = ahead?.take({ tool: name, input }, signal, progress);
      ahead = undefined;
      const observed = read ?? tool.question(input).observe({ ...instruments, progress }, signal);
      const facts = await tellingReading(observed, instruments, progress);
      const bytes = Buffer.byteLength(JSON.stringify(facts));
      if (bytes > ANSWER_BYTES_MAX) {
        throw new UsageError(
          `the answer of "${name}" would be ${Math.ceil(bytes / 1024)} KiB, more than a client takes`,
          'ask for less: one gpu, a shorter time, a smaller limit',
        );
      }
      return sentFacts(facts, provenanceOf(instruments));
    },
  });
  server.setRequestHandler(ClockRequest, () => ({ nowMs: instruments.clock.nowMs() }));
  return server;
}

/** Tells now and then, until there is an answer, how far the driver has been read. */
async function tellingReading<T>(
  answer: Promise<T>,
  { nvml }: AgentInstruments,
  progress: (message: string) => void,
): Promise<T> {
  const telling = setInterval(() => {
    const reached = nvml.reached?.();
    if (reached) progress(reachedWords(reached));
  }, READING_TOLD_MS);
  try {
    return await answer;
  } finally {
    clearInterval(telling);
  }
}

/** `reading 5 of 8 GPUs: nvmlDeviceGetTemperature on GPU 4`. */
function reachedWords({ gpus, call }: Reached): string {
  const at = call && `${call.name}${call.gpu === undefined ? '' : ` on GPU ${call.gpu}`}`;
  const what = gpus
    ? `reading ${Math.min(gpus.read + 1, gpus.all)} of ${plural(gpus.all, 'GPU')}`
    : 'waiting for the driver';
  return at === undefined ? what : `${what}: ${at}`;
}

/** What most sessions do without is loaded when it is first asked for. */
function loadedOnce<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () => {
    loading ??= load();
    return loading;
  };
}
