import { ClusterError } from '../contract/errors.ts';
import { type Json, objectAt, textOf, textsOf } from './json.ts';

/** Of which pods a workload is made. */
export interface Selector {
  readonly selector: string;
  /** Words in it that may name somebody. */
  readonly foreign: readonly string[];
}

/** Keys that Kubernetes gives by itself or recommends to everybody (docs: well-known and recommended labels). */
const COMMON_KEY = /^(?:(?:app|batch)\.kubernetes\.io\/[a-z-]+|app|controller-uid|job-name)$/;
const UID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a workload says of its pods itself.
 *
 * @throws ClusterError where that is no list of labels.
 */
export function ownSelector(object: Json | undefined, word: string): Selector {
  const labels = textsOf(objectAt(object, 'spec', 'selector', 'matchLabels'));
  const pairs = Object.entries(labels);
  if (pairs.length > 0) {
    const foreign = pairs.flatMap(([key, value]) => [
      ...(COMMON_KEY.test(key) ? [] : [key]),
      ...(UID.test(value) ? [] : [value]),
    ]);
    return { selector: pairs.map(([key, value]) => `${key}=${value}`).join(','), foreign };
  }
  // As the subresource `scale` has it.
  const selector = textOf(objectAt(object, 'status'), 'selector');
  if (selector !== '') return { selector, foreign: [selector] };
  throw new ClusterError(`${word} selects its pods in a way that cannot be followed`, {
    hint: `name one of its pods: pod/NAME; uid ${textOf(objectAt(object, 'metadata'), 'uid')}`,
  });
}
