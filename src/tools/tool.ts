import * as z from 'zod';
import {
  type Answer,
  type AnswerForms,
  linesOf,
  markOf,
  type Provenance,
  type Written,
} from '../contract/answer.ts';
import type { ClusterQuestion, ClusterView } from '../contract/cluster-view.ts';
import { UsageError } from '../contract/errors.ts';
import { optional } from '../contract/optional.ts';
import { type CommandWords, withCommands } from '../contract/printed-command.ts';
import type { Instruments } from './instruments.ts';
import type { TimedEvents } from './support/merged-order.ts';

/** Read-only, all of them: there is no tool that changes a GPU or a node. */
export const ANNOTATIONS = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
} as const;

/** A tool as both halves hold it. */
export interface AnyTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodObject;
  readonly output: z.ZodType;
  /** Whether its answers tell what happened when. */
  readonly isTimed: boolean;
  /** Whether it needs no node: what it knows, this program carries. */
  readonly isLocal: boolean;
  /**
   * One question, whose input is checked here and by nobody behind it.
   *
   * @throws UsageError that names the wrong argument and lists those there are.
   */
  question(input: unknown): Question;
}

/** A question to a tool: the agent observes, and whoever asked makes the answer of what it sent. */
export interface Question {
  readonly tool: AnyTool;
  readonly input: Readonly<Record<string, unknown>>;
  /** What the cluster is asked; absent where it knows nothing that belongs into the answer. */
  readonly ofCluster?: ClusterRequest;
  observe(instruments: Instruments, signal: AbortSignal): Promise<AnyFacts>;
  /**
   * The facts of an agent, joined with what the cluster knows, and written down.
   *
   * @throws ZodError where they are no facts of this tool.
   */
  answer(facts: unknown, beside?: Beside): ToolAnswer;
  /** The whole answer, where no node is needed. */
  answerHere?(): ToolAnswer;
}

/** What is asked of the cluster beside the node itself and its GPU pods. */
type ClusterRequest = Omit<ClusterQuestion, 'node'>;

/** The facts of an answer: what JSON can hold, and a sentence that says all of it. */
type AnyFacts = Record<string, unknown> & { readonly summary: string };

/** What an answer is made of beside the facts. */
interface Beside {
  readonly provenance?: Provenance | undefined;
  readonly view?: ClusterView | undefined;
  /** What the commands carry that it prints. */
  readonly commandWords?: CommandWords | undefined;
}

export interface ToolAnswer extends Answer {
  /** What it says happened when. */
  readonly timed?: TimedEvents;
}

interface Described<Input extends z.ZodObject, Facts> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly output: z.ZodType<Facts>;
  /** The facts for reading: verdict first, worst first, no raw JSON. */
  lines(facts: Facts): readonly Written[];
}

interface Tool<Input extends z.ZodObject, Facts> extends Described<Input, Facts> {
  /** Set where a model reads another answer than a person: by default fewer words, in full all facts. */
  readonly forModel?: (facts: Facts, input: z.output<Input>) => AnswerForms;
  /** Reads the node and gives the facts. Throws UsageError for input that names nothing here. */
  observe(input: z.output<Input>, instruments: Instruments, signal: AbortSignal): Promise<Facts>;
  /** Set where the cluster knows what the node does not. */
  readonly clusterView?: {
    question(input: z.output<Input>): ClusterRequest;
    /** The node's facts with what the cluster knows. Pure; the agent alone answers without. */
    join(facts: Facts, view: ClusterView, input: z.output<Input>): Facts;
  };
  /** Set where answers tell what happened when: those of several nodes are put into one order. */
  readonly timed?: (facts: Facts) => TimedEvents;
}

/** Declares a tool; what it throws is turned into an answer by the server, in one place. */
export function defineTool<Input extends z.ZodObject, Facts extends AnyFacts>(
  tool: Tool<Input, Facts>,
): AnyTool {
  const { clusterView, timed } = tool;
  const defined: AnyTool = {
    ...described(tool),
    isTimed: timed !== undefined,
    isLocal: false,
    question(raw) {
      const input = checkedInput(tool, raw);
      return {
        tool: defined,
        input,
        ...(clusterView && { ofCluster: clusterView.question(input) }),
        observe: (instruments, signal) => tool.observe(input, instruments, signal),
        answer(sent, { provenance = {}, view, commandWords } = {}) {
          const sentFacts = tool.output.parse(sent);
          const joined = view && clusterView ? clusterView.join(sentFacts, view, input) : sentFacts;
          const facts = commandWords ? withCommands(joined, commandWords) : joined;
          const marked = markedBy(provenance, facts);
          return {
            ...written(tool, marked, provenance),
            ...(tool.forModel && { forModel: tool.forModel(marked, input) }),
            ...optional({ commandWords }),
            ...(timed && { timed: timed(facts) }),
          };
        },
      };
    },
  };
  return defined;
}

interface LocalTool extends AnyTool {
  question(input: unknown): Question & Required<Pick<Question, 'answerHere'>>;
}

/** Declares a tool that asks no node. */
export function defineLocalTool<Input extends z.ZodObject, Facts extends AnyFacts>(
  tool: Described<Input, Facts> & { facts(input: z.output<Input>): Facts },
): LocalTool {
  const defined = {
    ...described(tool),
    isTimed: false,
    isLocal: true,
    question(raw: unknown) {
      const input = checkedInput(tool, raw);
      return {
        tool: defined,
        input,
        observe: async () => tool.facts(input),
        answer: (sent: unknown) => written(tool, tool.output.parse(sent)),
        answerHere: () => written(tool, tool.facts(input)),
      };
    },
  };
  return defined;
}

type Description = Pick<AnyTool, 'name' | 'title' | 'description' | 'input' | 'output'>;

const described = ({ name, title, description, input, output }: Description): Description => ({
  name,
  title,
  description,
  input,
  output,
});

/** Facts that say where they are from. This is the one place where they come to. */
const markedBy = <Facts extends AnyFacts>(provenance: Provenance, facts: Facts): Facts => ({
  ...facts,
  summary: markOf(provenance) + facts.summary,
});

function written<Facts extends AnyFacts>(
  { name, lines }: Pick<Described<z.ZodObject, Facts>, 'name' | 'lines'>,
  facts: Facts,
  provenance: Provenance = {},
): Answer {
  return { tool: name, lines: linesOf(lines(facts)), structured: facts, provenance };
}

/**
 * A tool's arguments, checked.
 *
 * @throws UsageError that names the wrong one and how it is written.
 */
export function checkedInput<Input extends z.ZodObject>(
  { name, input }: { readonly name: string; readonly input: Input },
  raw: unknown,
): z.output<Input> {
  const parsed = input.safeParse(asMeant(input, raw));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const keys = Object.keys(input.shape);
  if (issue?.code === 'unrecognized_keys') {
    const expected = keys.length === 0 ? 'it takes no arguments' : `expected: ${keys.join(', ')}`;
    const names = issue.keys.map(key => `"${key.slice(0, 40)}"`).join(', ');
    throw new UsageError(`unknown argument ${names} for tool "${name}"`, `remove it; ${expected}`);
  }
  const key = String(issue?.path[0] ?? '');
  const where = key === '' ? 'the input' : `argument "${key}"`;
  const description = z.globalRegistry.get(input.shape[key] ?? input)?.description;
  throw new UsageError(
    `${where} of tool "${name}" ${wrong(issue, isRecord(raw) ? raw[key] : raw)}`,
    description === undefined ? `expected: ${keys.join(', ')}` : `${key}: ${description}`,
  );
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Arguments as models send them, read as they are meant: null and "" for one that is left out (strict
 * schemas make a model fill in all), numbers as text and text as numbers, words in capitals.
 */
function asMeant({ shape }: z.ZodObject, raw: unknown): unknown {
  if (!isRecord(raw)) return raw;
  const meant = Object.entries(raw).map(([key, value]) => {
    const schema = shape[key];
    if (!(schema instanceof z.ZodType)) return [key, value];
    if (value === null || value === '') return [key, undefined];
    if (schema.safeParse(value).success) return [key, value];
    return [key, otherForms(value).find(form => schema.safeParse(form).success) ?? value];
  });
  return Object.fromEntries(meant.filter(([, value]) => value !== undefined));
}

function otherForms(value: unknown): readonly unknown[] {
  if (typeof value === 'number') return [String(value)];
  if (typeof value !== 'string') return [];
  const text = value.trim();
  return [text, text.toLowerCase(), ...(/^-?\d{1,15}$/.test(text) ? [Number(text)] : [])];
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  boolean: 'true or false',
};

/** What is wrong with a value, in words of ours: the validator's are for who wrote the schema. */
function wrong(issue: z.core.$ZodIssue | undefined, value: unknown): string {
  if (value === undefined || value === null || value === '') return 'is missing';
  const unit = typeof value === 'string' ? ' characters' : '';
  const shown = typeof value === 'number' ? String(value) : `"${String(value).slice(0, 40)}"`;
  switch (issue?.code) {
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}, not ${shown}`;
    case 'invalid_type':
      return `must be ${TYPE_WORDS[issue.expected] ?? issue.expected}, not ${Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : shown}`;
    case 'too_small':
      return `must ${unit ? 'have' : 'be'} at least ${issue.minimum}${unit}, not ${shown}`;
    case 'too_big':
      return `must ${unit ? 'have' : 'be'} at most ${issue.maximum}${unit}, not ${shown}`;
    default:
      return `is ${shown}: ${issue?.message ?? 'not as the schema says'}`;
  }
}
