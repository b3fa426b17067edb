import type { Plan } from './plan.ts';

/** A plan where nothing fails. */
const CALM: Plan = {
  seed: 0,
  program: { name: 'triage', flags: ['--image', 'example/gpu-mcp:1'] },
  machine: 'faulty',
  traits: {
    jobControllerMs: 300,
    containerStartMs: 500,
    collectorMs: 200,
    statusMs: 50,
    suspendsJobs: false,
    imageFails: false,
    lacks: undefined,
  },
  denied: [],
  latencyMs: 5,
  slowMs: 12_000,
  faults: [],
  end: undefined,
};
const serving = (...gapsMs: readonly number[]): Pick<Plan, 'program'> => ({
  program: { name: 'serve', flags: CALM.program.flags, gapsMs },
});
const bare: Pick<Plan, 'denied'> = { denied: ['create jobs'] };

/** What the simulation has found, each with the least that shows it; all of it was mended. */
export const FOUND: Readonly<Record<string, Plan>> = {
  'nothing fails': CALM,
  // The API server's word that an attach is open was taken for the kubelet's.
  'before Kubernetes 1.36': { ...CALM, traits: { ...CALM.traits, isOlder: true } },
  // The refused attach broke the connection that the Job's DELETE had taken.
  'attach is refused': {
    ...CALM,
    ...serving(0, 500),
    faults: [{ on: 'request', of: 'attach', nth: 1, times: 4, what: '503' }],
  },
  // Nobody handled the refusal, and Node ended us with a stack trace.
  'events may not be listed, and no pod appears for a while': {
    ...CALM,
    denied: ['list events'],
    faults: [{ on: 'request', of: 'create', nth: 1, times: 50, what: '429 without a time' }],
  },
  // "Already exists" was taken for a refusal: the Job stayed.
  'a create is sent twice': {
    ...CALM,
    ...serving(0, 0),
    faults: [{ on: 'request', of: 'create', nth: 1, times: 1, what: 'done twice' }],
  },
  // The same of the bare pod, whose reaper was dismissed.
  'a create of a bare pod is sent twice': {
    ...CALM,
    ...bare,
    faults: [{ on: 'request', of: 'create', nth: 2, times: 1, what: 'done twice' }],
  },
  // The pod was made, and its reaper was dismissed.
  'the API server fails after it has created': {
    ...CALM,
    ...bare,
    faults: [{ on: 'request', of: 'create', nth: 2, times: 1, what: 'done and 504' }],
  },
  // Any conflict was taken for "another object of that name": "deleted, verified".
  'a deletion meets a conflict': {
    ...CALM,
    ...bare,
    faults: [{ on: 'request', of: 'delete', nth: 1, times: 2, what: '409' }],
  },
  // The second call made a second pod.
  'the pod of an earlier call cannot be deleted yet': {
    ...CALM,
    ...serving(0, 0),
    traits: { ...CALM.traits, imageFails: true },
    faults: [{ on: 'request', of: 'delete', nth: 1, times: 20, what: 'slow' }],
  },
  // The try without that directory made a second pod.
  'the pod with a directory that the node lacks cannot be deleted yet': {
    ...CALM,
    ...bare,
    traits: { ...CALM.traits, lacks: '/run/log' },
    faults: [{ on: 'request', of: 'delete', nth: 1, times: 20, what: 'nothing' }],
  },
  // The end of the wait came out as an AbortError, "a bug of kubectl gpu-mcp".
  'no watch says anything': {
    ...CALM,
    faults: [{ on: 'request', of: 'watch', nth: 1, times: 50, what: 'silence' }],
  },
  // Neither the Job's end nor the next call removes it: we do, as long as we live.
  'a pod that never runs cannot be deleted yet, and nobody asks again': {
    ...CALM,
    ...serving(0, 150_000),
    traits: { ...CALM.traits, imageFails: true },
    faults: [{ on: 'request', of: 'delete', nth: 1, times: 8, what: 'silence' }],
  },
  // The second stream that was found dead kept its pod until the next question.
  'every stream falls silent': {
    ...CALM,
    ...serving(0, 150_000),
    faults: [{ on: 'stream', nth: 3, what: 'silence' }],
  },
  // A refusal that asking again cannot cure is told, and not sat out.
  'no watch is let in': {
    ...CALM,
    faults: [{ on: 'request', of: 'watch', nth: 1, times: 50, what: '401' }],
    says: /^error: .*does not accept the credentials/m,
  },
  // What Kueue holds back was forgotten although it could not be removed.
  'a Job that is held back cannot be deleted yet': {
    ...CALM,
    traits: { ...CALM.traits, suspendsJobs: true },
    faults: [{ on: 'request', of: 'delete', nth: 1, times: 20, what: 'an empty object' }],
  },
  // The Job was made by a create that failed, and forgotten when the next one was refused otherwise.
  'a create is done, answered as failed, and refused when it is asked again': {
    ...CALM,
    ...serving(150_000),
    traits: { ...CALM.traits, jobControllerMs: 46, containerStartMs: 2_826 },
    latencyMs: 30,
    faults: [
      { on: 'request', of: 'create', nth: 1, times: 1, what: 'done and 503 with a time' },
      { on: 'request', of: 'create', nth: 2, times: 1, what: '409' },
    ],
  },
  // The pod was asked for after the question had been given up.
  'a signal comes while it is asked who the user is': {
    ...CALM,
    program: { name: 'triage', flags: [...CALM.program.flags, '--lifetime', 'pod'] },
    latencyMs: 30,
    faults: [{ on: 'request', of: 'any', nth: 2, times: 4, what: 'slow' }],
    end: { how: 'SIGINT twice', atMs: 385 },
  },
};
