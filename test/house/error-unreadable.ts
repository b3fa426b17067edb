/** A sentence that errorSentences cannot read and has to refuse: test/house/errors.test.ts. */

class UsageError extends Error {}

const wordsOf = { of: (words: string) => words.trim() };

export function unreadable(): Error {
  return new UsageError(`it says ${wordsOf.of('the words of a form')}`);
}
