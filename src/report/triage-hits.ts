import type { Action, Hits } from '../contract/finding.ts';

/** What takes GPUs from their holders, as a subject. */
const TAKERS: Readonly<Partial<Record<string, string>>> = {
  restart_app: 'The step ends',
  reset_gpu: 'The reset ends',
  drain_and_reset: 'The reset ends',
  reboot_node: 'The reboot ends',
  power_cycle: 'The power cycle ends',
} satisfies Partial<Record<Action, string>>;

/** Whom a step hits; nobody only where everything was looked through. */
export function hitsSentence({ pods, processes, more, notRead }: Hits, action: string): string {
  const names = [
    ...pods.map(({ namespace, pod, podUid }) =>
      pod === undefined
        ? `a pod with uid ${podUid ?? 'unknown'}`
        : `pod ${namespace === undefined ? '' : `${namespace}/`}${pod}`,
    ),
    ...(processes.length > 0 ? [processesText(processes)] : []),
  ];
  const unread = notRead.length > 0 ? ` Not read: ${notRead.join(', ')}.` : '';
  if (names.length === 0) {
    return unread === ''
      ? 'Nobody: no pod and no process uses it.'
      : `Nobody that was seen.${unread}`;
  }
  const others = more > 0 ? ` and ${more} more` : '';
  const outside = pods.length === 0 ? ', in no pod' : '';
  return `${TAKERS[action] ?? 'In use by'} ${names.join(', ')}${others}${outside}.${unread}`;
}

/** `python3 (pid 41212, 41214)`. */
export function processesText(processes: Hits['processes']): string {
  const byName = new Map<string, number[]>();
  for (const { pid, name = 'process' } of processes) {
    byName.set(name, [...(byName.get(name) ?? []), pid]);
  }
  return [...byName].map(([name, pids]) => `${name} (pid ${pids.join(', ')})`).join(', ');
}
