import { readBundle } from '../bundle/bundle-file.ts';
import { type Bundle, nodeOf } from '../bundle/document.ts';
import type { ClusterQuestion, ClusterView } from '../contract/cluster-view.ts';
import { UsageError } from '../contract/errors.ts';
import { optional } from '../contract/optional.ts';
import type { CommandWords } from '../contract/printed-command.ts';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { isoTime } from '../contract/time.ts';
import { VERSION } from '../contract/version.ts';
import type { Session } from '../session/port.ts';
import type { Progress } from './progress.ts';
import { childSession, type SessionOptions } from './sessions.ts';

/**
 * A session for each bundle: the agent on this machine, with the bundle as its instruments.
 *
 * @throws UsageError when a file is not a bundle that we can read, or a node is named too.
 */
export async function replaySessions(
  named: readonly string[],
  options: SessionOptions,
): Promise<readonly Session[]> {
  const { args, progress } = options;
  const live = args.target.length > 0 || args.selector !== undefined;
  if (live || args.local === true || args.simulate !== undefined) {
    throw new UsageError('--from takes no node beside it', 'leave out the node or the flag');
  }
  const files = await Promise.all(
    named.map(async file => ({ file, bundle: await readBundle(file) })),
  );
  for (const { file, bundle } of files) tellVersion(bundle, file, progress);
  const nodes = files.map(({ bundle }) => nodeOf(bundle));
  const targets = files.map(({ bundle }) => {
    const node = nodeOf(bundle);
    const alone = nodes.filter(other => other === node).length === 1;
    return alone ? node : `${node}@${isoTime(bundle.capturedAtMs)}`;
  });
  const twice = targets.find((target, index) => targets.indexOf(target) !== index);
  if (twice !== undefined) throw new UsageError(`bundle "${twice}" is named twice`, 'name it once');
  return files.map(({ file, bundle }, index) =>
    replaySession({ file, bundle, target: targets[index] ?? file }, options),
  );
}

/** What another version reads otherwise is said once; the bundle is read all the same. */
export function tellVersion({ versions }: Bundle, file: string, progress: Progress): void {
  if (versions.agent === VERSION) return;
  progress.tell(
    `warning: ${file} was captured by version ${versions.agent}, this is ${VERSION}: its findings may differ`,
  );
}

function replaySession(
  { file, bundle, target }: { file: string; bundle: Bundle; target: string },
  options: SessionOptions,
): Session {
  // A replay has no clock to compare with ours: what happened then is in the order of its own times.
  const { nodeNowMs: _, ...child } = childSession(target, [`--from=${file}`], options);
  const session = {
    ...child,
    commandWords: replayWords(file, bundle),
  };
  const { cluster } = bundle;
  const viewing: Session = cluster
    ? { ...session, clusterView: async question => storedView(cluster, question) }
    : session;
  return options.redaction?.session(viewing) ?? viewing;
}

/** What is asked again is the bundle; what only its node or its pod can tell, in the way that it was captured. */
export function replayWords(file: string, bundle: Bundle): CommandWords {
  const words = { connection: [], namespace: [], instead: [`--from=${file}`] };
  const { pod, within } = bundle.reach ?? {};
  if (!pod) return words;
  return {
    ...{ ...words, pod, namespace: within?.namespace ?? [] },
    ...(within && { within: { pod: within.pod, node: nodeOf(bundle) } }),
  };
}

const NO_EVENTS = missing('not_read', 'a bundle holds the events of the node, not those of pods');
const NO_SUCH_POD = missing(
  'not_read',
  'the bundle holds the GPU pods of its node, and not this one',
);

/** What a bundle knows of the cluster, with the one pod or the devices that a tool asks for. */
export function storedView(
  { devices, taintRules, claims, computeDomains, ...stored }: ClusterView,
  { pod, devices: devicesToo = false }: Omit<ClusterQuestion, 'node'>,
): ClusterView {
  const dra = optional({ devices, taintRules, claims, computeDomains });
  const view = devicesToo ? { ...stored, ...dra } : stored;
  if (!pod) return view;
  const found = mapReading(view.pods, ({ gpuPods }) =>
    gpuPods.find(
      ({ name, namespace }) =>
        name === pod.name && (pod.namespace === undefined || pod.namespace === namespace),
    ),
  );
  return { ...view, pod: found.ok ? orMissing(found.value) : found, podEvents: NO_EVENTS };
}

const orMissing = <T>(value: T | undefined): Reading<T> =>
  value === undefined ? NO_SUCH_POD : present(value);
