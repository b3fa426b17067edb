import type { Finding } from '../../src/contract/finding.ts';

/** A finding of one GPU that is to be reset, whole, with what a test wants otherwise. */
export const finding = (over: Partial<Finding> = {}): Finding => ({
  id: 'x',
  severity: 'critical',
  component: 'gpu',
  title: 'a title',
  action: 'reset_gpu',
  advice: 'Do it.',
  blame: 'hardware',
  confidence: 'high',
  evidence: [],
  counterEvidence: [],
  ...over,
});
