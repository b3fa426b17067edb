import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { type ContainerFaults, containersOf } from '../findings/support/container-faults.ts';
import type { AgentInstruments } from './open-instruments.ts';
import type { HostLately } from './read-lately.ts';

/** As the API server writes a UID. */
const Pods = z.strictObject({ pods: z.array(z.string().regex(/^[\w-]{1,64}$/)).max(64) });

/** Looks into the containers of these pods, and says what is wrong with what they see. */
export async function viewedContainers(
  { host, hostLately, nvml }: AgentInstruments & HostLately,
  input: unknown,
  signal: AbortSignal,
): Promise<ContainerFaults> {
  const wanted = Pods.safeParse(input);
  if (!wanted.success)
    throw new UsageError('a pod has to be named by its UID', 'triage job/NAME does so');
  const views = await host.containers(wanted.data.pods, signal);
  const facts = { host: { ...(await hostLately(signal)), containers: views } };
  const found = containersOf(facts);
  // Libraries of another driver: whether the node's own are too decides between a new pod and a reboot.
  return found.faults.some(({ kind }) => kind === 'libraries')
    ? containersOf({ ...facts, driver: await nvml.read(signal, 'now') })
    : found;
}
