import { describe, expect, test } from 'vitest';
import { createPodLives } from '../../src/kernel-log/pod-history.ts';
import { parsePodLine } from '../../src/kernel-log/pod-lines.ts';

const UID = '5005cb3e-82fe-47e2-8ae0-38f7595f6cb7';
const SANDBOX = 'c9643403e63ff066fbe113f57de992644d57eb3ab1aa68eca5cb91135c8cc90d';
const ID = '42c0c24ccaaa5d838a49aa4820cc89027ba2e19b647b521b9666ad2d2b4c0996';
const POD = { uid: UID, namespace: 'default', pod: 'gpu-work' };

const logrus = (message: string, fields = '') =>
  `time="2026-11-26T17:54:25.164557607Z" level=info msg="${message.replaceAll('"', '\\"')}"${fields}`;
const klog = (text: string) => `I1126 17:54:25.164557     250 kubelet.go:2639] ${text}`;

describe('lines as the kubelet and the runtimes write them', () => {
  test.each([
    [
      'containerd 2.3: a sandbox',
      logrus(
        `RunPodSandbox for name:"gpu-work"  uid:"${UID}"  namespace:"default" returns sandbox id "${SANDBOX}"`,
      ),
      { kind: 'sandbox', id: SANDBOX, pod: POD },
    ],
    [
      'containerd 1.7: a sandbox',
      logrus(
        `RunPodSandbox for &PodSandboxMetadata{Name:gpu-work,Uid:${UID},Namespace:default,Attempt:0,} returns sandbox id "${SANDBOX}"`,
      ),
      { kind: 'sandbox', id: SANDBOX, pod: POD },
    ],
    [
      'containerd 2.3: a container',
      logrus(
        `CreateContainer within sandbox "${SANDBOX}" for name:"worker" returns container id "${ID}"`,
      ),
      { kind: 'created', id: ID, sandbox: SANDBOX, container: 'worker' },
    ],
    [
      'containerd 1.7: a container',
      logrus(
        `CreateContainer within sandbox "${SANDBOX}" for &ContainerMetadata{Name:worker,Attempt:0,} returns container id "${ID}"`,
      ),
      { kind: 'created', id: ID, sandbox: SANDBOX, container: 'worker' },
    ],
    [
      'containerd: a start',
      logrus(`StartContainer for "${ID}" returns successfully`),
      { kind: 'started', id: ID },
    ],
    [
      'containerd 2.3: an end',
      logrus(
        `received container exit event container_id:"${ID}"  id:"${ID}"  pid:174  exit_status:137  exited_at:{seconds:1795715665  nanos:163586504}`,
      ),
      { kind: 'ended', id: ID, pid: 174, exitCode: 137, timeMs: 1_795_715_665_163 },
    ],
    [
      'containerd 1.7: an end with code 0, which is not printed',
      logrus(
        `TaskExit event container_id:"${ID}" id:"${ID}" pid:4020 exited_at:{seconds:1742293282 nanos:547387052}`,
      ),
      { kind: 'ended', id: ID, pid: 4020, exitCode: 0, timeMs: 1_742_293_282_547 },
    ],
    [
      'containerd 1.6: an end',
      logrus(
        `TaskExit event &TaskExit{ContainerID:${ID},ID:${ID},Pid:211974,ExitStatus:0,ExitedAt:2023-09-06 07:44:42.439304235 +0000 UTC,XXX_unrecognized:[],}`,
      ),
      {
        ...{ kind: 'ended', id: ID, pid: 211_974, exitCode: 0 },
        timeMs: Date.parse('2023-09-06T07:44:42.439Z'),
      },
    ],
    [
      'kubelet: a start',
      klog(
        `"SyncLoop (PLEG): event for pod" pod="default/gpu-work" event={"ID":"${UID}","Type":"ContainerStarted","Data":"${ID}"}`,
      ),
      { kind: 'started', id: ID, pod: POD },
    ],
    [
      'kubelet before 1.27: an end',
      klog(
        `"SyncLoop (PLEG): event for pod" pod="default/gpu-work" event=&{ID:${UID} Type:ContainerDied Data:${ID}}`,
      ),
      { kind: 'ended', id: ID, pod: POD },
    ],
    [
      'kubelet: an end with its exit code',
      klog(`"Generic (PLEG): container finished" podID="${UID}" containerID="${ID}" exitCode=137`),
      { kind: 'ended', id: ID, pod: { uid: UID }, exitCode: 137 },
    ],
    [
      'CRI-O: a sandbox',
      logrus(`Ran pod sandbox ${SANDBOX} with infra container: default/gpu-work/POD`),
      { kind: 'sandbox', id: SANDBOX, pod: { namespace: 'default', pod: 'gpu-work' } },
    ],
    [
      'CRI-O: a start with the pid',
      logrus(
        'Started container',
        ` PID=133675 containerID=${ID} description=default/gpu-work/worker sandboxID=${SANDBOX}`,
      ),
      {
        ...{ kind: 'started', id: ID, pid: 133_675, container: 'worker' },
        pod: { namespace: 'default', pod: 'gpu-work' },
      },
    ],
    [
      'CRI-O: an end',
      logrus(`Stopped container ${ID}: default/gpu-work/worker`),
      {
        ...{ kind: 'ended', id: ID, container: 'worker' },
        pod: { namespace: 'default', pod: 'gpu-work' },
      },
    ],
  ])('%s', (_what, line, expected) => {
    expect(parsePodLine(line)).toEqual(expected);
  });

  const exit = `TaskExit event container_id:"${ID}" id:"${ID}" pid:1 exit_status:1 exited_at:{seconds:1742293282}`;
  test.each([
    ['the end of a command in it (exec)', logrus(exit.replace(`id:"${ID}" pid`, 'id:"abc" pid'))],
    ['words in an error', logrus(`failed to handle container ${exit}`)],
    ['words behind the message', logrus('failed', ` error="${exit.replaceAll('"', '\\"')}"`)],
    ['words without the runtime’s frame', exit],
    ['words in another message of the kubelet', klog(`"Failed" err="SyncLoop (PLEG): ${UID}"`)],
    [
      'a name that Kubernetes forbids',
      klog(
        `"SyncLoop (PLEG): event for pod" pod="default/a b" event={"ID":"${UID}","Type":"ContainerDied","Data":"${ID}"}`,
      ),
    ],
  ])('not a pod’s line: %s', (_what, line) => {
    expect(parsePodLine(line)).toBeUndefined();
  });
});

test('lines in any order become one life, and a sandbox none', () => {
  const lines: readonly (readonly [string, number])[] = [
    [
      logrus(
        `received container exit event container_id:"${ID}"  id:"${ID}"  pid:174  exit_status:137  exited_at:{seconds:1795715665  nanos:163586504}`,
      ),
      1_795_715_665_200,
    ],
    [
      logrus(
        `RunPodSandbox for name:"gpu-work"  uid:"${UID}"  namespace:"default" returns sandbox id "${SANDBOX}"`,
      ),
      1_795_715_641_000,
    ],
    [
      klog(
        `"SyncLoop (PLEG): event for pod" pod="default/gpu-work" event={"ID":"${UID}","Type":"ContainerStarted","Data":"${SANDBOX}"}`,
      ),
      1_795_715_643_000,
    ],
    [logrus(`StartContainer for "${ID}" returns successfully`), 1_795_715_642_000],
    [
      logrus(
        `CreateContainer within sandbox "${SANDBOX}" for name:"worker" returns container id "${ID}"`,
      ),
      1_795_715_641_500,
    ],
  ];
  for (const order of [lines, lines.toReversed()]) {
    const lives = createPodLives();
    for (const [line, timeMs] of order) expect(lives.see(line, timeMs)).toBe(true);
    expect(lives.lives()).toEqual([
      {
        source: 'service_log',
        ...{ podUid: UID, namespace: 'default', pod: 'gpu-work', container: 'worker' },
        containerId: ID,
        pid: 174,
        startedMs: 1_795_715_642_000,
        endedMs: 1_795_715_665_163,
        exitCode: 137,
      },
    ]);
  }
});
