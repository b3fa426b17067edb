import * as z from 'zod';
import type { CONNECTION } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { flag, type NameKind } from '../contract/flag.ts';
import { choice, text, texts, toggle } from '../contract/flag-values.ts';
import { ANY_IMAGE, ASKS, PROFILES } from '../contract/labels.ts';
import {
  NODE_ANSWER_MS_MAX,
  NODES_AT_ONCE,
  POD_START_MS_MAX,
  ROWS_AT_ONCE,
} from '../contract/limits.ts';
import { momentMs } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { FORMATS } from '../report/format.ts';
import { PLACES } from '../xid/place.ts';

/** The flags that several commands have. What a command alone has stands with the command. */

/** Which node, and how its agent is reached. */
export const TARGET = {
  selector: text('Label selector of nodes, for example nvidia.com/gpu.present=true', {
    alias: 'l',
  }),
  local: toggle('This machine is the node: no cluster, no pod'),
  simulate: text(
    'A simulated machine: a name (help lists them) or FILE.json; every answer says so',
    { names: 'machine' },
  ),
  from: flag(z.union([z.string().transform(file => [file]), z.array(z.string())]).optional(), {
    description: 'A bundle that capture wrote, replayed; may be repeated, each is a node',
    type: 'string',
    names: 'file',
    isRepeated: true,
  }),
  redactNames: toggle(
    'No name of a process, pod, namespace, container or owner in any answer: tokens',
  ),
  record: text('Appends to FILE who asked what of which pod, a line each, chained by hashes', {
    names: 'file',
  }),
  podLogs: flag(z.boolean().default(true), {
    description:
      'Logs of pods that failed and of their job, and of stuck NVIDIA software, are read; --no-pod-logs reads none',
    type: 'boolean',
    default: true,
  }),
} as const;

/** More than none, as k8s.io/apimachinery/pkg/api/resource/quantity.go reads it. */
const QUANTITY = /^(?=.*[1-9])(?:\d+\.?\d*|\.\d+)(?:m|[kMGTPE]|[KMGTPE]i)?$/;

const quantity = (description: string) =>
  flag(
    z
      .string()
      .transform(words => {
        if (QUANTITY.test(words)) return words;
        throw new UsageError(
          `"${plainText(words, 40)}" is not a quantity`,
          'write 500m, 2 or 256Mi',
        );
      })
      .optional(),
    { description, type: 'string' },
  );

/** The debug pod. */
export const POD = {
  image: text('Image of the agent, with a tag or digest'),
  noImage: text(
    'No pull: an image of the node (--no-image=IMAGE), the agent sent over the stream',
    {
      offers: [ANY_IMAGE],
    },
  ),
  agentArchive: text('Of --no-image: the archive of the agent’s image, as a release has it', {
    names: 'file',
  }),
  imagePullSecret: texts('Name of a pull secret in the namespace, may be repeated'),
  lifetime: choice(
    ['job', 'pod'],
    'What removes the pod when we cannot: a Job with a TTL, or a bare pod with a reaper',
  ),
  profile: choice(
    PROFILES,
    `What is started: ${Object.entries(ASKS)
      .map(([profile, what]) => `${profile}, ${what}`)
      .join('; ')}`,
  ),
  container: text('Of --profile ephemeral: the container of the pod that is looked at', {
    ...{ alias: 'c', names: 'container' },
  }),
  runtimeClass: text('Of --profile restricted: who gives it the GPUs (default: nvidia, if there)'),
  syslog: flag(z.boolean().optional(), {
    description: 'Of --profile restricted: --no-syslog leaves out CAP_SYSLOG, root, the kernel log',
    type: 'boolean',
  }),
  transport: choice(['websocket', 'kubectl'], 'Attach stream of our own, or kubectl attach'),
  priorityClass: text('Priority class of the pod'),
  cpu: quantity('CPU request and limit, where a LimitRange or quota wants one: 500m'),
  memory: quantity('The same of memory: 256Mi; a triage takes about 120 MB'),
  serviceAccount: text('Service account of the pod (its token is never mounted)'),
  driverRoot: text('Where the driver is installed on the node, for example /run/nvidia/driver'),
  reason: text('Written to the pod as an annotation, for example INC-1234'),
} as const;

/** `--context`, which a command over many nodes takes more than once. */
export const CONTEXTS = {
  context: flag(
    z.union([z.string().transform(context => [context]), z.array(z.string())]).optional(),
    {
      description: 'The kubeconfig context to use; several for nodes of several clusters',
      type: 'string',
      names: 'context',
      isRepeated: true,
    },
  ),
} as const;

const TURN_SECONDS_MAX = POD_START_MS_MAX / 1_000 + 60;

/** How many nodes are asked at a time, and how long each is waited for. */
export const FLEET = {
  allGpuNodes: toggle('Every node that offers GPUs or is labelled as having some'),
  parallel: flag(z.coerce.number().int().min(1).max(256).optional(), {
    description: `How many nodes are asked at the same time (default ${NODES_AT_ONCE}; with --fleet ${ROWS_AT_ONCE})`,
  }),
  nodeTimeout: flag(z.coerce.number().min(1).max(TURN_SECONDS_MAX), {
    description: 'Of several nodes: seconds for one, the start of its pod included',
    default: NODE_ANSWER_MS_MAX / 1_000,
  }),
} as const;

const COLOURS = ['auto', 'always', 'never'] as const;

/** How answers look. */
export const OUTPUT = {
  output: flag(z.enum(FORMATS), {
    description: 'How the answer is written',
    type: 'string',
    alias: 'o',
    choices: FORMATS,
    default: 'text',
  }),
  color: flag(z.enum(COLOURS), {
    description: 'Colours (--no-color: never)',
    type: 'string',
    choices: COLOURS,
    default: 'auto',
  }),
} as const;

/** What can be done to a machine differs from place to place. */
export const PLACE = {
  place: choice(PLACES, 'Where the machine stands (default: as its log tells, if there is one)'),
} as const;

/** Where an answer for a person leaves something out. */
export const DETAILS = {
  details: toggle(
    'All findings with their evidence, every GPU, what was searched; of many nodes every page',
  ),
} as const;

/**
 * A moment, as momentMs reads it. What is none is refused here, before anything is started; a
 * duration counts back from the now of what is read: of the node, or of a bundle.
 */
const Moment = z.string().transform(words => {
  momentMs(words, 0);
  return words;
});

const AGES = ['1h', '24h', '7d'];

export const moment = (description: string) =>
  flag(Moment.optional(), { description, type: 'string', offers: AGES });

/** The same where the help shows what it is without the flag. */
export const momentOr = (otherwise: string, description: string) =>
  flag(Moment, { description, type: 'string', default: otherwise, offers: AGES });

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** How far apart something is done, as milliseconds. @throws UsageError for what is none, or too small. */
export const interval = (
  name: string,
  description: string,
  bounds: { minMs: number; maxMs: number },
) =>
  flag(
    z
      .string()
      .transform(words => {
        const [, digits = '', unit = ''] = /^(\d{1,7}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(words) ?? [];
        const ms = Number(digits) * (UNITS_MS[unit] ?? Number.NaN);
        const hint = `write 500ms, 10s or 2m; at least ${bounds.minMs / 1_000} s`;
        if (digits === '' || Number.isNaN(ms)) {
          throw new UsageError(`--${name} "${plainText(words, 40)}" is not a duration`, hint);
        }
        if (ms < bounds.minMs || ms > bounds.maxMs) {
          const side = ms < bounds.minMs ? 'short' : 'long';
          throw new UsageError(`--${name} "${words}" is too ${side}`, hint);
        }
        return ms;
      })
      .optional(),
    { description, type: 'string', offers: ['10s', '1m'] },
  );

export const failOn = (description: string) =>
  flag(z.enum(FAULTS).optional(), { description, choices: FAULTS });
const FAULTS = ['critical', 'warning'] as const;

/** Words that stand by their place. */
export const words = (description: string, named: Named = {}) =>
  flag(z.array(z.coerce.string()).default([]), {
    ...{ description, type: 'array', isWord: true },
    ...named,
  });

export const word = (description: string, named: Named = {}) =>
  flag(z.coerce.string(), { description, type: 'string', isWord: true, ...named });

export const optionalWord = (description: string, named: Named = {}) =>
  flag(z.coerce.string().optional(), { description, type: 'string', isWord: true, ...named });

interface Named {
  readonly names?: NameKind;
}

/** The nodes that a command is about. */
export const NODES = {
  target: words('NAME, node/NAME, pod/NAME, job/NAME, jobset/NAME ...', { names: 'target' }),
} as const;

type Values<Flags extends z.ZodRawShape> = z.output<z.ZodObject<Flags>>;

/** What sessions are opened with; of the ways to name a node a command may have only some. */
export type TargetFlags = Values<typeof CONNECTION & typeof POD & typeof NODES> &
  Partial<Values<typeof TARGET> & Pick<Values<typeof FLEET>, 'allGpuNodes'>> & {
    /** A row of each node alone, by pods to which nobody attaches. */
    readonly fleet?: boolean;
    /** In the place of `context`, where more than one was given. */
    readonly contexts?: readonly string[] | undefined;
  };
export type PodFlags = Values<typeof POD>;
export type FleetFlags = Values<typeof FLEET>;
export type OutputFlags = Values<typeof OUTPUT> & Partial<Values<typeof DETAILS>>;
