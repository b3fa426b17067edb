import * as z from 'zod';
import { askEach } from '../bridge/ask-each.ts';
import { askingJob } from '../bridge/ask-job.ts';
import type { OwnTool } from '../bridge/bridge.ts';
import type { Redaction } from '../bridge/redacted-session.ts';
import type { Cluster } from '../cluster/port.ts';
import { linesOf } from '../contract/answer.ts';
import { NODES_AT_ONCE, NODES_OPEN_MAX, PARTIAL_ANSWER_MS } from '../contract/limits.ts';
import type { TargetJob } from '../contract/target-job.ts';
import type { Clock } from '../contract/time.ts';
import { triageGpuNode } from '../tools/catalog/triage-gpu-node.ts';
import { jobLines } from '../tools/support/job-answer.ts';
import { nodesOf } from '../tools/support/job-state.ts';
import { checkedInput } from '../tools/tool.ts';
import { learnTarget } from './concealed.ts';

const input = z.strictObject({
  job: z.string().describe('KIND/NAME: job/, jobset/, pod/ ...'),
  namespace: z.string().optional(),
});

/** A kind and a name; the schema is paid for by every model. */
const WORD_CHARACTERS_MAX = 320;

interface Options {
  readonly cluster: () => Promise<Cluster>;
  readonly redaction: Redaction | undefined;
  readonly podLogs: boolean;
  readonly clock: Clock;
}

/** For a model what `triage job/NAME` is for a person, without the pages of the nodes. */
export const triageJob = ({ cluster, redaction, podLogs, clock }: Options): OwnTool => ({
  name: 'triage_job',
  title: 'Triage of a job',
  description:
    'Tells over all nodes of a job why it failed, where it began, which node to take out.',
  input,
  async answer(given, { signal, onProgress, nodes }) {
    const { job, namespace } = checkedInput({ name: 'triage_job', input }, given);
    const word = job.slice(0, WORD_CHARACTERS_MAX);
    const connected = await cluster();
    if (redaction) {
      learnTarget(redaction.known, word, undefined);
      // A bare word is looked for among the pods as well.
      redaction.known.learn('ns', namespace ?? connected.access.namespace);
    }
    const found = await connected.targetJob(word, signal, namespace).catch((error: unknown) => {
      throw redaction ? redaction.known.error(error) : error;
    });
    const shown = (job: TargetJob) => redaction?.job(job) ?? job;
    const read = async (within: AbortSignal) =>
      shown(podLogs ? await connected.targetLogs(found, within) : found);
    const over = AbortSignal.timeout(PARTIAL_ANSWER_MS);
    const names = nodesOf(found).slice(0, NODES_OPEN_MAX);
    return nodes.use(names, signal, async sessions => {
      const asked = { nodes: sessions.map(({ target }) => target), together: true };
      const ofJob = askingJob({ found: shown(found), read }, asked, signal);
      const keeping = sessions.map(ofJob.session);
      const outcomes = await askEach(keeping, triageGpuNode.question({}), {
        ...{ signal, clock, parallel: NODES_AT_ONCE, limit: () => over },
        onProgress: (node, words) => onProgress(`${node}: ${words}`),
        onOutcome: ofJob.onOutcome,
        async more(session, answer, beside) {
          await ofJob.more(session, answer.structured, beside);
          return answer;
        },
      });
      const answer = await ofJob.answer(outcomes);
      return { lines: linesOf(jobLines(answer)), structured: { ...answer } };
    });
  },
});
