import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { dashed, flag } from '../contract/flag.ts';
import { text, texts } from '../contract/flag-values.ts';
import { EPHEMERAL } from '../contract/labels.ts';
import type { CommandWords } from '../contract/printed-command.ts';

/** kubectl's own connection flags, with its words, once: options, checks and kubectl's argv follow. */
export const CONNECTION = {
  context: text('The kubeconfig context to use', { names: 'context' }),
  cluster: text('The kubeconfig cluster to use', { names: 'cluster' }),
  user: text('The kubeconfig user to use', { names: 'user' }),
  kubeconfig: text('Path to the kubeconfig file', { names: 'file' }),
  namespace: text("Namespace for the debug pod (default: the context's)", {
    ...{ alias: 'n', names: 'namespace' },
  }),
  as: text('User name to impersonate'),
  asGroup: texts('Group to impersonate, may be repeated'),
  asUid: text('UID to impersonate'),
  asUserExtra: texts('KEY=VALUE of the user to impersonate, may be repeated'),
  server: text('Address of the Kubernetes API server', { alias: 's' }),
  token: text('Bearer token for the API server'),
  username: text('User name for basic authentication'),
  password: text('Password for basic authentication'),
  certificateAuthority: text('Path to a certificate file of the authority', { names: 'file' }),
  clientCertificate: text('Path to a client certificate', { names: 'file' }),
  clientKey: text('Path to a client key', { names: 'file' }),
  // Not given is not off: the kubeconfig may say so.
  insecureSkipTlsVerify: flag(z.boolean().optional(), {
    description: 'Do not check the server certificate',
    type: 'boolean',
  }),
  tlsServerName: text('Server name for the certificate check'),
  proxyUrl: text('Proxy to the API server'),
  requestTimeout: text('How long to wait for one answer of the API server, for example 30s', {
    offers: ['10s', '30s', '2m'],
  }),
} as const;

export const ConnectionFlags = z.object(CONNECTION);
export type ConnectionFlags = z.infer<typeof ConnectionFlags>;

/** The same flags for a kubectl of our own. The namespace is left to the caller, and waiting to us. */
export function kubectlFlags(flags: ConnectionFlags): readonly string[] {
  const { namespace: _, requestTimeout: __, ...handedOn } = ConnectionFlags.parse(flags);
  return Object.entries(handedOn).flatMap(([key, value]) => {
    const name = `--${dashed(key)}`;
    if (typeof value === 'boolean') return value ? [name] : [];
    return [value ?? []].flat().map(word => `${name}=${word}`);
  });
}

/** Never printed: whoever reads over a shoulder, or a ticket, would have them. */
export const SECRET_FLAGS: readonly string[] = ['token', 'password'];

/** Of a pod's flags those without which a follow-up would be another pod: a privileged one, or none that starts. */
export const ChosenPod = z.object({
  noImage: z.string().optional(),
  agentArchive: z.string().optional(),
  profile: z.string().optional(),
  runtimeClass: z.string().optional(),
  syslog: z.boolean().optional(),
  container: z.string().optional(),
});

/** The user's connection for a command that we print; secrets stay out of it. */
export function printedConnection(
  flags: ConnectionFlags & z.infer<typeof ChosenPod>,
): CommandWords {
  const { namespace } = flags;
  const { profile, runtimeClass, syslog, container, noImage, agentArchive } = flags;
  const shown = Object.entries(ConnectionFlags.parse(flags)).filter(
    ([key]) => !SECRET_FLAGS.includes(key),
  );
  const restricted = [
    '--profile=restricted',
    ...(runtimeClass === undefined ? [] : [`--runtime-class=${runtimeClass}`]),
    ...(syslog === false ? ['--no-syslog'] : []),
  ];
  const ephemeral = [
    `--profile=${EPHEMERAL}`,
    ...(container === undefined ? [] : [`--container=${container}`]),
  ];
  const pod = [
    ...(profile === 'restricted' ? restricted : []),
    ...(profile === EPHEMERAL ? ephemeral : []),
    ...(noImage === undefined ? [] : [`--no-image=${noImage}`]),
    ...(agentArchive === undefined ? [] : [`--agent-archive=${agentArchive}`]),
  ];
  return {
    connection: kubectlFlags(Object.fromEntries(shown)),
    namespace: namespace === undefined ? [] : [`--namespace=${namespace}`],
    ...(pod.length > 0 && { pod }),
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Milliseconds of `--request-timeout`; 0 where it asks for no limit, as in kubectl; undefined where it
 * is not given.
 *
 * @throws UsageError when it is not a duration.
 */
export function requestTimeoutMs(duration: string | undefined): number | undefined {
  if (duration === undefined) return undefined;
  if (/^0+(ms|s|m|h)?$/.test(duration)) return 0;
  if (/^\d+$/.test(duration)) return Number(duration) * 1_000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(duration)) {
    throw new UsageError(
      `--request-timeout "${duration.slice(0, 40)}" is not a duration`,
      'write 30s, 2m or a number of seconds',
    );
  }
  const parts = duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  return [...parts].reduce(
    (sum, [, digits, unit = 's']) => sum + Number(digits) * (UNIT_MS[unit] ?? 0),
    0,
  );
}
