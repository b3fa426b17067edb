import { dirname } from 'node:path';
import type { Redaction } from '../bridge/redacted-session.ts';
import { UsageError } from '../contract/errors.ts';
import { DEFAULT_IMAGE, IMAGE_ENVIRONMENT } from '../contract/version.ts';
import { ANY_IMAGE, type PodFlags } from './flags.ts';
import type { Io } from './io.ts';

/** What the flags say of the pod. */
export function podChoices(
  { args, io }: { readonly args: PodFlags; readonly io: Pick<Io, 'environment' | 'program'> },
  redaction?: Redaction,
) {
  return {
    ...imageChoices(args, io),
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

/** @throws UsageError for two images, or an archive that nobody would send. */
function imageChoices(
  { image, noImage, agentArchive }: PodFlags,
  { environment, program }: Pick<Io, 'environment' | 'program'>,
) {
  if (noImage === undefined) {
    if (agentArchive !== undefined) {
      throw new UsageError('--agent-archive is for --no-image', 'leave it out, or add --no-image');
    }
    return { image: image ?? environment[IMAGE_ENVIRONMENT] ?? DEFAULT_IMAGE };
  }
  if (image !== undefined) {
    throw new UsageError(
      '--image and --no-image exclude each other',
      'the one is pulled, the other is on the node: --no-image=IMAGE names it',
    );
  }
  const named = noImage === ANY_IMAGE ? undefined : noImage;
  // Of an executable there is one file, else the plugin stands beside its agent.
  const folders = [program.plugin, program.agent].map(file => dirname(file));
  return {
    image: named ?? '',
    carry: { image: named, archive: { file: agentArchive, folders: [...new Set(folders)] } },
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
