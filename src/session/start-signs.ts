import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { NodeState, ObjectEvent, PodState } from '../cluster/port.ts';
import { inFull, SessionError, type Shown, sentenceOf } from '../contract/errors.ts';
import { CONTAINER } from '../contract/labels.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { VERSION } from '../contract/version.ts';
import { SentRow, sentFacts } from '../mcp/results.ts';

/** What a sign on the way to a running pod means. Pure: start.ts acts on it. */
export type Sign =
  | { readonly kind: 'running' }
  | { readonly kind: 'waiting'; readonly say: string | undefined }
  | {
      readonly kind: 'failed';
      readonly sentence: string;
      readonly hint: string;
      readonly ran: boolean;
    }
  /** The node has no such directory: the pod never starts with it, but would without. */
  | { readonly kind: 'lacking'; readonly path: string };

/** Of a text of others in a sentence of ours. */
export const WORDS_MAX = 600;

const waiting = (say?: string): Sign => ({ kind: 'waiting', say });
const failed = (sentence: string, hint: string, ran = false): Sign => ({
  kind: 'failed',
  sentence,
  hint,
  ran,
});

/** Why no pod can start on this node; undefined when one can. Of its kubelet's words `shown` are said. */
export function unusableNode(
  node: NodeState,
  shown = inFull,
): { sentence: string; hint: string } | undefined {
  const hint = shell`kubectl describe node ${node.name}`;
  if (node.operatingSystem === 'windows') {
    return { sentence: `node "${node.name}" runs Windows; only Linux nodes can be read`, hint };
  }
  if (node.labels['type'] === 'virtual-kubelet') {
    return { sentence: `node "${node.name}" is a virtual one: it runs no privileged pods`, hint };
  }
  const ready = node.conditions.find(({ type }) => type === 'Ready');
  if (ready === undefined || ready.status === 'True') return undefined;
  const silent = ready.status === 'Unknown' ? ': its kubelet does not report' : '';
  const words = shown(plainText(ready.message, 200));
  return {
    sentence: `node "${node.name}" is not ready since ${ready.since || 'its start'}${silent}${words ? ` (${words})` : ''}; no pod can start there`,
    hint,
  };
}

/** The registry has answered, or is not there: asking again in ten seconds will not help. */
const PULL_REFUSED =
  /connection refused|no route to host|x509|lookup \S+|not found|unauthorized|authentication required|denied|forbidden|manifest unknown|no match for platform|no matching manifest|invalid reference|does not exist|no such host/i;

/**
 * Of the pod's status, with an image of ours or, carried, of the node. `pullsFailed` counts the failed pulls
 * seen before this one. Decided by its kubelet's words, of which `shown` are said.
 */
export function readPodSign(
  pod: PodState,
  pullsFailed: number,
  { isCarried = false, shown = inFull } = {},
): Sign {
  const container = pod.containers.find(({ name }) => name === CONTAINER);
  const where = `pod ${pod.namespace}/${pod.name}`;
  const words = plainText(container?.message || pod.message, WORDS_MAX);
  const message = shown(words);
  if (pod.deleting)
    return failed(`${where} was deleted before it ran`, 'who deleted it? kubectl get events');
  if (container?.state === 'running') return { kind: 'running' };
  if (isCarried && container && WITHOUT_SHELL.test(words)) {
    return failed(
      `the image ${plainText(container.image, 300)} has no shell that would take the agent`,
      '--no-image=IMAGE names another image of the node: busybox, or what is made from Debian',
    );
  }
  if (container?.state === 'terminated') {
    const code = `exit code ${container.exitCode ?? 'unknown'}`;
    const why = [container.reason, code].filter(Boolean).join(', ');
    return failed(
      `${where} ended at once (${why})${message && `: ${message}`}`,
      /exec format error/i.test(words)
        ? `the image ${container.image} is not built for this node's architecture: kubectl get node ${pod.node} -L kubernetes.io/arch; --image names one that is`
        : 'is it the right image?',
      true,
    );
  }
  if (pod.phase === 'Failed') {
    return failed(
      `the kubelet of ${pod.node} refused ${where}: ${pod.reason}${message && `: ${message}`}`,
      refusedHint(pod.reason, pod.node),
    );
  }
  switch (container?.reason) {
    case 'ErrImagePull':
      if (PULL_REFUSED.test(words) || pullsFailed > 0) return pullFailed(container.image, message);
      return waiting(`pulling the image failed, the kubelet tries again: ${message}`);
    case 'InvalidImageName':
    case 'ErrImageNeverPull':
    case 'ImageInspectError':
      return isCarried && container.reason === 'ErrImageNeverPull'
        ? failed(
            `the image ${plainText(container.image, 300)} is not on ${pod.node}, and --no-image pulls none`,
            '--no-image=IMAGE names one that is there: crictl images on the node lists them all',
          )
        : pullFailed(container.image, message || container.reason);
    case 'CreateContainerConfigError':
    case 'CreateContainerError':
    case 'RunContainerError':
      return failed(
        `the container of ${where} cannot be created: ${message}`,
        shell`kubectl describe pod ${pod.name} -n ${pod.namespace}`,
      );
    // ContainerCreating, ImagePullBackOff, PodInitializing, or nothing yet.
    default:
      return waiting();
  }
}

/** What runc and crun say of a program that an image lacks. */
const WITHOUT_SHELL = /exec: "sh": executable file not found|executable file `sh` not found/;

const pullFailed = (image: string, message: string): Sign =>
  failed(
    `the image ${image} cannot be pulled: ${message}`,
    image.startsWith('localhost/')
      ? LOAD_IMAGE
      : '--image names another place for it, --image-pull-secret the login',
  );

/** Of a plugin that was not released: no registry has its image. docs/air-gapped.md says more. */
const LOAD_IMAGE =
  'npm run image -- --output gpu-mcp.tar makes it; put it on the node (kind load image-archive gpu-mcp.tar, k3s ctr images import gpu-mcp.tar, ctr -n k8s.io images import gpu-mcp.tar) or into a registry (skopeo copy --all oci-archive:gpu-mcp.tar docker://REGISTRY/gpu-mcp:VERSION) that --image names';

function refusedHint(reason: string, node: string): string {
  return /OutOf|Evicted|Preempt/.test(reason)
    ? `the node is full, and a higher --priority-class would evict another pod: kubectl get pods -A --field-selector spec.nodeName=${node} shows whose; kubectl gpu-mcp nodes needs no pod`
    : 'kubectl describe node tells what it lacks';
}

const PROGRESS: Readonly<Record<string, (event: ObjectEvent, shown: Shown) => string | undefined>> =
  {
    Pulling: (event, shown) => `pulling image ${shown(/"(.+?)"/.exec(event.message)?.[1] ?? '')}`,
    Pulled: event => (/already present/.test(event.message) ? undefined : 'image pulled'),
  };

/**
 * Of an event about the Job or the pod. `paths` are the host directories that the pod mounts. Decided by
 * the words of who wrote it, of which `shown` are said.
 */
export function readEventSign(event: ObjectEvent, paths: readonly string[], shown = inFull): Sign {
  const words = plainText(event.message, WORDS_MAX);
  const message = shown(words);
  const { refusal } = event;
  if (refusal) return failed(sentenceOf(refusal.sentence, shown), refusal.hint);
  switch (event.reason) {
    case 'FailedCreate':
      // The Job's controller tries again after a webhook's time-out, but no refusal goes away.
      return /forbidden|denied|is invalid/i.test(words)
        ? failed(
            `the cluster refuses the pod: ${message}`,
            'kubectl gpu-mcp manifest pod prints the pod',
          )
        : waiting(message);
    case 'FailedMount': {
      const missing = /hostPath type check failed[:,] (\S+) is not a directory/.exec(words)?.[1];
      const path = paths.find(one => one === missing);
      return path === undefined ? waiting(message) : { kind: 'lacking', path };
    }
    case 'FailedCreatePodSandBox':
      // containerd; CRI-O, each of a RuntimeClass whose handler this node does not have.
      return /no runtime for "[^"]*" is configured|failed to find runtime handler/.test(words)
        ? failed(
            `the node has no runtime for the pod's RuntimeClass: ${message}`,
            '--runtime-class names another; --profile unmounted needs none',
          )
        : waiting(message);
    case 'NetworkNotReady':
    case 'FailedPostStartHook':
      return waiting(message);
    default:
      return waiting(PROGRESS[event.reason]?.(event, shown));
  }
}

/** What a pod that leaves a row has come to: its row, why there will be none, or what it does. Pure. */
export type RowSign =
  | { readonly kind: 'row'; readonly row: CallToolResult }
  | { readonly kind: 'failed'; readonly error: SessionError }
  | { readonly kind: 'waiting'; readonly words: string };

/** `pullsFailed` counts the failed pulls seen before this one. */
export function readRowSign(
  pod: PodState,
  node: string,
  pullsFailed: number,
  shown = inFull,
): RowSign {
  const row = rowIn(pod, node);
  if (row instanceof Error) return { kind: 'failed', error: row };
  if (row) return { kind: 'row', row };
  const sign = readPodSign(pod, pullsFailed, { shown });
  if (sign.kind === 'failed') {
    return { kind: 'failed', error: new SessionError(sign.sentence, { hint: sign.hint }) };
  }
  const container = pod.containers.find(({ name }) => name === CONTAINER);
  const state = plainText(container?.reason || pod.phase || 'Pending', 80);
  const words = sign.kind === 'waiting' ? (sign.say ?? `is ${state}`) : 'reads its node';
  return { kind: 'waiting', words: `pod ${pod.namespace}/${pod.name}: ${words}` };
}

/** The row in a pod's last words; undefined while it has said none. */
function rowIn({ containers }: PodState, node: string): CallToolResult | SessionError | undefined {
  const container = containers.find(({ name }) => name === CONTAINER);
  if (container?.state !== 'terminated') return undefined;
  const sent = sentRowIn(container.message);
  if (!sent) return undefined;
  const { version, provenance, facts } = sent;
  if (version === VERSION) return sentFacts(facts, provenance);
  return new SessionError(
    `the agent on ${node} is version ${plainText(version, 40)}, this plugin is ${VERSION}`,
    { hint: `use the image of version ${VERSION}` },
  );
}

function sentRowIn(message: string): SentRow | undefined {
  try {
    return SentRow.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined;
  }
}
