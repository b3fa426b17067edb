import { expect, test } from 'vitest';
import { foundBetweenNodes, foundWithinNodes } from './injected.ts';

test('the odd GPU of a node and the odd node of an answer: precision and F1 of 0.9 and more', async () => {
  for (const found of [await foundWithinNodes({ nodes: 300 }), await foundBetweenNodes()]) {
    expect(found.injected).toBeGreaterThan(100);
    expect(found.precision).toBeGreaterThanOrEqual(0.9);
    expect(found.f1).toBeGreaterThanOrEqual(0.9);
  }
});
