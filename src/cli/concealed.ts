import type { Redaction } from '../bridge/redacted-session.ts';
import { shell } from '../contract/printed-command.ts';
import type { Invocation } from './command.ts';
import type { TargetFlags } from './flags.ts';
import type { Progress } from './progress.ts';

/** What is told of what was named, without its names. */
export function concealing(
  { args, progress }: Pick<Invocation<TargetFlags>, 'args' | 'progress'>,
  { known }: Redaction,
): Progress {
  for (const word of args.target) learnTarget(known, word, args.namespace);
  known.learn('ctr', args.container);
  return {
    say: message => progress.say(known.text(message)),
    tell: message => progress.tell(known.text(message)),
    wait: (message, limitMs) => progress.wait(known.text(message), limitMs),
  };
}

/**
 * Which cluster is asked, as the flag that reaches it: a word of the reader's own, which stays as it is
 * whatever a tenant calls his namespace. As a token it would not tell him where he is.
 */
export const reachedBy = ({
  context,
  server,
}: {
  readonly context?: string | null | undefined;
  readonly server: string;
}): string => (context ? shell`--context=${context}` : shell`--server=${server}`);

/** A target that belongs to somebody: a pod, a job, another workload. A node's name stays. */
export const isOfTenant = (word: string): boolean => /^(?!nodes?\/|no\/)[^/]*\//.test(word);

/** Of what belongs to somebody its name, and its namespace: the flag's, or once it is read the kubeconfig's. */
export function learnTarget(
  known: Redaction['known'],
  word: string,
  namespace: string | undefined,
): void {
  if (!isOfTenant(word)) return;
  const [kind = '', name] = word.split('/');
  known.learn(/^(?:pods?|po)$/.test(kind) ? 'pod' : 'owner', name);
  known.learn('ns', namespace);
}
