import * as z from 'zod';
import { checkWritable, packed, writeBundle } from '../bundle/bundle-file.ts';
import { nodeOf } from '../bundle/document.ts';
import { UsageError } from '../contract/errors.ts';
import { CAPTURE_SECONDS_MAX } from '../contract/limits.ts';
import { isoTime, momentMs } from '../contract/time.ts';
import type { Command, Invocation } from './command.ts';
import { fetchBundle } from './fetch-bundle.ts';
import { STDIN_WORD, write } from './io.ts';
import { COMMON, CONNECTION, POD, TARGET } from './options.ts';
import { untilAborted } from './until-aborted.ts';

const More = z.looseObject({
  file: z.string().min(1),
  force: z.boolean().default(false),
  seconds: z.coerce.number().min(0).max(CAPTURE_SECONDS_MAX),
});
const { from: _, ...LIVE } = TARGET;

/** Everything that the tools could ask of a node now, as a file that they answer from later. */
export const capture: Command = {
  command: 'capture [target..]',
  description: 'Writes what can be read of a node now to a file: its tools answer from that later',
  examples: [
    ['$0 capture gpu-node-3 -f before.json.gz', 'before a reset, or for a ticket'],
    ['$0 triage --from before.json.gz', 'the report of that moment, without a cluster'],
  ],
  options: yargs =>
    yargs
      .positional('target', { type: 'string', array: true, describe: 'NAME, node/NAME, pod/NAME' })
      .options({ ...COMMON, ...CONNECTION, ...LIVE, ...POD })
      .option('file', {
        alias: 'f',
        type: 'string',
        requiresArg: true,
        demandOption: true,
        describe: 'The file to write, - for stdout',
      })
      .option('force', { type: 'boolean', describe: 'Replace a file that is there' })
      .option('since', {
        type: 'string',
        default: '7d',
        requiresArg: true,
        describe: 'How far back the kernel log is kept: 24h, 7d or an ISO time',
      })
      .option('seconds', {
        default: 3,
        requiresArg: true,
        describe: `Time between two readings of the driver, ${CAPTURE_SECONDS_MAX} at most; 0: one reading`,
      }),
  async run(invocation) {
    const { args, raw, io } = invocation;
    const { file, force, seconds } = checked(raw);
    const sinceMs = momentMs(args.since ?? '7d', io.clock.nowMs());
    const toStdout = file === STDIN_WORD;
    if (toStdout && io.stdoutIsTerminal) {
      throw new UsageError('a bundle is no text for a terminal', '-f FILE, or a pipe');
    }
    // Known before a pod is started for it.
    if (!toStdout) await checkWritable(file, { force });
    const bundle = await captureOne(invocation, { sinceMs, seconds });
    const bytes = packed(bundle);
    if (toStdout) await write(io.stdout, bytes);
    else await writeBundle(file, bytes, { force });
    const line = `${nodeOf(bundle)} as of ${isoTime(bundle.capturedAtMs)}: ${bytes.length} bytes`;
    if (!toStdout) await write(io.stdout, `${line} in ${file}\n`);
    return 0;
  },
};

/** The one target of a command line as a bundle. */
export async function captureOne(
  invocation: Invocation,
  options: { readonly sinceMs: number; readonly seconds: number },
) {
  const { io, progress } = invocation;
  return untilAborted(invocation, async ({ sessions }) => {
    const [session, ...others] = sessions;
    if (!session || others.length > 0) {
      throw new UsageError('a bundle holds one node', 'one capture and one file for each node');
    }
    const onProgress = (message: string) => progress.say(message);
    return fetchBundle(session, options, { signal: io.signal, onProgress });
  });
}

function checked(raw: Readonly<Record<string, unknown>>) {
  const more = More.safeParse(raw);
  if (more.success) return more.data;
  const flag = more.error.issues[0]?.path.join('.') ?? 'file';
  throw new UsageError(`--${flag} is wrong`, 'kubectl gpu-mcp capture --help');
}
