import { ClusterError } from '../contract/errors.ts';
import { type Json, listAt, objectAt, textOf, textsOf } from './json.ts';

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
 * @throws ClusterError where that cannot be asked of an API server.
 */
export function ownSelector(object: Json | undefined, word: string): Selector {
  const selector = objectAt(object, 'spec', 'selector');
  const requirements = [
    ...Object.entries(textsOf(objectAt(selector, 'matchLabels'))).map(([key, value]) => ({
      ...{ key, values: [value] },
      text: `${key}=${value}`,
    })),
    ...listAt(selector, 'matchExpressions').map(each => setBased(each)),
  ];
  if (requirements.length > 0 && requirements.every(({ text }) => text !== undefined)) {
    const foreign = requirements.flatMap(({ key, values }) => [
      ...(COMMON_KEY.test(key) ? [] : [key]),
      ...values.filter(value => !UID.test(value)),
    ]);
    return { selector: requirements.map(({ text }) => text).join(','), foreign };
  }
  // As the subresource `scale` has it.
  const scaled = textOf(objectAt(object, 'status'), 'selector');
  if (scaled !== '') return { selector: scaled, foreign: [scaled] };
  throw new ClusterError(`${word} selects its pods in a way that cannot be followed`, {
    hint: `name one of its pods: pod/NAME; uid ${textOf(objectAt(object, 'metadata'), 'uid')}`,
  });
}

/**
 * One of `matchExpressions` as a list's selector has it; no text for an operator that is new.
 * LabelSelectorAsSelector of k8s.io/apimachinery/pkg/apis/meta/v1/helpers.go.
 */
function setBased(expression: unknown) {
  const key = textOf(expression, 'key');
  const values = listAt(expression, 'values').map(String);
  switch (textOf(expression, 'operator')) {
    case 'In':
      return { key, values, text: `${key} in (${values.join(',')})` };
    case 'NotIn':
      return { key, values, text: `${key} notin (${values.join(',')})` };
    case 'Exists':
      return { key, values, text: key };
    case 'DoesNotExist':
      return { key, values, text: `!${key}` };
    default:
      return { key, values, text: undefined };
  }
}
