import type { Redaction } from '../bridge/redacted-session.ts';
import { UsageError } from '../contract/errors.ts';
import { DEFAULT_IMAGE, IMAGE_ENVIRONMENT } from '../contract/version.ts';
import type { PodFlags } from './flags.ts';
import type { Io } from './io.ts';

/** What the flags say of the pod. */
export function podChoices(
  { args, io }: { readonly args: PodFlags; readonly io: Pick<Io, 'environment'> },
  redaction?: Redaction,
) {
  return {
    image: args.image ?? io.environment[IMAGE_ENVIRONMENT] ?? DEFAULT_IMAGE,
    ...profileChoices(args),
    imagePullSecrets: args.imagePullSecret,
    priorityClassName: args.priorityClass,
    cpu: args.cpu,
    memory: args.memory,
    serviceAccountName: args.serviceAccount,
    ...(args.reason === undefined ? {} : { annotations: { 'gpu-mcp/reason': args.reason } }),
    agentArguments: [...driverRootArguments(args), ...(redaction?.agentArguments ?? [])],
  };
}

/** @throws UsageError for what only a restricted pod has, where none is wanted, and the reverse. */
function profileChoices({ profile, runtimeClass, syslog, driverRoot }: PodFlags) {
  const isRestricted = profile === 'restricted';
  const own = { '--runtime-class': runtimeClass !== undefined, '--no-syslog': syslog === false };
  const [alone] = Object.entries(own).find(([, isGiven]) => isGiven) ?? [];
  if (alone !== undefined && !isRestricted) {
    throw new UsageError(
      `${alone} is for --profile restricted`,
      'leave it out, or add the profile',
    );
  }
  if (isRestricted && driverRoot !== undefined) {
    throw new UsageError(
      '--driver-root and --profile restricted exclude each other',
      'a restricted pod has the driver from NVIDIA’s runtime, and no folder of the node',
    );
  }
  return { profile, runtimeClassName: runtimeClass, syslog };
}

export const driverRootArguments = ({ driverRoot }: PodFlags): readonly string[] =>
  driverRoot === undefined ? [] : ['--driver-root', driverRoot];
