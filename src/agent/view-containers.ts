import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { needIn } from '../contract/needs.ts';
import { type ContainerFaults, containerFaults } from '../tools/container-view.ts';
import type { AgentInstruments } from './open-instruments.ts';

/** As the API server writes a UID. */
const Pods = z.strictObject({ pods: z.array(z.string().regex(/^[\w-]{1,64}$/)).max(64) });

/** Looks into the containers of these pods, and says what is wrong with what they see. */
export async function viewedContainers(
  { host }: AgentInstruments,
  input: unknown,
  signal: AbortSignal,
): Promise<ContainerFaults> {
  const wanted = Pods.safeParse(input);
  if (!wanted.success)
    throw new UsageError('pods are named by their UIDs', 'triage job/NAME asks so');
  const [views, node] = await Promise.all([
    host.containers(wanted.data.pods, signal),
    host.read(signal),
  ]);
  if (!views.ok) {
    throw new UsageError(
      `the containers could not be looked into: ${needIn(views.detail) ?? views.reason}`,
      'ask with a profile that sees the processes of the node',
    );
  }
  return containerFaults(views.value, node);
}
