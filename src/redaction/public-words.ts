import { hookWords } from '../contract/hook-words.ts';
import type { Names } from './names.ts';

/**
 * Words that are no tenant's: of programs and components that everybody's nodes run, in NVIDIA's,
 * Kubernetes' and the distributions' own spelling. Only what is equal to one stays as it is.
 */

/** The kernel keeps 15 characters of a process name. */
const COMM_CHARACTERS_MAX = 15;

/** Programs by comm: what the rules about daemons and helpers go by, and the driver's own threads. */
const PROGRAMS: ReadonlySet<string> = new Set([
  ...['nvidia-smi', 'nvidia-persiste', 'nv-fabricmanage', 'nvlsm', 'nvidia-imex', 'nv-hostengine'],
  ...['nvidia-cuda-mps', 'dcgm-exporter', 'nvidia-device-p', 'nvidia_gpu', 'nvidia-gpu-devi'],
  ...['gpu-feature-dis', 'nvidia-mig-mana', 'nvidia-mig-part', 'gpu-kubelet-plu'],
  ...['nvidia-toolkit', 'nvidia-ctk', 'nvidia-modeset/', 'nvidia-modeset', 'nv_queue', 'nv_open_q'],
  ...['node-problem-de', 'kubelet', 'k3s-server', 'k3s-agent', 'k3s', 'rke2', 'k0s'],
  ...['containerd', 'containerd-shim', 'crio', 'conmon', 'dockerd', 'runc', 'systemd'],
  ...['chronyd', 'ntpd', 'systemd-timesyn', 'ptp4l', 'phc2sys', 'timed', 'khungtaskd'],
]);

/** A process name as it may leave: `proc-3f2a91c0`, or a program's own that everybody knows. */
export function processToken(names: Names, name: string): string {
  const comm = name.slice(0, COMM_CHARACTERS_MAX);
  return PROGRAMS.has(comm) ? comm : names.token('proc', comm);
}

/** What writes fields and events of nodes and pods, beside `kubectl-*`. */
const WRITERS: ReadonlySet<string> = new Set([
  ...['kubectl', 'kubectl-cordon', 'kubectl-drain', 'kubectl-taint', 'kubectl-edit'],
  ...['kubectl-patch', 'kubectl-client-side-apply', 'kubelet', 'kube-controller-manager'],
  ...['kube-scheduler', 'default-scheduler', 'node-controller', 'taint-eviction-controller'],
  ...['job-controller', 'replicaset-controller', 'daemonset-controller'],
  ...['statefulset-controller', 'cluster-autoscaler', 'karpenter', 'node-problem-detector'],
  ...['kernel-monitor', 'nvsentinel', 'gpu-operator', 'cloud-node-lifecycle-controller'],
]);

/** The program that wrote a field or an event. */
export const writerToken = (names: Names, writer: string): string =>
  WRITERS.has(writer) ? writer : names.token('agent', writer);

/** A reason, a condition's type, a kind: one word as Kubernetes' API conventions write them. */
export const camelWord = (names: Names, word: string): string =>
  /^(?:[A-Z][A-Za-z0-9]{0,63})?$/.test(word) ? word : names.token('word', word);

/** `Job/train-7`: what kind of thing it is stays. */
export function ownerToken(names: Names, owner: string): string {
  const [kind = '', ...rest] = owner.split('/');
  return `${camelWord(names, kind)}/${names.token('owner', rest.join('/'))}`;
}

/** Domains whose label and taint keys are public; a bare key is anybody's. */
const PUBLIC_KEY =
  /^(?:[a-z0-9-]+\.)*(?:kubernetes\.io|k8s\.io|nvidia\.com|google\.com|amazonaws\.com|eksctl\.io|azure\.com|oracle\.com|karpenter\.sh)\/[\w.-]*$/;

/** The key of a label or taint. */
export const keyToken = (names: Names, key: string): string =>
  PUBLIC_KEY.test(key) ? key : names.token('label', key);

/** Values that name no one: rules and readers go by them. */
const PUBLIC_VALUES: readonly RegExp[] = [
  /^(?:\d{1,12}|v?\d+(?:\.\d+){1,3}|true|false|amd64|arm64|linux)?$/,
  // NVIDIA's operator and MIG manager.
  /^(?:success|failed|pending|none|single|mixed|all-disabled|all-balanced|all-\d+g\.\d+gb)$/,
  /^(?:upgrade|pod-restart|cordon|drain|uncordon|validation)-(?:required|done|failed)$/,
  // GPUs, as GPU feature discovery and GKE write them: NVIDIA-H100-80GB-HBM3, nvidia-tesla-t4.
  /^(?:NVIDIA|Tesla)(?:-(?:Tesla|(?:GB|GH|B|H|A|L|V|P|T)\d{1,3}[A-Z]{0,2}|A10G|SXM\d?|PCIE?|HBM\d?e?|NVL|\d{1,3}GB|RTX|Ada|Generation))+$/i,
  // Machines: p5.48xlarge, a3-highgpu-8g, Standard_ND96isr_H100_v5, BM.GPU.H100.8.
  /^[a-z]{1,2}\d{1,2}[a-z]{0,3}\.(?:metal|\d{0,3}x?large)$/,
  /^[a-z]\d{1,2}[a-z]?-(?:high|mega|ultra|max|edge)gpu-\d+g$/,
  /^Standard_N[A-Z]{1,2}\d{1,3}[a-z]{0,6}_(?:[AHV]\d{2,3}_)?v\d$/,
  /^BM\.GPU\d?\.(?:GB?|B|H|A|L)\d{1,3}S?(?:-v\d)?\.\d$/,
];

/** The value of a label or taint, or a machine's type. */
export const valueToken = (names: Names, value: string): string =>
  PUBLIC_VALUES.some(form => form.test(value)) ? value : names.token('label', value);

/** A variable of a process that says which GPUs it was given. */
export const isDeviceVariable = (name: string): boolean =>
  /^(?:NVIDIA_(?:VISIBLE_DEVICES|DRIVER_CAPABILITIES)|CUDA_VISIBLE_DEVICES)$/.test(name);

/** Which GPUs and capabilities: indexes, UUIDs, `all`, `compute,utility`. */
const DEVICES =
  /^(?:(?:all|none|void|no-dev-files|compute|utility|graphics|video|display|ngx|compat32|-?\d{1,3}(?::\d{1,3})*|(?:GPU|MIG)-[0-9a-f/-]{8,64})(?:,(?!$)|$))*$/;

/** What such a variable is set to. */
export const deviceSetting = (value: string): string => (DEVICES.test(value) ? value : WITHHELD);

export const WITHHELD = '(withheld)';

/**
 * What a free text may say of itself, beside what NVIDIA's runtime says in it: words of the kubelet and the
 * kernel, and what names a GPU. Rules look for some of them.
 */
const PUBLIC_PHRASES =
  /out of memory|exit code \d{1,3}\b|\bS?Xid\b[^a-z0-9]{0,4}\d{1,5}\b|\bGPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?\b|insufficient nvidia\.com\/gpu\b|ephemeral-storage|back-off restarting|failed to pull image/gi;
const PHRASES_MAX = 6;

/** Free text of others is withheld; what of it is public vocabulary is named. */
export function withheld(text: string): string {
  if (text === '') return '';
  const phrases = [hookWords(text) ?? [], text.match(PUBLIC_PHRASES) ?? []].flat();
  const said = [...new Set(phrases)].slice(0, PHRASES_MAX);
  return said.length === 0 ? '(text withheld)' : `(text withheld; it says: ${said.join('; ')})`;
}
