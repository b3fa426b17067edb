import * as z from 'zod';
import type { EventPod } from '../../findings/support/event-pods.ts';

/** How tools take a pod: by its name, the namespace beside it or before a slash. */
export const podInput = {
  pod: z
    .string()
    .max(320)
    .regex(/^([a-z0-9-]{1,63}\/)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'write NAME or NAMESPACE/NAME')
    .describe('NAME or NAMESPACE/NAME.'),
  namespace: z
    .string()
    .max(63)
    .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'the name of a namespace')
    .optional(),
} as const;

export interface PodName {
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** Name and namespace apart; what stands before the slash wins. */
export function podName(input: {
  readonly pod: string;
  readonly namespace?: string | undefined;
}): PodName {
  const [first = '', second] = input.pod.split('/');
  return second === undefined
    ? { name: first, namespace: input.namespace }
    : { name: second, namespace: first };
}

/** Whether one of the pods is the one asked for, `NAME` or `NAMESPACE/NAME`. */
export function isAboutPod(pods: readonly EventPod[], wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const [first = '', second] = wanted.split('/');
  return pods.some(({ namespace, pod }) =>
    second === undefined ? pod === first : namespace === first && pod === second,
  );
}
