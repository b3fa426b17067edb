import type { Machine } from '../cluster/survey.ts';
import type { Check } from '../contract/doctor.ts';
import { shellWord } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import type { PodOptions } from '../session/pod-spec.ts';
import type { Facts, NodeFacts } from './facts.ts';
import { answered, broken, good, UNREAD, unproven, warned } from './found.ts';

/** Whether the kubelet has the agent's image, or must get it; and whether it is built for the node. */
export function imageChecks(
  { pod, carried }: Facts,
  { machine, pods }: NodeFacts,
): readonly Check[] {
  if (!machine.ok) {
    return [unproven('image', UNREAD), unproven('image-platform', UNREAD)];
  }
  if (pod.carry) return carriedChecks(pod, carried, machine.value);
  const runs = (answered(pods) ?? []).some(({ containers }) =>
    containers.some(({ image, state }) => state === 'running' && isSame(image, pod.image)),
  );
  return [
    imageCheck(pod.image, machine.value, runs),
    platformCheck(pod.image, machine.value, runs),
  ];
}

/** Of --no-image. */
function carriedChecks(
  { image, carry }: PodOptions,
  carried: Facts['carried'],
  { images, architecture }: Machine,
): readonly Check[] {
  const platform = 'image-platform' as const;
  if (!carried.ok) {
    const { message, hint } = carried.error;
    const exitCode = carried.error.exit === 3 ? 3 : 4;
    return [broken('image', exitCode, message, { hint }), unproven(platform, 'no agent to send')];
  }
  const isThere = images.some(names => names.some(one => isSame(one, image)));
  const words = shortName(image);
  return [
    isThere || carry?.image === undefined
      ? good('image', `${words} is on the node, the agent is sent to it`)
      : unproven(
          'image',
          `${words} is not among the ${images.length} images that the node reports`,
        ),
    good(platform, `the archive holds the agent for linux/${architecture}`),
  ];
}

/** A kubelet reports so many, the largest (nodeStatusMaxImages), and new ones within half a minute. */
const IMAGES_REPORTED = 50;

function imageCheck(image: string, { images, name }: Machine, runs: boolean): Check {
  const words = shortName(image);
  const isThere = images.some(names => names.some(one => isSame(one, image)));
  const from = `from ${registryOf(image)}`;
  const pull = { hint: 'only a pod shows whether the node may; --image-pull-secret names a login' };
  // Kubernetes asks for it again each time.
  if (/:latest$/.test(image)) {
    return unproven('image', `${words} is pulled anew each time, ${from}`, {
      hint: 'name a version or a digest: what is on the node is used then',
    });
  }
  if (isThere || runs) return good('image', `${words} is on the node`);
  if (images.length >= IMAGES_REPORTED) {
    return unproven(
      'image',
      `${words} is not among the ${images.length} images that ${name} reports; else it is pulled ${from}`,
      pull,
    );
  }
  return unproven('image', `${name} does not report ${words}: it is pulled ${from}`, pull);
}

/** The first digits of a digest tell it from others. */
const shortName = (image: string) =>
  plainText(image, 200).replace(/(@sha256:[0-9a-f]{12})[0-9a-f]+$/, '$1…');

const isSame = (a: string, b: string) => fullName(a) === fullName(b);

/** As containerd writes it: distribution/reference, ParseDockerRef. */
function fullName(image: string): string {
  const registry = registryOf(image);
  const rest = image.startsWith(`${registry}/`) ? image.slice(registry.length + 1) : image;
  const path = registry === DOCKER && !rest.includes('/') ? `library/${rest}` : rest;
  // Beside a digest the tag says nothing.
  return `${registry}/${path.replace(/:[\w][\w.-]{0,127}@/, '@')}`;
}

const DOCKER = 'docker.io';

/** The first part, where it looks like a host. */
function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return isHost ? plainText(first, 100) : DOCKER;
}

const PLATFORM_NAMES: readonly (readonly [architecture: string, names: RegExp])[] = [
  ['amd64', /(?:^|[^a-z0-9])(?:amd64|x86[-_]64|x64)(?:$|[^a-z0-9])/i],
  ['arm64', /(?:^|[^a-z0-9])(?:arm64|aarch64|arm64v8|sbsa)(?:$|[^a-z0-9])/i],
];

function platformCheck(image: string, { architecture }: Machine, runs: boolean): Check {
  if (architecture === '') return unproven('image-platform', 'the node does not say what it is');
  const named = PLATFORM_NAMES.filter(([, names]) => names.test(image)).map(([of]) => of);
  if (named.length > 0 && !named.includes(architecture)) {
    return warned(
      'image-platform',
      `the image is named after ${named.join(', ')}, and the node is ${architecture}`,
      {
        hint: '--image names one that is built for both (npm run image)',
      },
    );
  }
  if (runs)
    return good('image-platform', `it runs on the node now, which is linux/${architecture}`);
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+)(?::\d+)?$/.test(registryOf(image));
  return unproven(
    'image-platform',
    `what the image is built for only its registry tells; the node is linux/${architecture}`,
    isLocal ? {} : { commands: [`skopeo inspect --raw ${shellWord(`docker://${image}`)}`] },
  );
}
