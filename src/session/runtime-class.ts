import { type Cluster, isMissingRight } from '../cluster/port.ts';
import { RUNTIME_CLASS } from '../contract/labels.ts';
import type { PodChoices } from './pod-spec.ts';

/**
 * The same choices, of a restricted pod with the RuntimeClass that gives it the driver. Where there is
 * none, or the user may not look, the pod goes to the node's default runtime, which may be NVIDIA's.
 */
export async function withRuntimeClass(
  pod: PodChoices,
  cluster: Pick<Cluster, 'hasRuntimeClass'>,
  signal: AbortSignal,
  say: (words: string) => void,
): Promise<PodChoices> {
  if (pod.profile !== 'restricted' || pod.runtimeClassName !== undefined) return pod;
  try {
    if (await cluster.hasRuntimeClass(RUNTIME_CLASS, signal)) {
      return { ...pod, runtimeClassName: RUNTIME_CLASS };
    }
    say(`there is no RuntimeClass "${RUNTIME_CLASS}": ${WITHOUT}`);
  } catch (error) {
    if (!isMissingRight(error)) throw error;
    say(`you may not look for the RuntimeClass "${RUNTIME_CLASS}": ${WITHOUT}`);
  }
  return pod;
}

const WITHOUT =
  'the pod gets GPUs only where NVIDIA’s is the node’s default runtime; --runtime-class names one';
