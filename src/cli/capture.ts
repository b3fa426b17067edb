import * as z from 'zod';
import { checkWritable, packed, unpacked, writeBundle } from '../bundle/bundle-file.ts';
import { type Bundle, nodeOf } from '../bundle/document.ts';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { CAPTURE_TOOL, type CaptureInput, CapturePart } from '../contract/capture-tool.ts';
import { SessionError, UsageError } from '../contract/errors.ts';
import { flag } from '../contract/flag.ts';
import { toggle } from '../contract/flag-values.ts';
import { CAPTURE_SECONDS_MAX } from '../contract/limits.ts';
import { reachOf } from '../contract/reach.ts';
import { isoTime } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { VERSION } from '../contract/version.ts';
import { errorText } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { defineCommand, type Invocation } from './command.ts';
import { momentOr, NODES, POD, TARGET, type TargetFlags } from './flags.ts';
import { STDIN_WORD, write } from './io.ts';
import { SUMMARIES } from './summaries.ts';
import { untilAborted } from './until-aborted.ts';

const { from: _, ...LIVE } = TARGET;

/** Everything that the tools could ask of a node now, as a file that they answer from later. */
export const capture = defineCommand({
  ...SUMMARIES.capture,
  examples: [
    ['$0 capture gpu-node-3 -f before.json.gz', 'before a reset, or for a ticket'],
    ['$0 triage --from before.json.gz', 'the report of that moment, without a cluster'],
  ],
  flags: {
    ...NODES,
    ...CONNECTION,
    ...LIVE,
    ...POD,
    file: flag(z.string().min(1), {
      description: 'The file to write, - for stdout',
      names: 'file',
      type: 'string',
      alias: 'f',
      demandOption: true,
    }),
    force: toggle('Replace a file that is there'),
    since: momentOr('7d', 'How far back the kernel log is kept: 24h, 7d or an ISO time'),
    seconds: flag(z.coerce.number().min(0).max(CAPTURE_SECONDS_MAX), {
      description: `Time between two readings of the driver, ${CAPTURE_SECONDS_MAX} at most; 0: one reading`,
      default: 3,
    }),
  },
  async run(invocation) {
    const { args, io } = invocation;
    const { file, force, since, seconds } = args;
    const toStdout = file === STDIN_WORD;
    if (toStdout && io.stdoutIsTerminal) {
      throw new UsageError('a bundle is not text for a terminal', '-f FILE, or a pipe');
    }
    // Known before a pod is started for it.
    if (!toStdout) await checkWritable(file, { force });
    const bundle = await captureOne(invocation, { since, seconds });
    const bytes = packed(bundle);
    if (toStdout) await write(io.stdout, bytes);
    else await writeBundle(file, bytes, { force });
    const line = `${nodeOf(bundle)} as of ${isoTime(bundle.capturedAtMs)}: ${bytes.length} bytes`;
    if (!toStdout) await write(io.stdout, `${line} in ${file}\n`);
    return 0;
  },
});

/** The one target of a command line as a bundle. */
export async function captureOne(invocation: Invocation<TargetFlags>, wanted: BundleRequest) {
  const { io, progress } = invocation;
  return untilAborted(invocation, async ({ sessions }) => {
    const [session, ...others] = sessions;
    if (!session || others.length > 0) {
      throw new UsageError('a bundle holds one node', 'one capture and one file for each node');
    }
    const onProgress = (message: string) => progress.say(message);
    return fetchBundle(session, wanted, { signal: io.signal, onProgress });
  });
}

/** What is read for a bundle. */
type BundleRequest = Omit<CaptureInput, 'from'>;

/**
 * A node as a bundle: read by its agent, fetched in parts, with what the cluster knows of it.
 *
 * @throws SessionError when the agent does not give it.
 */
export async function fetchBundle(
  session: Session,
  wanted: BundleRequest,
  request: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<Bundle> {
  const viewing = session.clusterView?.({ devices: true, logs: true }, request.signal);
  const [bytes, cluster] = await Promise.all([fetchBytes(session, wanted, request), viewing]);
  const { versions, ...bundle } = unpacked(bytes, `from ${session.target}`);
  // An agent does not say how it was reached.
  const reach = session.commandWords && reachOf(session.commandWords);
  return { ...bundle, versions: { ...versions, plugin: VERSION }, cluster, reach };
}

async function fetchBytes(
  session: Session,
  wanted: BundleRequest,
  { signal, onProgress }: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let from = 0, bytes = 1; from < bytes; ) {
    const input: CaptureInput = { ...wanted, from };
    const result = await session.call({ tool: CAPTURE_TOOL, input, signal, onProgress });
    if (result.isError === true) throw new SessionError(plainText(errorText(result), 2_000));
    const part = CapturePart.safeParse(result.structuredContent);
    const data = Buffer.from(part.data?.base64 ?? '', 'base64');
    if (!part.success || part.data.from !== from || data.length === 0) {
      throw new SessionError(`the agent on ${session.target} sent a bundle that does not fit`);
    }
    parts.push(data);
    bytes = part.data.bytes;
    from += data.length;
    if (from < bytes) onProgress(`${Math.floor((from / bytes) * 100)} % of ${bytes} bytes fetched`);
  }
  return Buffer.concat(parts);
}
