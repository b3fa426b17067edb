import { beforeEach } from 'vitest';

/**
 * Every deadline of the product is an `AbortSignal.timeout`. In a test none passes by itself, so that
 * a busy machine makes nothing late; a test that is about a deadline lets it pass.
 */
const held = new Map<number, AbortController[]>();
/** Tests that wait for a deadline of so many milliseconds to run. */
const waiting = new Map<number, () => void>();

beforeEach(() => {
  held.clear();
  waiting.clear();
});

AbortSignal.timeout = ms => {
  const controller = new AbortController();
  held.set(ms, [...(held.get(ms) ?? []), controller]);
  // Whoever set it listens by then.
  queueMicrotask(() => waiting.get(ms)?.());
  return controller.signal;
};

/** Lets a deadline of so many milliseconds pass, with all like it, as soon as one runs. */
export async function pass(ms: number): Promise<void> {
  if (!held.has(ms)) await new Promise<void>(resolve => waiting.set(ms, resolve));
  waiting.delete(ms);
  const passed = held.get(ms) ?? [];
  held.delete(ms);
  for (const controller of passed) {
    controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
  }
}
