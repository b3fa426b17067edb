import { join } from 'node:path';
import type { Coverage } from '../contract/coverage.ts';
import { AnchorSet } from './anchors.ts';
import type { LoadXz } from './journal-codecs.ts';
import { POD_LINE_ANCHORS } from './pod-lines.ts';
import { createPodLives } from './pod-lives.ts';
import type { PodHistory } from './port.ts';
import { type ServiceRequest, scanUnits } from './service-journal.ts';
import { type Family, familySource } from './text-files.ts';

export interface NodePodHistoryOptions {
  /** Where the node's files lie for us: `/host` in the pod, `/` on the node itself. */
  readonly root: string;
  readonly nowMs: () => number;
  readonly loadXz?: LoadXz | undefined;
}

/** Who runs kubelets and containers, by distribution: upstream, OpenShift, k3s, RKE2, MicroK8s. */
const UNITS = [
  'kubelet.service',
  'containerd.service',
  'crio.service',
  'k3s.service',
  'k3s-agent.service',
  'rke2-server.service',
  'rke2-agent.service',
  'snap.microk8s.daemon-kubelite.service',
  'snap.microk8s.daemon-containerd.service',
];
/** The tags under which syslog daemons write the same lines. */
const TAG =
  /(?:^|\s)(?:kubelet|kubenswrapper|hyperkube|containerd|crio|k3s|rke2|microk8s\.daemon-(?:kubelite|kubelet|containerd))\[\d{1,8}\]: $/;
const FAMILIES: readonly Family[] = ['syslog', 'messages', 'daemon.log'].map(name => ({
  kind: 'text',
  name,
  trust: TAG,
}));

/** A busy kubelet writes some 20,000 lines a day. */
const ENTRIES_MAX = 200_000;
const BYTES_MAX = 128 * 1024 * 1024;

/** The lives of containers from the node's journal, or where it has none from its syslog. */
export function createNodePodHistory({ root, nowMs, loadXz }: NodePodHistoryOptions): PodHistory {
  const anchors = new AnchorSet(POD_LINE_ANCHORS);
  const journals = ['/var/log/journal', '/run/log/journal'].map(shownPath => ({
    shownPath,
    realPath: join(root, shownPath),
    units: UNITS,
    anchors,
    loadXz,
  }));
  const texts = FAMILIES.map(family => familySource({ root, anchors, nowMs, loadXz }, family));
  return {
    async read(spans, signal) {
      const lives = createPodLives();
      const request: ServiceRequest = {
        spans,
        visit: (text, timeMs) => lives.see(text, timeMs),
        signal,
        budget: { entries: ENTRIES_MAX, bytes: BYTES_MAX },
      };
      const coverage: Coverage[] = [];
      for (const journal of journals) coverage.push(await scanUnits(journal, request));
      // A syslog repeats the journal and has no index: it is read where no journal tells anything.
      const isTold = coverage.some(({ available, records }) => available && records > 0);
      for (const source of isTold || spans.length === 0 ? [] : texts) {
        const sinceMs = Math.min(...spans.map(span => span.sinceMs));
        const untilMs = Math.max(...spans.map(span => span.untilMs));
        const found = await source.scan({
          window: { sinceMs, untilMs },
          visit: ({ text, timeMs }) => {
            if (timeMs !== null) lives.see(text, timeMs);
          },
          signal,
        });
        coverage.push(
          ...found.map(each => ({
            ...each,
            source: `${each.source} (kubelet and container runtime)`,
            // Lines of other programs are most of such a file.
            untrusted: 0,
          })),
        );
      }
      return { lives: lives.lives(), coverage };
    },
  };
}
