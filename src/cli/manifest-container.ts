import type { ConnectionFlags } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { ephemeralContainer, targetOf, withRole } from '../session/ephemeral-container.ts';
import { runningPod } from '../session/ephemeral-link.ts';
import { withCluster } from './cluster.ts';
import type { Invocation } from './command.ts';
import type { PodFlags } from './flags.ts';
import { podChoices } from './pod-choices.ts';
import { podNameOf } from './pod-link.ts';

type ContainerFlags = PodFlags &
  ConnectionFlags & { readonly node?: string | undefined; readonly offline: boolean };

/** Exactly what would be added to that pod now, as the patch of its ephemeral containers. */
export async function containerManifest(invocation: Invocation<ContainerFlags>) {
  const { args, io } = invocation;
  const { node: word, offline } = args;
  if (word === undefined || offline) {
    throw new UsageError(
      '--profile ephemeral is printed for a pod that runs',
      'kubectl gpu-mcp manifest pod pod/NAME --profile ephemeral',
    );
  }
  const name = podNameOf(word);
  const { image, agentArguments } = podChoices({ args, io });
  return withCluster(invocation, async cluster => {
    const { namespace } = cluster.access;
    const pod = await runningPod(cluster, { namespace, name }, io.signal).catch(error => {
      throw withRole(error, { namespace });
    });
    const target = targetOf(pod, args.container);
    const made = ephemeralContainer({ image, agentArguments, pod, target, session: 'manifest' });
    return {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace } },
      spec: { ephemeralContainers: [made] },
    };
  });
}
