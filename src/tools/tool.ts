import * as z from 'zod';
import type { ClusterQuestion, ClusterView } from '../contract/cluster-view.ts';
import type { Clock } from '../contract/time.ts';
import { isoTime } from '../contract/time.ts';
import type { Host } from '../host/port.ts';
import type { KernelLog, PodHistory } from '../kernel-log/port.ts';
import type { DriverState, Nvml } from '../nvml/port.ts';
import type { Again } from './support/again.ts';
import type { TimedEvents } from './support/merged-order.ts';

/** What tools may use of a node. Only add what a tool uses. */
export interface Instruments {
  readonly nvml: Nvml;
  readonly host: Host;
  readonly kernelLog: KernelLog;
  readonly podHistory: PodHistory;
  readonly clock: Clock;
  /** Lets time pass between two readings. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Tells who asked that the call goes on, and what takes the time. */
  progress(message: string): void;
  /** The node's name as Kubernetes knows it; absent with `--local`. */
  readonly node: string | undefined;
  /** The machine's name when nothing here is real. */
  readonly simulated: string | undefined;
  /** Set where nothing is read any more: whose bundle it is, and the readings that were taken. */
  readonly replay?: {
    readonly node: string;
    readonly capturedAt: string;
    readonly drivers: readonly DriverState[];
    /** Counters that were read a second time, where the first reading asked for it. */
    readonly again: Again | undefined;
  };
}

/** What stands at the head of every answer; the verdict is its first key. */
export const HEAD = {
  summary: z.string(),
  node: z.string(),
  /** The machine is made of data and nothing here is real. */
  simulated: z.boolean(),
  /** ISO 8601 UTC. */
  takenAt: z.string(),
} as const;

/** A part whose keys another tool's definition lists, or that speaks for itself in the answer. */
export const unlisted = <Schema extends z.ZodType>(schema: Schema): Schema =>
  schema.meta({ listedKeys: [] });

/** Read-only, all of them: there is no tool that changes a GPU or a node. */
export const ANNOTATIONS = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
} as const;

export interface Tool<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly output: Output;
  /** Reads the node and gives the facts. Throws UsageError for input that names nothing here. */
  observe(
    input: z.output<Input>,
    instruments: Instruments,
    signal: AbortSignal,
  ): Promise<z.output<Output>>;
  /** Set where the cluster knows what the node does not. */
  readonly clusterView?: {
    question(input: z.output<Input>): AskedOfCluster;
    /** The node's answer with what the cluster knows. Pure; the agent alone answers without. */
    join(facts: z.output<Output>, view: ClusterView, input: z.output<Input>): z.output<Output>;
  };
  /** Set where answers tell what happened when: those of several nodes are put into one order. */
  readonly timed?: (facts: z.output<Output>) => TimedEvents;
  /** The same for reading: verdict first, worst first, no raw JSON. */
  text(facts: z.output<Output>): string;
}

/** What is asked of the cluster beside the node itself and its GPU pods. */
export type AskedOfCluster = Omit<ClusterQuestion, 'node'>;

/** A tool as the server holds it: input still unchecked, both forms of the answer ready. */
export interface AnyTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  answer(input: unknown, instruments: Instruments, signal: AbortSignal): Promise<Answer>;
  /** Answers without any node; only tools whose knowledge we carry have it. */
  answerHere?(input: unknown): Answer;
  /** How the cluster's view is asked for and joined to the agent's answer, on the laptop. */
  readonly clusterView?: {
    question(input: unknown): AskedOfCluster;
    join(answered: unknown, view: ClusterView, input: unknown): Answer;
  };
  /** What an answer of an agent says happened when; nothing where it is no such answer. */
  readonly timed?: (answered: unknown) => TimedEvents;
}

export interface Answer {
  readonly text: string;
  readonly structured: Record<string, unknown>;
}

/** Declares a tool; what it throws is turned into an answer by the server, in one place. */
export function defineTool<Input extends z.ZodType, Output extends z.ZodType>(
  tool: Tool<Input, Output>,
): AnyTool {
  const { name, title, description, input, output, clusterView, timed } = tool;
  const answerOf = (facts: z.output<Output>): Answer => ({
    text: tool.text(facts),
    structured: z.record(z.string(), z.unknown()).parse(facts),
  });
  return {
    name,
    title,
    description,
    input,
    output,
    async answer(raw, instruments, signal) {
      return answerOf(await tool.observe(input.parse(raw), instruments, signal));
    },
    ...(clusterView && {
      clusterView: {
        question: raw => clusterView.question(input.parse(raw)),
        join(answered, view, raw) {
          const { mark, rest } = unmarked(answered);
          const joined = clusterView.join(output.parse(rest), view, input.parse(raw));
          return answerOf(mark === '' ? joined : output.parse(marked(joined, mark)));
        },
      },
    }),
    ...(timed && {
      timed: answered => {
        const facts = output.safeParse(answered);
        return facts.success ? timed(facts.data) : { events: [], fromFirst: false };
      },
    }),
  };
}

/** Declares a tool that asks no node: what it knows, this program carries. */
export function defineLocalTool<Input extends z.ZodType, Output extends z.ZodType>(tool: {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly output: Output;
  facts(input: z.output<Input>): z.output<Output>;
  text(facts: z.output<Output>): string;
}): AnyTool & Required<Pick<AnyTool, 'answerHere'>> {
  const answerHere = (raw: unknown): Answer => {
    const facts = tool.facts(tool.input.parse(raw));
    return { text: tool.text(facts), structured: z.record(z.string(), z.unknown()).parse(facts) };
  };
  const { name, title, description, input, output } = tool;
  const answer = async (raw: unknown) => answerHere(raw);
  return { name, title, description, input, output, answer, answerHere };
}

const MARKS =
  /^(?:REPLAY of .{1,253}? captured [\dTZ:-]+: )?(?:SIMULATED machine "[^"]{1,253}": )?/;

/** What a summary says first: that it is of a replay, of a simulated machine. */
export const marksOf = (summary: string): string => MARKS.exec(summary)?.[0] ?? '';

const Summed = z.looseObject({ summary: z.string() });

/** A join may write the summary anew: what it must say first is put before it again. */
function unmarked(answered: unknown) {
  const { summary, ...others } = Summed.parse(answered);
  const mark = marksOf(summary);
  return { mark, rest: { summary: summary.slice(mark.length), ...others } };
}

function marked(facts: unknown, mark: string) {
  const { summary, ...others } = Summed.parse(facts);
  return { summary: mark + summary, ...others };
}

/** The head of an answer about this node; every text and summary of a replay or a simulation says so first. */
export function head(instruments: Instruments, hostname: string | undefined, summary: string) {
  const { simulated, replay } = instruments;
  const told = simulated === undefined ? summary : `SIMULATED machine "${simulated}": ${summary}`;
  return {
    summary: replay ? `REPLAY of ${replay.node} captured ${replay.capturedAt}: ${told}` : told,
    node: instruments.node ?? simulated ?? hostname ?? 'this machine',
    simulated: simulated !== undefined,
    takenAt: isoTime(instruments.clock.nowMs()),
  };
}
