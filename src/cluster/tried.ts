import { missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { ApiError, isMissingRight } from './port.ts';

/** What the API server gave, or why it did not, in our words for a missing reading. */
export async function tried<T>(ask: () => Promise<T>): Promise<Reading<T>> {
  try {
    return present(await ask());
  } catch (error) {
    const words = plainText(error instanceof Error ? error.message : String(error), 300);
    if (isMissingRight(error)) return missing('no_permission', words);
    if (error instanceof ApiError && error.code === 404) return missing('not_found', words);
    if (error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name)) {
      return missing('timeout', words);
    }
    return missing('unreadable', words);
  }
}
