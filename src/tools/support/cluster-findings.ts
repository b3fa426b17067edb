import * as z from 'zod';
import type { ClusterPod, ClusterView } from '../../contract/cluster-view.ts';
import {
  ACTIONS,
  type Finding,
  type GpuRef,
  gpusOf,
  SEVERITIES,
  type Verdict,
} from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { known, missing, present, type Reading } from '../../contract/reading.ts';
import { stuckParts } from '../../contract/stuck-stack.ts';
import { type CheckResult, worstOf } from '../../findings/checks.ts';
import type { Clue } from '../../findings/clue.ts';
import { hitsByCluster } from '../../findings/remedy.ts';
import { domainFindings, type OwnClique } from '../../findings/rules/compute-domains.ts';
import { draDriver, taintedDevices } from '../../findings/rules/device-taints.ts';
import { draDeviceClues } from '../../findings/rules/dra-devices.ts';
import { missingGpus } from '../../findings/rules/expected-gpus.ts';
import { noneRegistered } from '../../findings/rules/gpu-registration.ts';
import { gpuStack, STACK_STUCK } from '../../findings/rules/gpu-stack.ts';
import { nodeConditions } from '../../findings/rules/node-conditions.ts';
import { nvsentinel, platformActions } from '../../findings/rules/platform-actions.ts';
import { podsNotStarting } from '../../findings/rules/pods-not-starting.ts';
import { stackImages } from '../../findings/rules/stack-versions.ts';
import { countsOfCluster, countsOfDra } from '../../findings/support/gpu-counts.ts';
import type { GpuRow } from './gpu-rows.ts';
import type { LayerCounts } from './host-rows.ts';

/** A GPU that the kernel log knows and the PCI bus does not show. */
export const GoneGpu = z.strictObject({
  pci: z.string(),
  uuid: z.string().exactOptional(),
  serial: z.string().exactOptional(),
  since: z.string().exactOptional(),
});

interface Judged {
  readonly verdict: Verdict;
  readonly findings: Finding[];
  readonly gpus: readonly GpuRow[];
  readonly layers: LayerCounts;
  readonly gone?: readonly z.infer<typeof GoneGpu>[];
  /** What the fabric itself numbers the GPUs by. */
  readonly cliques?: readonly OwnClique[] | undefined;
  readonly host: { readonly moduleVersion?: string | undefined };
}

/**
 * The findings of the node with those of the cluster among them, worst first, the verdict over all,
 * and the GPUs that every layer counts. What of the cluster was not read makes no GPU unwell: it
 * changes no verdict.
 */
export function withCluster(judged: Judged, view: ClusterView) {
  const { verdict, layers } = judged;
  const node = known(view.node);
  const told = toldBy(judged, view);
  const clues = Object.values(told).flat();
  const added = clues.map(
    ({ cause: _, sign: __, ...finding }): Finding => ({
      ...besideOwn(finding, judged),
      ...(finding.severity === 'info'
        ? {}
        : optional({ hits: hitsByCluster(view.pods, finding.action) })),
    }),
  );
  const all = [...withDriverPod(judged, added, view), ...added].toSorted(byWeight);
  const worst = added.toSorted(byWeight)[0]?.severity ?? 'info';
  return {
    findings: all,
    verdict:
      WEIGHTS.indexOf(worst) < WEIGHTS.indexOf(verdict) ? verdictOf(worst, verdict) : verdict,
    layers: { ...layers, ...(node ? countsOfCluster(node) : {}), ...countsOfDra(view) },
    // What the agent could not check.
    checks: checksOf(told),
  };
}

/**
 * Where no driver is loaded and the pod that is to load it is stuck, that is what is to be repaired, or
 * what it waits for. The parts behind it are stuck for want of the driver, and without a GPU on the bus there is none to load.
 */
function withDriverPod(
  { findings, layers }: Judged,
  added: readonly Finding[],
  view: ClusterView,
): readonly Finding[] {
  const isStuck = stuckParts(known(view.pods)).some(
    ({ pod }) => pod.part === 'driver' && !pod.isClaim,
  );
  if (!isStuck || layers.pciBus === 0) return findings;
  const stuck = added.find(({ id }) => id === STACK_STUCK);
  return findings.map(finding =>
    stuck && finding.id === 'driver-not-loaded'
      ? {
          ...finding,
          advice: stuck.advice,
          evidence: [...stuck.evidence, ...finding.evidence],
        }
      : finding,
  );
}

/** What each rule of the cluster tells. What was not read is no check that is well. */
function toldBy(
  { gpus, layers, gone = [], cliques = [], host }: Judged,
  view: ClusterView,
): Readonly<Record<string, readonly Clue[]>> {
  const counted = gpus.filter(row => row.index !== undefined);
  const [node, pods] = [known(view.node), known(view.pods)];
  const stack = gpuStack({ cluster: view });
  const { moduleVersion } = host;
  const loaded = moduleVersion === undefined ? missing('not_read') : present(moduleVersion);
  return {
    ...(node && {
      'node-conditions': nodeConditions({
        cluster: view,
        driver: {
          gpus: counted.map(({ error }) => ({
            handle: error === undefined ? present(true) : missing('unknown', error),
          })),
        },
        host: { pods: { allocatable: missing('not_read') } },
      }),
      'expected-gpus': missingGpus(node, {
        counts: layers,
        names: gpus.flatMap(({ name }) => name ?? []),
        gone,
      }),
      ...unlessUnread('platform-actions', platformActions({ cluster: view }), [
        view.nodeEvents,
        view.nodeClaim,
      ]),
      ...unlessUnread('nvsentinel', nvsentinel({ cluster: view }), [node.quarantine]),
      ...unlessUnread('compute-domains', domainFindings(view, cliques), [view.computeDomains]),
    }),
    ...unlessUnread('gpu-stack', stack, [stackOf(view), view.node, ...eventsOf(pods?.stack)]),
    ...unlessUnread(
      'gpu-registration',
      noneRegistered(view, { nvml: layers.nvml, kubelet: layers.kubeletAllocatable }),
      [view.node, stackOf(view), view.devices && isThere(view.devices)],
    ),
    ...unlessUnread('pods-not-starting', podsNotStarting({ cluster: view }), [
      view.pods,
      ...eventsOf(pods?.gpuPods),
    ]),
    ...unlessUnread(
      'stack-images',
      stackImages({ cluster: view, host: { moduleVersion: loaded } }),
      [stackOf(view), loaded],
    ),
    ...(view.devices?.ok && {
      ...unlessUnread('device-taints', taintedDevices(view, gpus), [view.taintRules]),
      ...unlessUnread('dra-driver', draDriver({ cluster: view }), [stackOf(view)]),
      ...unlessUnread('dra-devices', draDeviceClues(view, gpus), [stackOf(view), view.claims]),
    }),
  };
}

/**
 * What the platform believes of a GPU beside what this answer says of it: a finding of ours that
 * agrees, or that there is none.
 */
function besideOwn(finding: Finding, { verdict, findings: own, gpus }: Judged): Finding {
  const named = gpusOf(finding);
  if (named.length === 0) return finding;
  const about = own.filter(
    other => other.severity !== 'info' && gpusOf(other).some(gpu => named.some(isSameGpu(gpu))),
  );
  // Of a GPU that was not read, or under a fault of the whole node, nothing is shown.
  const isRead = named.every(name =>
    gpus.some(row => row.error === undefined && isSameGpu(name)(row)),
  );
  const isNodes = own.some(other => other.severity === 'critical' && gpusOf(other).length === 0);
  if (about.length === 0 && (verdict === 'unknown' || !isRead || isNodes)) return finding;
  return about.length > 0
    ? {
        ...finding,
        evidence: [
          ...finding.evidence,
          ...about.slice(0, 2).map(({ title }) => ({ what: title, source: 'the node itself' })),
        ],
      }
    : {
        ...finding,
        counterEvidence: [
          ...finding.counterEvidence,
          named.length === 1
            ? 'the node itself shows no fault of this GPU'
            : 'the node itself shows no fault of these GPUs',
        ],
      };
}

/** By the first name that both have: an index is of this boot, a UUID for ever. */
const isSameGpu =
  (a: GpuRef) =>
  (b: GpuRef): boolean => {
    if (a.uuid !== undefined && b.uuid !== undefined) return a.uuid === b.uuid;
    if (a.pci !== undefined && b.pci !== undefined) return a.pci === b.pci;
    return a.index !== undefined && a.index === b.index;
  };

/** What it rests on in part was not read: a finding stands, and none is no check that is well. */
const unlessUnread = (
  name: string,
  clues: readonly Clue[],
  parts: readonly (Reading<unknown> | undefined)[],
) => (clues.length === 0 && parts.some(part => part?.ok === false) ? {} : { [name]: clues });

/** Of pods that may be idle: only these say why nothing of them begins. */
const eventsOf = (pods: readonly ClusterPod[] = []) => pods.map(({ events }) => events);

/** A cluster without DRA has none to be read. */
const isThere = (devices: Reading<unknown>): Reading<unknown> =>
  !devices.ok && devices.reason === 'not_found' ? present([]) : devices;

/** The pods of NVIDIA's software: who may not list all pods, and an older bundle, does not see them. */
const stackOf = ({ pods }: ClusterView): Reading<unknown> =>
  pods.ok && (pods.value.namespace !== null || !pods.value.stack) ? missing('no_permission') : pods;

const checksOf = (told: Readonly<Record<string, readonly Clue[]>>): Record<string, CheckResult> =>
  Object.fromEntries(
    Object.entries(told).map(([name, clues]) => [name, worstOf(clues) ?? 'ok'] as const),
  );

const WEIGHTS: readonly string[] = ['critical', 'warning', 'unknown', 'healthy', 'info'];

const verdictOf = (worst: Finding['severity'], verdict: Verdict): Verdict =>
  worst === 'info' ? verdict : worst;

const byWeight = (a: Finding, b: Finding): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  ACTIONS.indexOf(b.action) - ACTIONS.indexOf(a.action);
