import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SeenRequest } from '../cluster/fake-api-server.ts';
import { LIES } from '../cluster/lies.ts';
import { DoctorWorld } from './world.ts';

/** Of all that the doctor asks, one answer is a lie: it may find nothing wrong, but never all well. */

let doctor: DoctorWorld;
beforeEach(async () => {
  doctor = await DoctorWorld.open();
});
afterEach(() => doctor[Symbol.asyncDispose]());

type IsAsked = (request: SeenRequest) => boolean;
const at =
  (path: RegExp): IsAsked =>
  request =>
    path.test(request.path);
const isRight = (request: SeenRequest, verb: string, resource: string): boolean =>
  request.path.endsWith('/selfsubjectaccessreviews') &&
  JSON.stringify(request.body).includes(`"resource":"${resource}"`) &&
  JSON.stringify(request.body).includes(`"verb":"${verb}"`);

const QUESTIONS: readonly (readonly [string, IsAsked])[] = [
  ['all', () => true],
  ['the version', at(/^\/version$/)],
  ['who I am', at(/\/selfsubjectreviews$/)],
  ['every right', at(/\/selfsubjectaccessreviews$/)],
  ['the right to get nodes', request => isRight(request, 'get', 'nodes')],
  ['the namespace', at(/\/namespaces\/gpu-mcp$/)],
  ['the quotas', at(/\/resourcequotas$/)],
  ['the limit ranges', at(/\/limitranges$/)],
  ['the dry run of the pod', ({ method, path }) => method === 'POST' && path.endsWith('/pods')],
  ['the dry run of the Job', ({ method, path }) => method === 'POST' && path.endsWith('/jobs')],
  ['the node', at(/\/nodes\/node-a$/)],
  ['its lease', at(/\/leases\/node-a$/)],
  ['its pods', ({ method, path }) => method === 'GET' && path === '/api/v1/pods'],
  ['a WebSocket', ({ headers }) => headers.upgrade !== undefined],
];

test.each(
  QUESTIONS.flatMap(([question, isAsked]) =>
    LIES.map(([name, lie]) => [question, name, isAsked, lie] as const),
  ),
)('%s is answered by %s', async (_question, _name, isAsked, lie) => {
  doctor.world.answer = request => (isAsked(request) ? lie : undefined);
  const { report, stderr } = await doctor.examine();
  expect(report.verdict).not.toBe('ok');
  expect(report.counts.failed + report.counts.unknown + report.counts.warning).toBeGreaterThan(0);
  expect(stderr).toBe('');
});

/** Of the right kind and name, and with nothing in it. */
const EMPTY: readonly (readonly [string, IsAsked, object])[] = [
  ['the node', at(/\/nodes\/node-a$/), { kind: 'Node', metadata: { name: 'node-a' } }],
  ['its lease', at(/\/leases\/node-a$/), { kind: 'Lease', metadata: { name: 'node-a' } }],
  ['who I am', at(/\/selfsubjectreviews$/), { kind: 'SelfSubjectReview' }],
  ['rights', at(/\/selfsubjectaccessreviews$/), { kind: 'SelfSubjectAccessReview' }],
  ...(['Pod', 'Job'] as const).map(
    kind =>
      [
        `the dry run of a ${kind}`,
        ({ method, path }: SeenRequest) =>
          method === 'POST' && path.endsWith(`/${kind.toLowerCase()}s`),
        { kind, metadata: { name: 'gpu-mcp-node-a-doctor' } },
      ] as const,
  ),
];
test.each(EMPTY)('%s is empty', async (_name, isAsked, body) => {
  doctor.world.answer = request => (isAsked(request) ? { code: 200, body } : undefined);
  expect((await doctor.examine()).report.verdict).not.toBe('ok');
});
