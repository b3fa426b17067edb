import type { ContainerEnd } from '../../contract/cluster-view.ts';
import type { JobLog } from '../../contract/job-log.ts';
import { CONTAINER_FINDING } from '../../findings/support/container-faults.ts';
import { type Judge, type Judgement, signalOf } from './failure-facts.ts';
import { wordsOf } from './failure-log.ts';
import { causeIn } from './first-cause.ts';

/** The id of the finding that tells of it. */
export const SHARED_MEMORY_FINDING = `${CONTAINER_FINDING}shared-memory`;

/** Entries of a log that a full /dev/shm explains; of the last one another file system can be as well. */
const SHARED_MEMORY = /^(?:shared-memory|nccl-shm|disk-full)$/;
const SIGBUS = 7;
/** What a launcher in the container says of a process that SIGBUS ended. */
const BUS_ERROR = 'bus-error';

/**
 * A full /dev/shm, and an end that it explains: by the log's words, or by SIGBUS, which a process gets
 * that writes to a page of it for which there is no space. It outlives the container, as every emptyDir
 * does (kubernetes.io, Volumes, emptyDir).
 */
export function bySharedMemory(
  { title, advice }: { readonly title: string; readonly advice: string },
  end: ContainerEnd,
  log: JobLog | undefined,
): Judgement | undefined {
  const cause = log && causeIn(log);
  const word = cause
    ? [cause].find(({ id }) => SHARED_MEMORY.test(id))
    : log?.entries.find(({ id }) => id === BUS_ERROR);
  if (!word && (cause || signalOf(end) !== SIGBUS)) return undefined;
  return {
    fault: 'configuration',
    confidence: word?.id === 'disk-full' ? 'medium' : 'high',
    action: 'fix_configuration',
    advice: `${advice} Create the pod anew: what was left in it stays when only the container starts again.`,
    why: [
      title,
      word
        ? `and its log says so: ${wordsOf(word)}`
        : `it ended by SIGBUS (exit code ${end.exitCode})`,
    ],
    against:
      word?.id === 'disk-full' ? ['a disk may be full as well: its line names the path'] : [],
    quotes: word,
  };
}

/** The same for a pod, by a finding of its containers. */
export const fullSharedMemory: Judge = ({ end, log, findings }) => {
  const full = findings.find(({ id }) => id === SHARED_MEMORY_FINDING);
  return full && end && bySharedMemory(full, end, log);
};
