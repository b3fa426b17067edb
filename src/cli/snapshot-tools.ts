import { join } from 'node:path';
import * as z from 'zod';
import type { Kept, OwnTool } from '../bridge/bridge.ts';
import type { NodePool } from '../bridge/node-pool.ts';
import { packed, readBundle, unpacked, writeBundle } from '../bundle/bundle-file.ts';
import { type Bundle, nodeOf } from '../bundle/document.ts';
import { linesOf } from '../contract/answer.ts';
import { UsageError } from '../contract/errors.ts';
import {
  CAPTURE_SECONDS_MAX,
  PASTED_CHARACTERS_MAX,
  SNAPSHOTS_BYTES_MAX,
  SNAPSHOTS_KEPT_MAX,
} from '../contract/limits.ts';
import { type Clock, isoTime, momentMs } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Session } from '../session/port.ts';
import { PLACES } from '../xid/place.ts';
import { analyzedText } from './analyze.ts';
import { fetchBundle } from './capture.ts';
import { briefComparison, compareBundles } from './diff.ts';

type Beside = Parameters<OwnTool['answer']>[1];

interface SnapshotOptions {
  readonly nodes: NodePool;
  readonly clock: Clock;
  /** Where snapshots are written as bundles too, and bundles are read from; absent: nowhere. */
  readonly folder?: string | undefined;
  /** Whether its nodes are bundles already. */
  readonly isReplay: boolean;
}

/** What a model would need a shell for otherwise: a node as it is now, kept, compared; pasted text. */
export function snapshotTools(options: SnapshotOptions): readonly OwnTool[] {
  const store = new SnapshotStore(options.folder);
  return [
    ...(options.isReplay ? [] : [captureNode(options, store), compareSnapshots(options, store)]),
    analyzeKernelLog(options),
  ];
}

/** A snapshot holds one node, which is named where there is more than one. */
const nodeInput = ({ targets }: NodePool) =>
  targets.length === 1 ? {} : { node: z.string().min(1).max(253).describe('Name of the node.') };

const captureNode = ({ nodes, folder }: SnapshotOptions, store: SnapshotStore): OwnTool => ({
  name: 'capture_node',
  title: 'Snapshot of a node',
  description: `Keeps all that can be read of a node now${folder === undefined ? ', in this process' : ', in a file too'}, before a reset or a reboot. Compare with compare_snapshots afterwards.`,
  writes: folder !== undefined,
  kept: store,
  input: z.strictObject({
    ...nodeInput(nodes),
    seconds: z
      .number()
      .min(0)
      .max(CAPTURE_SECONDS_MAX)
      .default(0)
      .describe('Between two readings of the driver; 0: one.'),
  }),
  answer: async ({ node, seconds }, beside) =>
    withOne(node, beside, async session => {
      const bundle = await fetchBundle(session, { since: '7d', seconds: Number(seconds) }, beside);
      const kept = await store.keep(session.target, bundle);
      const { snapshot, bytes, file, dropped } = kept;
      const summary = `Snapshot ${snapshot} kept: ${bytes} bytes.`;
      return {
        snapshot: { name: snapshot, bytes },
        structured: { summary, ...kept },
        lines: linesOf([
          summary,
          ...(file === undefined ? [] : [`written to ${file}`]),
          ...(dropped.length === 0 ? [] : [`dropped to make room: ${dropped.join(', ')}`]),
          `after the repair: compare_snapshots before=${snapshot}`,
        ]),
      };
    }),
});

const compareSnapshots = ({ folder }: SnapshotOptions, store: SnapshotStore): OwnTool => ({
  name: 'compare_snapshots',
  title: 'Before and after',
  description:
    'Tells what changed on a node since a snapshot: findings cleared, new and worse, GPUs, counters, settings. "unseen" is no "cleared".',
  input: z.strictObject({
    before: z
      .string()
      .min(1)
      .max(300)
      .describe(
        `A snapshot of capture_node${folder === undefined ? '' : ', or a bundle in the folder of --snapshots'}.`,
      ),
    after: z.string().max(300).optional().describe('The same; absent: the node as it is now.'),
  }),
  async answer({ before, after }, beside) {
    const first = await store.bundle(String(before));
    const sinceMs = momentMs('24h', first.bundle.capturedAtMs);
    const second =
      after === undefined
        ? await withOne(first.target, beside, session =>
            fetchBundle(session, { since: new Date(sinceMs).toISOString(), seconds: 0 }, beside),
          )
        : (await store.bundle(String(after))).bundle;
    const { signal } = beside;
    return briefComparison(await compareBundles(first.bundle, second, { sinceMs, signal }));
  },
});

const analyzeKernelLog = ({ clock }: SnapshotOptions): OwnTool => ({
  name: 'analyze_kernel_log',
  title: 'Analysis of pasted text',
  description:
    'Finds XIDs and incidents in text that the user pasted: dmesg, journalctl, kern.log, nvidia-bug-report. Starts no pod.',
  input: z.strictObject({
    text: z.string().min(1).max(PASTED_CHARACTERS_MAX),
    place: z.enum(PLACES).optional(),
    timeZone: z.string().max(60).optional().describe('IANA zone of its local times.'),
  }),
  answer: ({ text, place, timeZone }, { signal }) =>
    analyzedText(String(text), {
      place: PLACES.find(known => known === place),
      timeZone: timeZone === undefined ? undefined : String(timeZone),
      ...{ clock, signal },
    }),
});

/** Works with the one node that is named. */
function withOne<T>(
  node: unknown,
  { nodes, signal }: Beside,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  return nodes.use(
    nodes.targets.length === 1 ? undefined : node,
    signal,
    ([session, ...others]) => {
      if (!session || others.length > 0) {
        throw new UsageError('a snapshot holds one node', 'one call for each node');
      }
      return work(session);
    },
  );
}

interface KeptSnapshot {
  readonly snapshot: string;
  readonly node: string;
  readonly takenAt: string;
  readonly bytes: number;
  readonly file?: string;
  /** Older snapshots that had to go. */
  readonly dropped: readonly string[];
}

/** Snapshots by name, packed, as many as there is room for; with a folder in files too. */
class SnapshotStore implements Kept {
  readonly #kept = new Map<string, { readonly target: string; readonly bytes: Buffer }>();
  readonly #folder: string | undefined;

  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  async keep(target: string, bundle: Bundle): Promise<KeptSnapshot> {
    const bytes = packed(bundle);
    const takenAt = isoTime(bundle.capturedAtMs);
    const name = this.#nameOf(target, takenAt);
    this.#kept.set(name, { target, bytes });
    const dropped = this.#makeRoom(name);
    const kept = { snapshot: name, node: nodeOf(bundle), takenAt, bytes: bytes.length, dropped };
    if (this.#folder === undefined) return kept;
    const file = join(this.#folder, `${name.replaceAll(':', '')}.json.gz`);
    await writeBundle(file, bytes, { force: false });
    return { ...kept, file };
  }

  names(): readonly string[] {
    return [...this.#kept.keys()];
  }

  read(name: string): Buffer | undefined {
    return this.#kept.get(name)?.bytes;
  }

  /** @throws UsageError that names those there are. */
  async bundle(name: string): Promise<{ readonly target: string; readonly bundle: Bundle }> {
    const kept = this.#kept.get(name);
    if (kept) return { target: kept.target, bundle: unpacked(kept.bytes, name) };
    // A name, and never a path: a model does not choose what of this machine is read.
    if (this.#folder !== undefined && FILE_NAME.test(name)) {
      const bundle = await readBundle(join(this.#folder, name));
      return { target: nodeOf(bundle), bundle };
    }
    const names = this.names();
    throw new UsageError(
      `there is no snapshot "${plainText(name, 80)}"`,
      names.length === 0 ? 'capture_node makes one' : `snapshots here: ${names.join(', ')}`,
    );
  }

  #nameOf(target: string, takenAt: string): string {
    const name = `${target}@${takenAt}`;
    for (let twin = 2; ; twin += 1) {
      const free = twin === 2 ? name : `${name}#${twin - 1}`;
      if (!this.#kept.has(free)) return free;
    }
  }

  #makeRoom(newest: string): string[] {
    const dropped: string[] = [];
    const bytes = () => [...this.#kept.values()].reduce((sum, kept) => sum + kept.bytes.length, 0);
    for (const name of this.#kept.keys()) {
      if (this.#kept.size <= SNAPSHOTS_KEPT_MAX && bytes() <= SNAPSHOTS_BYTES_MAX) break;
      if (name === newest) continue;
      this.#kept.delete(name);
      dropped.push(name);
    }
    return dropped;
  }
}

const FILE_NAME = /^[A-Za-z0-9][\w.@#-]{0,280}\.json(\.gz)?$/;
