import type { ClusterPod } from '../contract/cluster-view.ts';
import type { ApiServer } from './http.ts';
import { podPath } from './paths.ts';

export interface LogBounds {
  readonly linesMax: number;
  readonly bytesMax: number;
}

/** One run of a container: the one that runs or ran last, or the one before it. */
export interface ContainerRun {
  readonly pod: Pick<ClusterPod, 'namespace' | 'name'>;
  readonly container: string;
  readonly previous: boolean;
}

/**
 * The last lines of the log of a container, each with its timestamp, and what they took.
 *
 * @throws ApiError and other ClusterErrors.
 */
export async function fetchedLog(
  api: Pick<ApiServer, 'text'>,
  { pod, container, previous }: ContainerRun,
  { bounds, signal }: { readonly bounds: LogBounds; readonly signal: AbortSignal },
) {
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
  const text = await fetched(bounds.linesMax);
  const bytes = Buffer.byteLength(text);
  // The kubelet begins at the first of the last lines: the bound cuts off the newest, which matter most.
  if (bytes < bounds.bytesMax) return { text, requests: 1, bytes, isCutAtEnd: false };
  const newest = await fetched(Math.ceil(bounds.linesMax / 20));
  return {
    ...{ text: newest, requests: 2, isCutAtEnd: true },
    bytes: bytes + Buffer.byteLength(newest),
  };
}
