import type { ClusterContainer, ClusterEvent } from '../../contract/cluster-view.ts';
import { hookWords } from '../../contract/hook-words.ts';
import { cdiAdvice } from './cdi-words.ts';

/** Why kubelet or runtime cannot start a pod or a container of it, by their own words. */
export interface StartWords {
  /** Behind the colon of a title. */
  readonly is: string;
  readonly advice: string;
  /** Any pod that asks for a GPU here meets it, whatever is in it. */
  readonly isNodes?: true;
}

type Row = readonly [text: RegExp, words: StartWords];

const NETWORK: StartWords = {
  is: 'the network plugin does not give it a network',
  advice:
    'See the pods of the network plugin on this node, and of a secondary network its NetworkAttachmentDefinition and device plugin.',
};

/**
 * Events of a pod that is being prepared: kubelet, pkg/kubelet/events/event.go, pkg/volume and
 * pkg/kubelet/cm/dra/manager.go; containerd, internal/cri, and CRI-O of a RuntimeClass whose handler they
 * do not have (NVIDIA/gpu-operator#413, #549, #730).
 */
const REFUSALS: readonly Row[] = [
  // First: a network plugin quotes what pods ask of it.
  [
    /^(?:FailedCreatePodSandBox.*(?:\bcni\b|network for (?:sandbox|pod))|NetworkNotReady)/i,
    NETWORK,
  ],
  [
    /^FailedCreatePodSandBox.*(?:no runtime for "nvidia[\w-]{0,32}" is configured|failed to find runtime handler nvidia)/,
    {
      is: 'the container runtime has no handler nvidia',
      advice:
        'The container toolkit writes that handler into the configuration of the runtime and restarts it: look whether the toolkit runs on this node, and whether it writes into the file that this runtime reads (CONTAINERD_CONFIG, CONTAINERD_SOCKET in toolkit.env of the ClusterPolicy).',
      isNodes: true,
    },
  ],
  [
    /^FailedCreatePodSandBox.*(?:no runtime for "[^"]{0,64}" is configured|failed to find runtime handler)/,
    {
      is: 'the container runtime has no handler for its RuntimeClass',
      advice: 'Choose a RuntimeClass whose handler this node has, or set that handler up here.',
    },
  ],
  [
    /^FailedPrepareDynamicResources.*(?:compute.?domain|\bimex\b)/i,
    {
      is: 'the ComputeDomain that it claims is not ready here',
      advice:
        'The event has the words of the DRA driver: see the pod computedomain-daemon-* of this node, and, with numNodes in the domain, which nodes it still waits for.',
    },
  ],
  [
    // Ahead of the driver's own words, which quote what a claim asks for.
    /^FailedPrepareDynamicResources (?:(?!NodePrepareResources).)*DRA driver \S{0,253}nvidia\.com is not registered/,
    {
      is: 'the DRA driver that it needs is not registered with the kubelet',
      advice: 'See the kubelet plugin of the DRA driver on this node: it registers when it starts.',
      isNodes: true,
    },
  ],
  [
    /^FailedPrepareDynamicResources/,
    {
      is: 'the DRA driver does not prepare what it claims',
      advice:
        'The event has the words of the DRA driver, on this claim or on the node: see its kubelet plugin here.',
    },
  ],
  [
    /^FailedMount.*(?:configmap|secret) \S{0,260} not found|^FailedMount.*references non-existent/,
    {
      is: 'a ConfigMap or Secret that it mounts does not exist',
      advice: 'Create it, or take it out of what deploys the pod: the event names it.',
    },
  ],
  [
    /^FailedMount.*hostPath type check failed/,
    {
      is: 'a folder or file of the host that it mounts is not there',
      advice:
        'The event names the path: whatever makes it on the node has not, or another is meant.',
    },
  ],
  [
    /^Failed(?:Mount|AttachVolume|MapVolume)/,
    {
      is: 'a volume of it cannot be mounted',
      advice: 'The event names the volume: see its storage and the driver of that on this node.',
    },
  ],
  [
    /^FailedCreatePodSandBox.*containerd\.sock|^FailedCreatePodSandBox.*crio\.sock/,
    {
      is: 'the container runtime does not answer',
      advice: 'See whether it runs on the node: systemctl status containerd crio.',
      isNodes: true,
    },
  ],
  [
    /^FailedCreatePodSandBox/,
    { is: 'the runtime cannot create its sandbox', advice: 'The event has the runtime’s words.' },
  ],
];

/** Of the runtime alone: what a volume or a claim is called is for whoever writes the pod to say. */
const OF_RUNTIME = /^Failed(?:CreatePod\w{1,32})?$/;

/** What an event of a pod that is being prepared means; undefined for one that the table does not have. */
export function refusalWords({ reason, message }: ClusterEvent): StartWords | undefined {
  const refusal = first(REFUSALS, `${reason} ${message}`);
  const isOfHook =
    OF_RUNTIME.test(reason) && refusal !== NETWORK && hookWords(message) !== undefined;
  if (!isOfHook) return refusal;
  const cdi = cdiAdvice(message);
  return cdi === undefined
    ? {
        is: 'NVIDIA’s runtime cannot give it a GPU',
        advice: 'The event has its words: compare with the findings on the driver of this node.',
        isNodes: true,
      }
    : { is: 'the runtime does not find the CDI device that it asks for', advice: cdi };
}

/**
 * Why an image does not come: containerd, core/remotes/docker (`pull access denied, repository does not
 * exist or may require authorization`), the registries' HTTP status and Go's network errors.
 */
const PULLS: readonly Row[] = [
  [
    /toomanyrequests|429 too many requests|rate limit/i,
    {
      is: 'the registry of its image refuses so many pulls',
      advice: 'Pull with a login (its pull secret), or from a mirror of your own.',
    },
  ],
  [
    /no space left on device/i,
    {
      is: 'no space is left on the node for its image',
      advice: 'Free space on the node, where images and containers lie.',
    },
  ],
  [
    /\b40[13] forbidden|status ?(?:code)?:? ?40[13]\b|unauthorized|authentication required|access denied|authorization failed|basic auth credentials|insufficient_scope|denied: /i,
    {
      is: 'the registry of its image wants a login, or has no such image',
      advice: 'Check the pull secret of its service account, and the name of its image.',
    },
  ],
  [
    /no such host|i\/o timeout|connection refused|no route to host|network is unreachable|TLS handshake|x509: |server misbehaving|(?:dial|get|head|do request)\b.{0,300}deadline exceeded|Client\.Timeout/i,
    {
      is: 'the registry of its image is not reached',
      advice:
        'Look at DNS, proxy and certificates of the container runtime on this node: pods have others.',
    },
  ],
  [
    /SignatureValidationFailed|signature/i,
    {
      is: 'the signature of its image is not accepted',
      advice: 'Check the image’s signature against the policy of the runtime on this node.',
    },
  ],
  [
    /code = NotFound|manifest unknown|: not found|no match for platform/i,
    {
      is: 'its image is not in the registry',
      advice: 'Check the tag of its image, and whether there is one for the platform of the node.',
    },
  ],
];

/** Why the kubelet could not get an image: pkg/kubelet/images/types.go, and the runtimes' own words. */
const IMAGE = /Image(?:Pull|Inspect)|ErrImage|InvalidImage|RegistryUnavailable|SignatureValidation/;

/** Undefined for one that waits for no image; without a word of why, that it does not come. */
export function imageWords(
  container: Pick<ClusterContainer, 'reason' | 'message'>,
): StartWords | undefined {
  const { reason, message } = container;
  if (!IMAGE.test(reason)) return undefined;
  return first(PULLS, `${reason} ${message}`) ?? UNTOLD;
}

const UNTOLD: StartWords = {
  is: '',
  advice: 'Check the tag, the registry and the pull secret of its image.',
};

const first = (rows: readonly Row[], text: string): StartWords | undefined =>
  rows.find(([words]) => words.test(text))?.[1];
