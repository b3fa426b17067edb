import { dirname, isAbsolute } from 'node:path';
import type { Redaction } from '../bridge/redacted-session.ts';
import { UsageError } from '../contract/errors.ts';
import { ANY_IMAGE, EPHEMERAL } from '../contract/labels.ts';
import { DEFAULT_IMAGE, IMAGE_ENVIRONMENT } from '../contract/version.ts';
import type { PodFlags } from './flags.ts';
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
  // Never the folder it was started in: of an executable the agent is a word and no file.
  const folders = [program.plugin, program.agent].filter(isAbsolute).map(file => dirname(file));
  return {
    image: named ?? '',
    carry: { image: named, archive: { file: agentArchive, folders: [...new Set(folders)] } },
  };
}

/** @throws UsageError for what only another profile has. */
function profileChoices(args: PodFlags) {
  const { profile, runtimeClass, syslog, driverRoot, container } = args;
  const isRestricted = profile === 'restricted';
  const own = { '--runtime-class': runtimeClass !== undefined, '--no-syslog': syslog === false };
  if (profile === EPHEMERAL) refuseBesideEphemeral({ ...own, ...ofOwnPod(args) });
  if (container !== undefined && profile !== EPHEMERAL) {
    throw new UsageError(
      '--container is for --profile ephemeral',
      'leave it out, or add the profile',
    );
  }
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

/** What a pod of ours has, and a container in another's has not, or from that pod. */
const ofOwnPod = (args: PodFlags) => ({
  '--lifetime': args.lifetime !== undefined,
  '--cpu': args.cpu !== undefined,
  '--memory': args.memory !== undefined,
  '--priority-class': args.priorityClass !== undefined,
  '--service-account': args.serviceAccount !== undefined,
  '--image-pull-secret': (args.imagePullSecret ?? []).length > 0,
  '--driver-root': args.driverRoot !== undefined,
  '--reason': args.reason !== undefined,
  '--no-image': args.noImage !== undefined,
});

function refuseBesideEphemeral(given: Readonly<Record<string, boolean>>): void {
  const [other] = Object.entries(given).find(([, isGiven]) => isGiven) ?? [];
  if (other === undefined) return;
  throw new UsageError(
    `${other} and --profile ephemeral exclude each other`,
    'leave it out: a container that is added to a pod has what the pod has',
  );
}

export const driverRootArguments = ({ driverRoot }: PodFlags): readonly string[] =>
  driverRoot === undefined ? [] : ['--driver-root', driverRoot];
