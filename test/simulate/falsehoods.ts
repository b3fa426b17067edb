import { isDeepStrictEqual } from 'node:util';
import { asJson } from '../cluster/fake-objects.ts';

/** Whether a value is a reading that says why it is missing. */
const isMissing = (value: unknown): boolean => asJson(value)['ok'] === false;

/**
 * What is told otherwise than without the fault: a reading may be missing, with all that is in it, and an
 * optional word left out, but nothing may be another value, and no row may be gone.
 */
export function falsehoods(
  whole: unknown,
  told: unknown,
  mayDiffer?: RegExp,
  path = '',
): readonly string[] {
  if (mayDiffer?.test(path) || told === undefined) return [];
  if (isDeepStrictEqual(whole, told) || isMissing(told) || isMissing(whole)) return [];
  if (Array.isArray(whole) && Array.isArray(told) && whole.length === told.length) {
    return whole.flatMap((item, index) =>
      falsehoods(item, told[index], mayDiffer, `${path}[${index}]`),
    );
  }
  const isPair = [whole, told].every(one => typeof one === 'object' && one !== null);
  if (isPair && !Array.isArray(whole) && !Array.isArray(told)) {
    const [a, b] = [asJson(whole), asJson(told)];
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap(key =>
      falsehoods(a[key], b[key], mayDiffer, path === '' ? key : `${path}.${key}`),
    );
  }
  const short = (value: unknown) => JSON.stringify(value)?.slice(0, 160);
  return [`${path}: ${short(whole)} -> ${short(told)}`];
}
