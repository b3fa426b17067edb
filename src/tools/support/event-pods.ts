import type { EventPod } from '../../findings/support/event-pods.ts';

/** Whether one of the pods is the one asked for, `NAME` or `NAMESPACE/NAME`. */
export function isAboutPod(pods: readonly EventPod[], wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const [first = '', second] = wanted.split('/');
  return pods.some(({ namespace, pod }) =>
    second === undefined ? pod === first : namespace === first && pod === second,
  );
}
