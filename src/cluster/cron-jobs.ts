import type { ApiServer } from './http.ts';
import { type Json, listAt, objectAt, textOf } from './json.ts';
import { listAll } from './list.ts';
import { type TargetWord, targetWord } from './workloads.ts';

type WorkloadWord = Extract<TargetWord, { readonly of: 'workload' }>;

/**
 * The Job of a CronJob that is asked about: the newest that has not succeeded, else the newest. Undefined where it
 * has made none, or the history that it keeps is over.
 */
export async function jobOfCronJob(
  api: Pick<ApiServer, 'object' | 'settings'>,
  { name }: WorkloadWord,
  signal: AbortSignal,
): Promise<TargetWord | undefined> {
  const { namespace } = api.settings;
  const path = `/apis/batch/v1/namespaces/${encodeURIComponent(namespace)}/jobs`;
  const jobs = await listAll(api, { path, query: {}, doing: 'list jobs', kind: 'JobList' }, signal);
  const own = jobs
    .filter(job => isMadeBy(job, name))
    .toSorted((a, b) => createdAt(b).localeCompare(createdAt(a)));
  const asked = own.find(job => !hasSucceeded(job)) ?? own[0];
  return asked === undefined
    ? undefined
    : targetWord(`job/${textOf(objectAt(asked, 'metadata'), 'name')}`);
}

const createdAt = (job: unknown): string => textOf(objectAt(job, 'metadata'), 'creationTimestamp');

const isMadeBy = (job: unknown, name: string): boolean =>
  listAt(job, 'metadata', 'ownerReferences')
    .map((owner): Json => objectAt(owner))
    .some(owner => owner['kind'] === 'CronJob' && owner['name'] === name);

const hasSucceeded = (job: unknown): boolean =>
  listAt(job, 'status', 'conditions').some(
    one => textOf(one, 'type') === 'Complete' && textOf(one, 'status') === 'True',
  );
