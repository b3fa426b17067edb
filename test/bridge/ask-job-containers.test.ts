import { describe, expect, test, vi } from 'vitest';
import { askingJob } from '../../src/bridge/ask-job.ts';
import { linesOf, textOf } from '../../src/contract/answer.ts';
import { known, missing, present, type Reading } from '../../src/contract/reading.ts';
import type { TargetJob } from '../../src/contract/target-job.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { JobAnswer, jobLines } from '../../src/tools/support/job-answer.ts';
import { agentSession } from '../fakes/agent-session.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const { signal } = new AbortController();

describe('containers of a running job', () => {
  const machine = machineFrom('node-a', {
    ...{ version: 1, like: 'h100-sxm', title: 'a node of a job' },
    pods: [{ namespace: 'ml', name: 'train-0', gpus: [0, 1] }],
  });
  const instruments = instrumentsFor(machine);
  const uid = known(machine.host.containers)?.[0]?.podUid ?? '';

  /** The job's answer, and which pods the node was asked about. */
  async function lookedInto(
    state: 'running' | 'waiting' | 'failed',
    seen: (podUids: readonly string[]) => ReturnType<typeof instruments.host.containers>,
    triage: unknown = undefined,
    claims: string[] = [],
  ) {
    const pods: string[] = [];
    const containers = (podUids: readonly string[]) => {
      pods.push(...podUids);
      return seen(podUids);
    };
    const host = { ...instruments.host, containers };
    const endedBefore = { exitCode: 135, reason: 'Error', message: '' };
    const main = state === 'failed' ? { state: 'waiting' as const, endedBefore } : { state };
    const session = agentSession('node-a', { ...instruments, node: 'node-a', host });
    const call = vi.spyOn(session, 'call');
    const job: TargetJob = {
      ...{ name: 'Job/train', namespace: 'ml', gone: present([]) },
      pods: [
        {
          pod: aPod({
            ...{ name: 'train-0', namespace: 'ml', uid, node: 'node-a', claims },
            containers: [aContainer(main), aContainer({ name: 'sidecar', gpus: {} })],
          }),
        },
      ],
    };
    const ofJob = askingJob(
      { found: job, read: async () => job },
      { nodes: ['node-a'], together: false },
      signal,
    );
    await ofJob.more(session, triage, { signal, onProgress() {} });
    await session.close();
    const outcome = { target: 'node-a', error: new Error('its triage is not asked here') };
    const answer = JobAnswer.parse(await ofJob.answer([outcome]));
    const tools = call.mock.calls.map(([{ tool }]) => tool);
    return { pods, tools, answer, text: textOf(linesOf(jobLines(answer))) };
  }

  test('are looked into by the UIDs of its pods', async () => {
    const { pods, answer } = await lookedInto('running', uids =>
      instruments.host.containers(uids, signal),
    );
    expect(pods).toEqual([uid]);
    expect(answer.notes.join()).not.toContain('looked into');
  });

  test.each<readonly [string, Reading<[]>]>([
    ['the containers could not be looked into: no_permission', missing('no_permission')],
    ['none of their processes was found', present([])],
  ])('where they were not, the page and the JSON say why: %s', async (why, seen) => {
    const { answer, text } = await lookedInto('running', async () => seen);
    const note = `what containers on node-a see was not looked into: ${why}`;
    expect(answer.notes.filter(each => each.startsWith(note))).toHaveLength(1);
    expect(text).toContain(note);
  });

  test('nothing is asked of a pod with a container that waits for its next run', async () => {
    const { pods, answer } = await lookedInto('waiting', async () => present([]));
    expect(pods).toEqual([]);
    expect(answer.notes.join()).not.toContain('looked into');
  });

  test('one that has failed is looked into for what its pod shares, and need have none that runs', async () => {
    const { pods, answer } = await lookedInto('failed', async () => present([]));
    expect(pods).toEqual([uid]);
    expect(answer.notes.join()).not.toContain('looked into');
  });

  const triaged = (containers: object) => ({
    ...{ verdict: 'healthy', findings: [], allocated: [] },
    containers: { pods: [uid], faults: [], ...containers },
  });

  test('are not looked into again where triage has done it', async () => {
    const once = await lookedInto('running', async () => present([]), triaged({}));
    const { pods, tools, answer } = once;
    expect(pods).toEqual([]);
    // Which GPUs are its own triage has told, too: the driver is not read again.
    expect(tools).toEqual([]);
    expect(answer.notes.join()).not.toContain('looked into');
  });

  test('where DRA gave it its GPUs, what the cluster knows of them is asked for', async () => {
    const seen = async () => present([]);
    const { tools } = await lookedInto('running', seen, triaged({}), ['claim-0']);
    expect(tools).toEqual(['get_pod_gpu_allocation']);
  });

  test('where triage could not, nobody asks again, and the page says why', async () => {
    const unread = triaged({ pods: [], unread: 'no_permission' });
    const { pods, answer } = await lookedInto('running', async () => present([]), unread);
    expect(pods).toEqual([]);
    expect(answer.notes.join()).toContain('could not be looked into: no_permission');
  });
});
