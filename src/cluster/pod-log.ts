import type { ClusterPod } from '../contract/cluster-view.ts';
import type { ApiServer } from './http.ts';
import { podPath } from './paths.ts';

export interface LogBounds {
  readonly linesMax: number;
  readonly bytesMax: number;
  /** Where it is not REQUESTS_MAX. */
  readonly requestsMax?: number;
}

/** One run of a container: the one that runs or ran last, or the one before it. */
export interface ContainerRun {
  readonly pod: Pick<ClusterPod, 'namespace' | 'name'>;
  readonly container: string;
  readonly previous: boolean;
}

interface FetchedLog {
  readonly text: string;
  readonly requests: number;
  readonly bytes: number;
  /** A bound of bytes was met: older lines are unread. */
  readonly isCutAtEnd: boolean;
  readonly newestUnread?: true;
}

/** Of a log whose last lines are longer than the bound of bytes fewer are asked for, so often. */
const REQUESTS_MAX = 4;

/**
 * The last lines of the log of a container, each with its timestamp, and what they took. Where even
 * the last few are longer than the bound, the newest of them are unread, and that is said.
 *
 * @throws ApiError and other ClusterErrors.
 */
export async function fetchedLog(
  api: Pick<ApiServer, 'text'>,
  { pod, container, previous }: ContainerRun,
  { bounds, signal }: { readonly bounds: LogBounds; readonly signal: AbortSignal },
): Promise<FetchedLog> {
  const fetched = (linesMax: number) =>
    api.text(
      {
        method: 'GET',
        path: `${podPath(pod)}/log`,
        query: {
          container,
          ...(previous && { previous: 'true' }),
          timestamps: 'true',
          tailLines: String(linesMax),
          limitBytes: String(bounds.bytesMax),
        },
        doing: `read the log of pod "${pod.name}" in namespace "${pod.namespace}"`,
      },
      signal,
    );
  let linesMax = bounds.linesMax;
  const { requestsMax = REQUESTS_MAX } = bounds;
  let bytes = 0;
  for (let requests = 1; ; requests += 1) {
    const text = await fetched(linesMax);
    const own = Buffer.byteLength(text);
    bytes += own;
    const isCut = own >= bounds.bytesMax;
    const read = { text, requests, bytes, isCutAtEnd: isCut || requests > 1 };
    if (!isCut) return read;
    if (requests === requestsMax || linesMax === 1) return { ...read, newestUnread: true };
    // The kubelet begins at the first of the last lines: the bound cuts off the newest, which matter most.
    const linesRead = text.split('\n').length - 1;
    linesMax = Math.max(1, Math.ceil(Math.min(linesMax / 20, linesRead / 2)));
  }
}
