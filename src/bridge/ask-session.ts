import * as z from 'zod';
import { type Answer, type Line, linesOf } from '../contract/answer.ts';
import type { ClusterView } from '../contract/cluster-view.ts';
import { CutOffError, GpuMcpError, SessionError, UsageError } from '../contract/errors.ts';
import { optional } from '../contract/optional.ts';
import { withConnection } from '../contract/printed-command.ts';
import { plainData, plainText } from '../contract/untrusted.ts';
import { errorText, SentFacts } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { clusterLines } from '../tools/support/cluster-lines.ts';
import { clusterPart } from '../tools/support/cluster-rows.ts';
import { verdictLine } from '../tools/support/finding-lines.ts';
import type { Question, ToolAnswer } from '../tools/tool.ts';

/**
 * One question to one node, the one way for MCP and the command line: the agent's facts, joined
 * with what the cluster knows where the tool wants that and there is a cluster. Both are read side
 * by side; a cluster that says nothing costs the answer only its part.
 *
 * @throws what the session throws, with the page of what the cluster says of the node all the same;
 * SessionError where the agent's answer is none.
 */
export async function askSession(
  session: Session,
  question: Question,
  beside: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<ToolAnswer> {
  const { tool, input, ofCluster, answer } = session.concealInput
    ? question.tool.question(session.concealInput(question.input))
    : question;
  const calling = session.call({ ...beside, tool: tool.name, input });
  const viewing = ofCluster && session.clusterView?.(ofCluster, beside.signal);
  const [result, view] = await Promise.all([calling, viewing]).catch(error =>
    explained(session, error, beside.signal),
  );
  if (result.isError === true) throw new SessionError(plainText(errorText(result), 2_000));
  try {
    const { facts, provenance } = SentFacts.parse(plainData(result));
    return answer(facts, { provenance, view, commandWords: session.commandWords });
  } catch (cause) {
    if (!(cause instanceof z.ZodError)) throw cause;
    const what = `the agent on ${session.target} sent an answer to ${tool.name} that does not fit`;
    throw new SessionError(what, { cause });
  }
}

/**
 * The facts of a tool that no client lists, cleaned as those of any other.
 *
 * @throws what the session throws, as askSession does; SessionError where the agent's answer is none.
 */
export async function unlistedFacts<Facts>(
  session: Session,
  request: ToolRequest,
  schema: z.ZodType<Facts>,
): Promise<Facts> {
  const result = await session
    .call(request)
    .catch(error => explained(session, error, request.signal));
  if (result.isError === true) throw new SessionError(plainText(errorText(result), 2_000));
  const sent = SentFacts.safeParse(plainData(result));
  const facts = schema.safeParse(sent.data?.facts);
  if (facts.success) return facts.data;
  throw new SessionError(`the agent on ${session.target} sent a look that does not fit`, {
    cause: sent.error ?? facts.error,
  });
}

/**
 * Throws what a session threw, its hint with the user's own connection, and with the page of a node
 * that could not be read, where the cluster knows the node.
 */
export async function explained(
  session: Session,
  error: unknown,
  signal: AbortSignal,
): Promise<never> {
  signal.throwIfAborted();
  // A wrong flag is wrong on any node.
  if (!(error instanceof GpuMcpError) || error instanceof UsageError) throw error;
  const { message, exit } = error;
  const words = session.commandWords;
  const hint = error.hint && words ? withConnection(error.hint, words) : error.hint;
  const isAsked = !(error instanceof CutOffError);
  const view = isAsked ? await session.clusterView?.({}, signal) : undefined;
  const answer = view && unreadNode(session.target, { message, hint }, view);
  if (!answer && hint === error.hint) throw error;
  throw new GpuMcpError(message, { exit, hint, ...optional({ answer }), cause: error });
}

/** Much of what is wrong stands in the events of a node that no pod can start on. */
const BOUNDS = { full: false, podsMax: 32, eventsMax: 12 } as const;

/**
 * The page of a node that could not be read: never an all-clear. Undefined where the cluster knows
 * nothing of it either: a node that is not there has no page.
 */
function unreadNode(
  node: string,
  { message, hint }: Pick<GpuMcpError, 'message' | 'hint'>,
  view: ClusterView,
): Answer | undefined {
  if (!view.node.ok) return undefined;
  const cluster = clusterPart(view, BOUNDS);
  const head = {
    verdict: 'unknown' as const,
    node,
    summary: `The node itself could not be read: ${message}.`,
    ...optional({ hint }),
  };
  return {
    structured: { ...head, cluster },
    lines: [
      verdictLine(head),
      ...linesOf([
        ...(hint === undefined ? [] : [`next: ${hint}`]),
        'What the cluster says:',
        ...clusterLines(cluster),
      ]),
      ...NOT_READ,
    ],
  };
}

const NOT_READ: readonly Line[] = linesOf([
  'Not read: the driver, the kernel log and the host. No fault of the GPUs can be ruled out.',
]);
