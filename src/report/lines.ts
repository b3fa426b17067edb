/** What a line of an answer is, by its first word: one judgement for the terminal and for HTML. */
export type LineKind =
  | 'critical'
  | 'warning'
  | 'healthy'
  | 'unknown'
  | 'info'
  | 'simulated'
  | 'detail'
  | 'plain';

const FIRST_WORDS: Readonly<Record<string, LineKind>> = {
  CRITICAL: 'critical',
  critical: 'critical',
  WARNING: 'warning',
  warning: 'warning',
  HEALTHY: 'healthy',
  ok: 'healthy',
  UNKNOWN: 'unknown',
  unknown: 'unknown',
  gap: 'unknown',
  contradiction: 'warning',
  INFO: 'info',
  better: 'healthy',
  worse: 'critical',
  mixed: 'warning',
  NEW: 'critical',
  WORSE: 'critical',
  CLEARED: 'healthy',
  BETTER: 'healthy',
  UNSEEN: 'unknown',
  REPLAY: 'simulated',
  SIMULATED: 'simulated',
  searched: 'detail',
  read: 'detail',
};

/** The kind of one line. */
export function lineKind(line: string): LineKind {
  if (/^GPU \S+ +\S+ +ERROR /.test(line)) return 'critical';
  const word = /^[A-Za-z]+/.exec(line)?.[0] ?? '';
  return FIRST_WORDS[word] ?? 'plain';
}
