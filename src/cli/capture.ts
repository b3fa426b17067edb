import * as z from 'zod';
import { checkWritable, packed, writeBundle } from '../bundle/bundle-file.ts';
import { nodeOf } from '../bundle/document.ts';
import { CONNECTION } from '../cluster/flags.ts';
import { UsageError } from '../contract/errors.ts';
import { flag, toggle } from '../contract/flag.ts';
import { CAPTURE_SECONDS_MAX } from '../contract/limits.ts';
import { isoTime } from '../contract/time.ts';
import { defineCommand, type Invocation } from './command.ts';
import { type BundleRequest, fetchBundle } from './fetch-bundle.ts';
import { momentOr, NODES, POD, TARGET, type TargetFlags } from './flags.ts';
import { STDIN_WORD, write } from './io.ts';
import { untilAborted } from './until-aborted.ts';

const { from: _, ...LIVE } = TARGET;

/** Everything that the tools could ask of a node now, as a file that they answer from later. */
export const capture = defineCommand({
  command: 'capture [target..]',
  description: 'Writes what can be read of a node now to a file: its tools answer from that later',
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
      throw new UsageError('a bundle is no text for a terminal', '-f FILE, or a pipe');
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
