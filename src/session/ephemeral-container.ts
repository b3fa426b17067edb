import {
  ApiError,
  isMissingRight,
  type ObjectName,
  type TargetContainer,
  type TargetPod,
  type V1EphemeralContainer,
  type V1SecurityContext,
} from '../cluster/port.ts';
import { type GpuMcpError, SessionError, UsageError } from '../contract/errors.ts';
import type { FirstQuestion } from '../contract/first-question.ts';
import { AGENT_ENVIRONMENT, EPHEMERAL, NAME, TERMINATION_FILE } from '../contract/labels.ts';
import { OWN_CONTAINERS_MAX, POD_LIFE_SECONDS } from '../contract/limits.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { firstQuestionVariable, pullPolicy, USER } from './pod-spec.ts';

/** What the user may choose of the container. */
export interface ContainerChoices {
  readonly image: string;
  readonly firstQuestion?: FirstQuestion | undefined;
  readonly agentArguments?: readonly string[] | undefined;
}

interface ContainerOptions extends ContainerChoices {
  readonly pod: Pick<TargetPod, 'node' | 'uid'>;
  readonly target: TargetContainer;
  readonly session: string;
  readonly user?: string | undefined;
}

export const ownContainerName = (session: string): string => `${NAME}-${session}`;

/**
 * The container that reads a pod from within: with the user and capabilities of the container beside it,
 * and never more than those, so that the kernel lets it look there; in its PIDs; without a mount.
 *
 * @throws UsageError when the image has neither tag nor digest.
 */
export function ephemeralContainer(options: ContainerOptions): V1EphemeralContainer {
  const { pod, target, session, user, image, agentArguments } = options;
  return {
    name: ownContainerName(session),
    targetContainerName: target.name,
    image,
    imagePullPolicy: pullPolicy(image),
    ...(agentArguments?.length && { args: [...agentArguments] }),
    env: [
      { name: AGENT_ENVIRONMENT.node, value: pod.node },
      { name: AGENT_ENVIRONMENT.session, value: session },
      { name: AGENT_ENVIRONMENT.hostRoot, value: '/' },
      { name: AGENT_ENVIRONMENT.profile, value: EPHEMERAL },
      { name: AGENT_ENVIRONMENT.podUid, value: pod.uid },
      { name: AGENT_ENVIRONMENT.container, value: target.id },
      { name: AGENT_ENVIRONMENT.lifeSeconds, value: String(POD_LIFE_SECONDS) },
      // The kubelet would put variables in.
      ...(user === undefined || user.includes('$(')
        ? []
        : [{ name: AGENT_ENVIRONMENT.user, value: user }]),
      // Those GPUs alone that the container beside it has: `all` would show, and open, those of others.
      { name: 'NVIDIA_VISIBLE_DEVICES', value: target.gpus.join(',') || 'void' },
      { name: 'NVIDIA_DRIVER_CAPABILITIES', value: 'utility' },
      ...firstQuestionVariable(options),
    ],
    // Whoever holds the stream keeps it: when it drops, stdin ends and the agent exits.
    ...{ stdin: true, stdinOnce: true, tty: false },
    terminationMessagePath: TERMINATION_FILE,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: securityOf(target),
  };
}

/**
 * Of a container's capabilities those that Pod Security lets anybody have (baseline), and IPC_LOCK, which jobs
 * with RDMA have: it locks memory. Who has another is looked at by nobody without it.
 */
export const CAPABILITIES = [
  ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD'],
  ...['NET_BIND_SERVICE', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT', 'IPC_LOCK'],
];

/** ptrace(2), PTRACE_MODE_READ: the same user, and of its capabilities none that we lack. */
function securityOf({ security }: TargetContainer): V1SecurityContext {
  const { user = USER, group, drop, add, confined } = security;
  const added = add.filter(name => CAPABILITIES.includes(name));
  return {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsUser: user,
    ...(group !== undefined && { runAsGroup: group }),
    ...(user === 0 ? {} : { runAsNonRoot: true }),
    // Kubernetes gives a capability to root alone.
    capabilities:
      user === 0
        ? { ...(drop.length > 0 && { drop: [...drop] }), ...(added.length > 0 && { add: added }) }
        : { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
    ...confined,
  };
}

/**
 * The container of the pod that is looked at.
 *
 * @throws UsageError or SessionError, a sentence each, where nothing can be added to the pod or beside it.
 */
export function targetOf(pod: TargetPod, wanted: string | undefined): TargetContainer {
  const where = `pod ${pod.namespace}/${pod.name}`;
  const refused = refusalOf(pod, where);
  if (refused) throw refused;
  const all = [...pod.containers, ...pod.sidecars];
  const names = all.map(({ name }) => plainText(name, 63)).join(', ');
  const [first, ...others] = pod.containers;
  if (wanted === undefined && others.length > 0) {
    throw new UsageError(
      `${where} has several containers: ${names}`,
      shell`name one: -c ${first?.name ?? ''}`,
    );
  }
  const target = wanted === undefined ? first : all.find(({ name }) => name === wanted);
  if (!target) {
    throw new UsageError(
      `${where} has no container "${plainText(wanted ?? '', 63)}"`,
      `it has ${names}: -c names one`,
    );
  }
  if (all.filter(({ name }) => name === target.name).length > 1) {
    throw new SessionError(`${where} has several containers "${target.name}"`, {
      hint: 'Kubernetes lets no such pod in: is it the right --context?',
    });
  }
  if (target.state !== 'running' || target.id === '') {
    const { name, state, reason, exitCode } = target;
    const how = [reason, exitCode === undefined ? '' : `exit code ${exitCode}`].filter(Boolean);
    throw new SessionError(
      `container ${name} of ${where} does not run: it is ${state}${how.length > 0 ? ` (${how.join(', ')})` : ''}`,
      {
        hint: shell`kubectl logs ${pod.name} -n ${pod.namespace} -c ${name} --previous; without --profile ephemeral the node tells how it ended`,
      },
    );
  }
  return target;
}

function refusalOf(pod: TargetPod, where: string): GpuMcpError | undefined {
  const hint = 'without --profile ephemeral its node is read, where a pod can start';
  if (pod.isWindows) {
    return new SessionError(`${where} runs Windows; only Linux containers can be read`, {
      hint: 'name a pod on a Linux node',
    });
  }
  if (pod.isStatic) {
    return new SessionError(
      `${where} is a static pod, which its kubelet has from a file: Kubernetes adds no container to it`,
      { hint },
    );
  }
  if (pod.deleting) {
    return new SessionError(`${where} is being deleted: no container starts in it any more`, {
      hint,
    });
  }
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') {
    const why = pod.reason === '' ? '' : ` (${pod.reason})`;
    return new SessionError(
      `${where} has ended: ${pod.phase}${why}; no container starts in it any more`,
      { hint },
    );
  }
  if (pod.node === '') {
    return new SessionError(`${where} has no node yet: it is ${pod.phase || 'Pending'}`, {
      hint: shell`kubectl describe pod ${pod.name} -n ${pod.namespace}`,
    });
  }
  if (pod.own.length < OWN_CONTAINERS_MAX) return undefined;
  return new SessionError(
    `${where} has ${pod.own.length} containers of earlier sessions, which Kubernetes never removes: no more are added`,
    { hint: 'they go with the pod; without --profile ephemeral its node is read' },
  );
}

/** A right that is missing, with the role that has all that a session in a pod takes. */
export function withRole(error: unknown, { namespace }: Pick<ObjectName, 'namespace'>): unknown {
  if (!isMissingRight(error)) return error;
  const { told, code, reason } = error;
  const hint = shell`kubectl auth can-i --list -n ${namespace}; kubectl gpu-mcp manifest rbac --profile ephemeral -n ${namespace} prints the role it takes`;
  return new ApiError(told, { code, reason, hint, cause: error });
}

/** What refuses it, with what to try for this profile. */
export function explained(
  error: unknown,
  { pod, target }: { readonly pod: ObjectName; readonly target: string },
): unknown {
  if (!(error instanceof ApiError)) return error;
  const { told, code, reason, rule } = error;
  const withHint = (hint: string) => {
    const texts = told.texts.map(words =>
      words.replace('refuses the pod', 'refuses our container in the pod'),
    );
    return new ApiError({ ...told, texts }, { code, reason, rule, hint, cause: error });
  };
  if (rule === 'pod-security') {
    return withHint(
      shell`a container as container ${target} of pod ${pod.name} would not be let in today: start the pod anew with what the standard asks for, or name a container that has it by -c`,
    );
  }
  if (rule === 'policy' || rule === 'webhook') {
    return withHint(
      'kubectl gpu-mcp manifest pod pod/NAME --profile ephemeral prints the container, for the admin of that policy to allow; docs/admins.md says how',
    );
  }
  return error;
}
