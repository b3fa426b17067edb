import { kubectlFlags } from '../cluster/connection-flags.ts';
import type { Reach } from '../report/triage-page.ts';
import type { TargetFlags } from './flags.ts';

/**
 * How the commands of a page reach what was asked: by the cluster that the user named, by the
 * simulated machine or the bundle. A token is never printed: who pastes the command has it already.
 */
export function reachOf(args: Partial<TargetFlags>): Reach {
  const { token: _, ...shown } = args;
  const connection = kubectlFlags(shown);
  const { namespace, image, simulate, local, from = [] } = args;
  const target = local
    ? ['--local']
    : simulate !== undefined
      ? ['--simulate', simulate]
      : from.length === 1
        ? ['--from', ...from]
        : undefined;
  return {
    target,
    canCapture: from.length === 0,
    ownFlags: [
      ...connection,
      ...(namespace === undefined ? [] : ['-n', namespace]),
      ...(image === undefined ? [] : ['--image', image]),
    ],
    kubectlFlags: connection,
  };
}
