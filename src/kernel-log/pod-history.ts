import { closeSync, openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { ContainerLife } from '../contract/container-life.ts';
import type { Coverage } from '../contract/coverage.ts';
import { nodePath } from '../node-root/place.ts';
import { AnchorSet } from './anchors.ts';
import { type Candidate, JOURNAL_SLACK_MS, journalFiles, pagedFile } from './journal.ts';
import type { LoadXz } from './journal-codecs.ts';
import { JournalFile } from './journal-file.ts';
import { JournalReader } from './journal-reader.ts';
import { POD_LINE_ANCHORS, type PodLine, type PodNames, parsePodLine } from './pod-lines.ts';
import type { PodHistory, Span } from './port.ts';
import { Tally } from './source.ts';
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
    realPath: () => nodePath(root, shownPath),
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

/** Containers kept at most, the newest first; a node runs some hundreds at a time. */
const CONTAINERS_MAX = 8_192;

type Found = { -readonly [Key in keyof ContainerLife]: ContainerLife[Key] } & { sandbox?: string };

/** Puts lines of the kubelet and the runtime, in any order, together to the lives of containers. */
export function createPodLives() {
  const sandboxes = new Map<string, PodNames>();
  const found = new Map<string, Found>();
  const of = (id: string): Found => {
    const known = found.get(id) ?? { containerId: id, source: 'service_log' };
    // The map's order is that of the last word on each container.
    found.delete(id);
    found.set(id, known);
    dropOldest(found);
    return known;
  };
  const take = (line: PodLine, timeMs: number) => {
    if (line.kind === 'sandbox') {
      sandboxes.set(line.id, line.pod);
      dropOldest(sandboxes);
      return;
    }
    const life = of(line.id);
    if (line.kind === 'created') {
      life.sandbox = line.sandbox;
      life.container = line.container;
      return;
    }
    name(life, line.pod);
    if (line.container !== undefined) life.container = line.container;
    if (line.pid !== undefined) life.pid = line.pid;
    if (line.kind === 'started') {
      life.startedMs = Math.min(life.startedMs ?? timeMs, timeMs);
      return;
    }
    // The runtime sees the end first; the kubelet notices it up to a second later.
    const endedMs = line.timeMs ?? timeMs;
    life.endedMs = Math.min(life.endedMs ?? endedMs, endedMs);
    if (line.exitCode !== undefined) life.exitCode = line.exitCode;
  };
  return {
    /** Whether the line told of a container. */
    see(text: string, timeMs: number): boolean {
      const line = parsePodLine(text);
      if (line) take(line, timeMs);
      return line !== undefined;
    },
    lives: (): readonly ContainerLife[] =>
      [...found]
        // The kubelet tells of a pod's sandbox as of a container; nothing of the user runs in it.
        .filter(([id]) => !sandboxes.has(id))
        .map(([, { sandbox, ...life }]) => {
          name(life, sandboxes.get(sandbox ?? ''));
          return life;
        })
        .filter(({ pod, podUid }) => pod !== undefined || podUid !== undefined),
  };
}

function name(life: Found, { uid, namespace, pod }: PodNames = {}): void {
  if (uid !== undefined) life.podUid = uid;
  if (namespace !== undefined) life.namespace = namespace;
  if (pod !== undefined) life.pod = pod;
}

function dropOldest(map: Map<string, unknown>): void {
  if (map.size <= CONTAINERS_MAX) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

/** What is left to read before a search ends early: entries, and bytes of their messages. */
interface Budget {
  entries: number;
  bytes: number;
}

interface ServiceJournal {
  /** As the Coverage names it, and where it is for us. */
  readonly shownPath: string;
  readonly realPath: () => Promise<string>;
  /** Names of systemd units, `kubelet.service`. */
  readonly units: readonly string[];
  readonly anchors: AnchorSet;
  readonly loadXz?: LoadXz | undefined;
}

interface ServiceRequest {
  /** Read in their order: the one that matters most comes first. */
  readonly spans: readonly Span[];
  readonly visit: (text: string, timeMs: number) => void;
  readonly signal: AbortSignal;
  readonly budget: Budget;
}

const ENTRIES_AT_ONCE = 1_000;

/**
 * What some units wrote in some spans of time: the index of each file leads to the units' entries,
 * and no other entry is read. `_SYSTEMD_UNIT` is journald's own word and cannot be forged.
 */
async function scanUnits(journal: ServiceJournal, request: ServiceRequest): Promise<Coverage> {
  const tally = new Tally(`${journal.shownPath} (kubelet and container runtime)`);
  try {
    const files = await journalFiles(journal, tally);
    for (const span of request.spans) {
      for (const file of files) {
        if (request.signal.aborted || isSpent(request.budget)) break;
        if (!overlaps(file, span)) continue;
        await scanFile(file, journal, { ...request, span }, tally);
      }
    }
  } catch (error) {
    tally.failed(error);
  }
  noteEnd(request, tally);
  return tally.coverage();
}

const isSpent = ({ entries, bytes }: Budget): boolean => entries <= 0 || bytes <= 0;

/** Says that a search ended before its spans did. */
function noteEnd({ signal, budget }: ServiceRequest, tally: Tally): void {
  if (signal.aborted) tally.note('the search was cancelled before the end');
  if (isSpent(budget)) tally.note('the search ended early: too many lines in that time');
}

const overlaps = ({ header }: Candidate, { sinceMs, untilMs }: Span): boolean =>
  header.entries > 0 &&
  header.headTimeMs <= untilMs &&
  (header.online || header.tailTimeMs + JOURNAL_SLACK_MS >= sinceMs);

async function scanFile(
  { realPath, shownPath, header }: Candidate,
  { units, anchors, loadXz }: ServiceJournal,
  request: ServiceRequest & { readonly span: Span },
  tally: Tally,
): Promise<void> {
  const { visit, budget, span, signal } = request;
  const descriptor = openSync(realPath, 'r');
  try {
    const file = new JournalFile(pagedFile(descriptor), header);
    const reader = new JournalReader(file, loadXz);
    const { found, broken } = file.dataOf(
      '_SYSTEMD_UNIT',
      units.map(unit => `_SYSTEMD_UNIT=${unit}`),
    );
    if (broken) {
      tally.malformed++;
      tally.note(`${shownPath} is cut or damaged: lines of these services may be missing`);
    }
    for (const { offset: unit } of found) {
      for (const offset of file.indexed(unit, span.sinceMs * 1_000)) {
        const timeMs = (file.realtimeUs(offset) ?? 0) / 1_000;
        if (timeMs < span.sinceMs) continue;
        if (timeMs > span.untilMs || isSpent(budget)) break;
        tally.records++;
        budget.entries--;
        if (tally.records % ENTRIES_AT_ONCE === 0) {
          // Reading is synchronous: between two portions the rest of the program gets its turn.
          await setImmediate();
          if (signal.aborted) return;
        }
        const message = await reader.message(offset);
        tally.covers(timeMs);
        budget.bytes -= message?.length ?? 0;
        if (!message || anchors.find(message, 0, message.length) < 0) continue;
        visit(message.toString('utf8'), timeMs);
      }
    }
    tally.malformed += reader.malformed;
  } finally {
    closeSync(descriptor);
  }
}
