import { missing, type Reading } from './reading.ts';

/** What a pod lacks for a reading, and which flag gives it: the detail of a reading that it cannot take. */
export const NEEDS = {
  hostPid: 'needs hostPID: --profile unmounted',
  files: 'needs the files of the node: --profile unmounted',
  devices: 'needs GPUs from NVIDIA’s runtime: --runtime-class, or --profile unmounted',
  syslog: 'needs CAP_SYSLOG: without --no-syslog, or --profile unmounted',
  root: 'needs more than this pod may: --profile unmounted',
  node: 'needs the node, for this is a pod’s own word: --profile restricted or unmounted, by who may start pods of ours there',
  podDevices:
    'needs this pod’s GPUs from NVIDIA’s runtime, which gave our container none: --profile unmounted',
  sameUser: 'needs the user and capabilities of the container: --profile unmounted',
  sharedPids:
    'needs the PIDs of the container, which the runtime did not share: --profile unmounted',
} as const;
export type Need = keyof typeof NEEDS;

const WORDS: ReadonlySet<string> = new Set(Object.values(NEEDS));

export const lacking = (need: Need): Reading<never> => missing('no_permission', NEEDS[need]);

/** Of a container that another user's processes cannot look into: whose it is, where /proc says so. */
export const lackingUser = (uid: number | undefined): Reading<never> =>
  missing('no_permission', `${NEEDS.sameUser}${uid === undefined ? '' : ` (its user is ${uid})`}`);

const OF_USER = / \(its user is \d{1,10}\)$/;

/** What the pod lacked for it, by our own words and no others; undefined where it was something else. */
export const needIn = (words: string | undefined): string | undefined =>
  words !== undefined && WORDS.has(words.replace(OF_USER, '')) ? words : undefined;
