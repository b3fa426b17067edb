import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { rbacManifests } from '../../src/cli/manifest.ts';
import { DoctorReport } from '../../src/contract/doctor.ts';
import { DOCTOR_ANSWER_MS_MAX, DOCTOR_LOGIN_MS_MAX } from '../../src/contract/limits.ts';
import { doctorPage } from '../../src/report/doctor-page.ts';
import { terminalText } from '../../src/report/terminal.ts';
import { rbacRules } from '../../src/session/rights.ts';
import { run } from '../cli/run.ts';
import type { Json } from '../cluster/fake-api-server.ts';
import { status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { DoctorWorld, denied, session } from './world.ts';

let doctor: DoctorWorld;
beforeEach(async () => {
  doctor = await DoctorWorld.open();
});
afterEach(() => doctor[Symbol.asyncDispose]());

test('where all is well every check says so', async () => {
  const { code, report } = await doctor.examine();
  expect(report.checks.filter(({ state }) => state !== 'ok')).toEqual([]);
  expect([code, report.verdict]).toEqual([0, 'ok']);
  expect(report.counts).toEqual({ failed: 0, unknown: 0, warning: 0, ok: report.checks.length });
});

/** The page of 80 columns; the names of this machine have lengths of their own. */
async function page(words: readonly string[]): Promise<string> {
  const { report } = await doctor.examine(words);
  return terminalText(doctorPage(report), { width: 80, colour: false });
}

describe('the page of 80 columns', () => {
  test('is what is printed', async () => {
    const { stdout } = await run(['doctor', 'node-a', '--kubeconfig=/nowhere/config']);
    const { report } = await doctor.examine(['node-a', '--kubeconfig=/nowhere/config'], {});
    expect(stdout.split('\n')[0]).toMatch(/^BLOCKED {2}node-a {3}\d of 25 checks passed/);
    expect(report.summary).toBe(stdout.split('\n')[2]);
  });

  test('where all is well', async () => {
    expect(await page(['node-a'])).toMatchInlineSnapshot(`
      "READY  node-a   25 of 25 checks passed
      context fake, namespace gpu-mcp, 12:00:00 UTC

      A session on node-a would start: everything was checked and is well.

      ok    kubeconfig      KUBECONFIG: context "fake", user "alice", namespace
                            "gpu-mcp"
      ok    credentials     "alice@example.com", by a token
      ok    api-server      http://SERVER answers in 0 ms: Kubernetes v1.37.2
      ok    rights          all 23 that a session uses
      ok    namespace       "gpu-mcp" is there
      ok    pod-security    privileged pods are let in (enforce=privileged)
      ok    2 checks        none is set (quota, limit-range)
      ok    admission       a dry run of pod and Job was let through, unchanged
      ok    node            "node-a" is Ready, kubelet v1.37.2
      ok    kubelet         it reported 2 s ago, and does so every 10 s
      ok    taints          not cordoned, no taints
      ok    pressure        none: disk, memory and process numbers are well
      ok    room            1 of 3 pods; CPU and memory are left
      ok    system          Ubuntu 24.04, linux/amd64
      ok    runtime         containerd 2.3.7
      ok    image           localhost/gpu-mcp:0.1.0 is on the node
      ok    image-platform  it runs on the node now, which is linux/amd64
      ok    sessions        "bob@example.com" since 2026-11-27T11:50:00Z
                            (gpu-mcp/gpu-mcp-node-a-1); several at a time are fine
      ok    attach          WebSockets pass, and servers of this version speak v5
      ok    clock           this machine and the API server agree to a few seconds
      ok    node-clock      the node and the API server agree to a few seconds
      ok    node-js         Node.js v26.10.0
      ok    kubectl         v1.37.2
      ok    plugin          BIN/kubectl-gpu_mcp"
    `);
  });

  test('what stops a session stands first, what is shared is said once', async () => {
    const { world } = doctor;
    world.denied = ['create pods/attach', 'get pods/attach', 'get leases'];
    world.answer = ({ method, path }) =>
      method === 'POST' && path.endsWith('/pods')
        ? status(403, 'Forbidden', 'violates PodSecurity "restricted:latest": privileged (no)')
        : undefined;
    world.pods = [];
    expect(await page(['node-a', '-n', 'gpu-mcp', '--as', "o'neil"])).toMatchInlineSnapshot(`
      "BLOCKED  node-a   21 of 27 checks passed
      context fake, namespace gpu-mcp, 12:00:00 UTC

      A session on node-a would not start.

      FAIL  rights          you may not create, get pods/attach in namespace
                            "gpu-mcp": a session cannot do without
                            try: a role with {apiGroups: [""], resources:
                            ["pods/attach"], verbs: ["create", "get"]}
            an admin:
            kubectl gpu-mcp manifest --kubeconfig=KUBECONFIG rbac \\
              -n gpu-mcp | kubectl --kubeconfig=KUBECONFIG apply -f -
            kubectl \\
              --kubeconfig=KUBECONFIG create rolebinding gpu-mcp-alice-example.com \\
              --role=gpu-mcp --user=alice@example.com -n gpu-mcp
            kubectl --kubeconfig=KUBECONFIG create clusterrolebinding \\
              gpu-mcp-alice-example.com --clusterrole=gpu-mcp \\
              --user=alice@example.com
      FAIL  pod-security    the namespace's Pod Security standard restricted:latest
                            refuses the pod: privileged (no)
                            try: use -n with a namespace that lets privileged pods
                            run, or have this one labelled
            an admin:
            kubectl --kubeconfig=KUBECONFIG label namespace gpu-mcp \\
              --overwrite pod-security.kubernetes.io/enforce=privileged

      WARN  rights          you may not get leases.coordination.k8s.io in the whole
                            cluster: a dead kubelet is noticed a minute later
                            try: a role with {apiGroups: ["coordination.k8s.io"],
                            resources: ["leases"], verbs: ["get"]}

      ?     2 checks        the dry run ended before that, at Pod Security (quota,
                            admission)
      ?     image-platform  what the image is built for only its registry tells; the
                            node is linux/amd64

      ok    kubeconfig      KUBECONFIG: context "fake", user "alice", namespace
                            "gpu-mcp"
      ok    credentials     "alice@example.com", by a token, impersonating "o'neil"
      ok    api-server      http://SERVER answers in 0 ms: Kubernetes v1.37.2
      ok    rights          20 of the 23 that a session uses
      ok    namespace       "gpu-mcp" is there
      ok    limit-range     the pod got past it, in a dry run that ended at Pod
                            Security
      ok    node            "node-a" is Ready, kubelet v1.37.2
      ok    kubelet         it reported 2 s ago, and does so every 10 s
      ok    taints          not cordoned, no taints
      ok    pressure        none: disk, memory and process numbers are well
      ok    room            0 of 3 pods; CPU and memory are left
      ok    system          Ubuntu 24.04, linux/amd64
      ok    runtime         containerd 2.3.7
      ok    image           localhost/gpu-mcp:0.1.0 is on the node
      ok    sessions        nobody has one on this node
      ok    attach          WebSockets pass, and servers of this version speak v5
      ok    clock           this machine and the API server agree to a few seconds
      ok    node-clock      the node and the API server agree to a few seconds
      ok    node-js         Node.js v26.10.0
      ok    kubectl         v1.37.2
      ok    plugin          BIN/kubectl-gpu_mcp"
    `);
  });

  test('of the cluster alone', async () => {
    doctor.world.node = { ...doctor.world.node, metadata: { name: 'node-a', labels: GPU } };
    expect(await page([])).toMatchInlineSnapshot(`
      "READY  cluster   15 of 15 checks passed
      context fake, namespace gpu-mcp, 12:00:00 UTC

      This cluster lets sessions start. Name a node, and it is looked at too.

      ok    kubeconfig      KUBECONFIG: context "fake", user "alice", namespace
                            "gpu-mcp"
      ok    credentials     "alice@example.com", by a token
      ok    api-server      http://SERVER answers in 0 ms: Kubernetes v1.37.2
      ok    rights          all 23 that a session uses
      ok    namespace       "gpu-mcp" is there
      ok    pod-security    privileged pods are let in (enforce=privileged)
      ok    2 checks        none is set (quota, limit-range)
      ok    admission       a dry run of pod and Job was let through, unchanged
      ok    gpu-nodes       node-a. To look at one:
            kubectl gpu-mcp doctor --kubeconfig=KUBECONFIG node-a
      ok    attach          WebSockets pass, and servers of this version speak v5
      ok    clock           this machine and the API server agree to a few seconds
      ok    node-js         Node.js v26.10.0
      ok    kubectl         v1.37.2
      ok    plugin          BIN/kubectl-gpu_mcp"
    `);
  });
});

const GPU = { 'nvidia.com/gpu.present': 'true' };

test('a target is followed to its node', async () => {
  doctor.api.put('pods', {
    metadata: { namespace: 'gpu-mcp', name: 'train-0' },
    spec: { nodeName: 'node-a' },
  });
  const { report } = await doctor.examine(['pod/train-0']);
  expect(report.node).toBe('node-a');
  expect((await doctor.examine(['node/node-a'])).report.node).toBe('node-a');
});

test('YAML is the same document', async () => {
  const { stdout } = await doctor.run(['node-a', '-o', 'yaml']);
  expect(DoctorReport.parse(load(stdout))).toEqual((await doctor.examine()).report);
});

describe('who asks', () => {
  test.each([
    [['--kubeconfig=/nowhere/config'], /the kubeconfig \/nowhere\/config cannot be read/],
    [['--context=prod'], /has no context "prod"/],
  ])('%j: nothing can be asked', async (flags, message) => {
    const { of, code, report } = await doctor.examine(['node-a', ...flags]);
    expect(of('kubeconfig')).toMatchObject([
      { state: 'failed', message: expect.stringMatching(message) },
    ]);
    expect(report.checks.filter(({ state }) => state === 'ok').map(({ id }) => id)).toEqual([
      'node-js',
      'kubectl',
      'plugin',
    ]);
    expect(code).toBe(3);
  });

  const withPlugin = async (script: string) => {
    const command = join(doctor.folder, 'login');
    await writeFile(command, `#!/bin/sh\n${script}\n`);
    await chmod(command, 0o755);
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command };
    const users = [{ name: 'alice', user: { exec } }];
    return doctor.api.kubeconfig({ users }, 'with-plugin');
  };

  test('a credential plugin is named with its time', async () => {
    const kubeconfig = await withPlugin(`echo '{"status":{"token":"t"}}'`);
    const { of } = await doctor.examine(['node-a', `--kubeconfig=${kubeconfig}`]);
    expect(of('credentials')).toEqual([
      {
        ...{ id: 'credentials', state: 'ok' },
        message: '"alice@example.com", by credential plugin "login" in 0 ms',
      },
    ]);
  });

  test.each([
    ['that fails', 'echo no session >&2; exit 7', /failed with exit code 7: no session/],
    ['that says nothing', 'exit 0', /printed no ExecCredential/],
  ])('a credential plugin %s is named', async (_what, script, message) => {
    const kubeconfig = await withPlugin(script);
    const { of, code } = await doctor.examine(['node-a', `--kubeconfig=${kubeconfig}`]);
    expect(of('credentials')).toMatchObject([
      { state: 'failed', message: expect.stringMatching(message) },
    ]);
    expect(code).toBe(3);
    expect(doctor.api.requests).toEqual([]);
  });

  test('a credential plugin that waits for a person is not waited for', async () => {
    const kubeconfig = await withPlugin('exec sleep 60');
    const examined = doctor.examine(['node-a', `--kubeconfig=${kubeconfig}`]);
    await pass(DOCTOR_LOGIN_MS_MAX);
    expect((await examined).of('credentials')).toMatchObject([
      { state: 'failed', message: 'credential plugin "login" gave no answer in 15 s' },
    ]);
  });
});

describe('the exit code is that of a session', () => {
  const refusing = (): void => {
    doctor.world.answer = ({ method, path }) => {
      if (method !== 'POST') return undefined;
      const words = 'exceeded quota: q, requested: pods=1';
      if (path.endsWith('/pods')) return status(403, 'Forbidden', words);
      const lacking = doctor.world.denied.includes('create jobs') && path.endsWith('/jobs');
      return lacking
        ? denied('User "a" cannot create resource "jobs" in API group "batch"')
        : undefined;
    };
  };

  test.each([
    ['of a pod that its Job makes', [], [], 4],
    ['of a bare pod', [], ['--lifetime=pod'], 3],
    ['of a bare pod, for want of the right to Jobs', ['create jobs'], [], 3],
  ] as const)('that is refused: %s', async (_what, lacking, flags, exit) => {
    doctor.world.denied = lacking;
    refusing();
    const { code, of } = await doctor.examine(['node-a', ...flags]);
    expect([code, of('quota')[0]?.state]).toEqual([exit, 'failed']);
  });

  test('on a node that is not ready, whatever else is wrong', async () => {
    doctor.world.denied = ['create pods/attach'];
    const conditions = [{ type: 'Ready', status: 'False' }];
    doctor.world.node = { metadata: { name: 'node-a' }, status: { conditions } };
    expect((await doctor.examine()).code).toBe(4);
  });
});

test('what a cluster wrote into its names stays on its line', async () => {
  doctor.world.quotas = [{ metadata: { name: 'q\u001b[2J\nFAIL' }, status: { hard: {} } }];
  const eve = session('eve\u202e\nok');
  const metadata = { ...Object(eve['metadata']), creationTimestamp: 'now\n\u001b[1A' };
  doctor.world.pods = [{ ...eve, metadata }];
  const { report } = await doctor.examine();
  for (const { message } of report.checks) expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

test('flags that contradict are a wrong command line, and no report', async () => {
  const kubeconfig = await doctor.api.kubeconfig();
  const ran = await run(['doctor', 'node-a', '--kubeconfig', kubeconfig, '--as-group', 'x']);
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toMatch(/^error: --as-group, .* need --as/);
});

test('Ctrl-C ends it', async () => {
  const abort = new AbortController();
  doctor.world.answer = () => {
    abort.abort(new Error('interrupted'));
    return 'silence';
  };
  const kubeconfig = await doctor.api.kubeconfig();
  const ran = await run(['doctor', 'node-a', '--kubeconfig', kubeconfig], { signal: abort.signal });
  expect(ran).toEqual({ code: 130, stdout: '', stderr: 'interrupted\n' });
});

describe('an API server that is none', () => {
  test('that is silent is asked once', async () => {
    doctor.world.answer = () => {
      void pass(DOCTOR_ANSWER_MS_MAX);
      return 'silence';
    };
    const { of, code } = await doctor.examine();
    expect(of('api-server')).toMatchObject([{ state: 'failed', exitCode: 3 }]);
    expect(code).toBe(3);
    expect(doctor.api.requests.map(({ path }) => path)).toEqual(['/version']);
  });

  test('a login page is named', async () => {
    const body = '<html><head><title>Sign in</title></head></html>';
    doctor.world.answer = () => ({ code: 200, body, headers: { 'Content-Type': 'text/html' } });
    const { of, code } = await doctor.examine();
    expect(of('api-server')).toMatchObject([
      { state: 'failed', message: expect.stringContaining('web page titled "Sign in"') },
    ]);
    const { checks } = (await doctor.examine()).report;
    const others = checks.filter(({ message }) => message === 'the API server was not reached');
    expect(others.length).toBe(19);
    expect(code).toBe(3);
  });
});

describe('rights', () => {
  const verbs = (scope: 'namespace' | 'cluster') =>
    rbacRules(scope).flatMap(({ resources, verbs: all }) =>
      all.map(verb => `${verb} ${resources.join()}`),
    );

  test('each that a role has is asked for once, and no other', async () => {
    await doctor.examine();
    const asked = doctor.api.seen('POST', /selfsubjectaccessreviews/).map(({ body }) => {
      const { resourceAttributes } = Object(body['spec']);
      const { verb, resource, subresource, namespace } = resourceAttributes;
      return `${namespace ? 'namespace' : 'cluster'} ${verb} ${resource}${subresource ? `/${subresource}` : ''}`;
    });
    const printed = (['namespace', 'cluster'] as const).flatMap(scope =>
      verbs(scope).map(right => `${scope} ${right}`),
    );
    expect(asked.toSorted()).toEqual(printed.toSorted());
  });

  test.each(['namespace', 'cluster'] as const)(
    'each one of the %s that is missing is named',
    async scope => {
      for (const right of verbs(scope)) {
        doctor.world.denied = [right];
        // Nobody else looks for one.
        const flags = right === 'get runtimeclasses' ? ['--profile=restricted'] : [];
        const { of } = await doctor.examine(['node-a', ...flags]);
        const [missing, others] = of('rights');
        expect(['failed', 'warning']).toContain(missing?.state);
        expect(missing?.hint).toContain(`verbs: ["${right.split(' ')[0]}"]`);
        expect(others?.state).toBe('ok');
      }
    },
  );

  const cases: readonly (readonly [readonly string[], readonly string[], string])[] = [
    [['create jobs'], [], 'warning'],
    [['create jobs'], ['--lifetime=job'], 'failed'],
    [['create jobs'], ['--lifetime=pod'], 'ok'],
    [['create pods'], [], 'warning'],
    [['create pods'], ['--lifetime=job'], 'warning'],
    [['create pods'], ['--lifetime=pod'], 'failed'],
    [['create pods', 'create jobs'], [], 'failed'],
    [['watch pods'], [], 'warning'],
    [['watch pods', 'list pods'], [], 'failed'],
    [['list pods'], [], 'warning'],
    [['get nodes'], [], 'failed'],
    [['get leases'], [], 'warning'],
    [['create pods/attach'], [], 'failed'],
  ];
  test.each(cases)('without %j, with %j: %s', async (denied, flags, state) => {
    doctor.world.denied = denied;
    expect((await doctor.examine(['node-a', ...flags])).state('rights')).toBe(state);
  });

  test('before 1.35 a WebSocket asks for no create', async () => {
    doctor.world.denied = ['create pods/attach'];
    doctor.world.version = 'v1.34.1';
    expect((await doctor.examine()).state('rights')).toBe('warning');
  });

  test.each([
    ['no answer', { kind: 'SelfSubjectAccessReview' }],
    ['of another verb', review({ verb: 'watch' })],
    ['of another resource', review({ resource: 'secrets' })],
  ])('a review that has %s proves nothing', async (_what, body) => {
    doctor.world.answer = ({ path }) =>
      path.endsWith('/selfsubjectaccessreviews') ? { code: 201, body } : undefined;
    const { of } = await doctor.examine();
    expect(of('rights').map(({ state }) => state)).toEqual(['unknown']);
  });

  test('an admin is told the roles as manifest rbac names them', async () => {
    doctor.world.denied = ['get nodes'];
    const [missing] = (await doctor.examine(['node-a', '-n', 'other'])).of('rights');
    const commands = missing?.adminCommands?.join('\n') ?? '';
    for (const manifest of rbacManifests('other', {})) {
      const { kind, roleRef } = z
        .looseObject({ kind: z.string(), roleRef: z.looseObject({ name: z.string() }).optional() })
        .parse(manifest);
      if (roleRef)
        expect(commands).toContain(
          `--${kind.replace('Binding', '').toLowerCase()}=${roleRef.name} `,
        );
    }
  });

  test('an admin is told whom to bind, as a shell takes it', async () => {
    doctor.world.denied = ['get nodes'];
    doctor.world.user = "o'neil@example.com; rm -rf";
    const [missing] = (await doctor.examine(['node-a', '--as=x', '--context=fake'])).of('rights');
    expect(
      missing?.adminCommands?.map(command => command.replace(/--kubeconfig=\S+ /g, '')),
    ).toEqual([
      'kubectl gpu-mcp manifest --context=fake rbac -n gpu-mcp | kubectl --context=fake apply -f -',
      `kubectl --context=fake create rolebinding gpu-mcp-o-neil-example.com-rm-rf --role=gpu-mcp '--user=o'\\''neil@example.com; rm -rf' -n gpu-mcp`,
      `kubectl --context=fake create clusterrolebinding gpu-mcp-o-neil-example.com-rm-rf --clusterrole=gpu-mcp '--user=o'\\''neil@example.com; rm -rf'`,
    ]);
    doctor.world.user = 'system:serviceaccount:ci:bot';
    const [other] = (await doctor.examine()).of('rights');
    expect(other?.adminCommands?.[1]).toContain('--serviceaccount=ci:bot -n gpu-mcp');
  });
});

function review(attributes: Json): Json {
  return {
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { verb: 'get', resource: 'x', ...attributes } },
    status: { allowed: true },
  };
}

describe('an error at the start of a session', () => {
  test.each([
    [['triage', 'node-a'], 'doctor --kubeconfig=/nowhere node-a'],
    [['call', 'node-a', 'get_gpu_inventory'], 'doctor --kubeconfig=/nowhere node-a'],
    [['triage', '-l', 'a=b'], 'doctor --kubeconfig=/nowhere'],
  ])('%j names the doctor', async (words, command) => {
    const { stderr } = await run([...words, '--kubeconfig=/nowhere']);
    expect(stderr).toMatch(
      /^error: .*\ntry: .*; kubectl gpu-mcp doctor [^;]* checks all that a session needs\n$/,
    );
    expect(stderr).toContain(`kubectl gpu-mcp ${command} checks`);
  });

  test.each([[['nodes']], [['doctor', '--kubeconfig=/nowhere', '-s', ':']], [['triage']]])(
    '%j does not',
    async words => {
      const { stderr } = await run([...words, '--kubeconfig=/nowhere']);
      expect(stderr).not.toContain('checks all that a session needs');
    },
  );
});
