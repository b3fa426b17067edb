import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { load } from 'js-yaml';
import { ClusterError, UsageError } from '../contract/errors.ts';
import type { ConnectionFlags } from './connection-flags.ts';
import { isObject, type Json, listAt, objectAt, textOf } from './json.ts';
import type { ClusterAccess } from './port.ts';
import { type Environment, proxyOf } from './proxy.ts';

/** Where the cluster is and who asks: kubeconfig, flags and in-cluster files made one. */
export interface ConnectionSettings extends ClusterAccess {
  readonly url: URL;
  readonly ca: Buffer | undefined;
  readonly insecure: boolean;
  readonly tlsServerName: string | undefined;
  /** The kubeconfig's proxy-url, else $HTTPS_PROXY, where NO_PROXY does not except the server. */
  readonly proxyUrl: string | undefined;
  /** The kubeconfig's cluster entry, which credential plugins may ask for. */
  readonly clusterEntry: Json;
  readonly userEntry: Json;
  /** The kubeconfig files that were read; none inside a pod. */
  readonly files: readonly string[];
  /** No person waits for it (kubernetes-cluster.ts). */
  readonly isUnattended?: boolean;
  /** Impersonate-* headers. */
  readonly impersonation: Readonly<Record<string, string | string[]>>;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Settles the connection as kubectl does: flags over kubeconfig; inside a pod without a kubeconfig
 * the service account.
 *
 * @throws ClusterError for a kubeconfig that cannot be used, UsageError for flags that contradict.
 */
export async function connectionSettings(
  flags: ConnectionFlags,
  environment: Environment,
): Promise<ConnectionSettings> {
  const config = await readKubeConfig({
    flag: flags.kubeconfig,
    environment: environment['KUBECONFIG'],
  });
  const nothing = config.files.length === 0 && !flags.server;
  if (nothing) return withFlags(await inCluster(environment), flags, environment);

  // An empty word is one that is not given, as for kubectl.
  const contextName = flags.context || config.currentContext;
  const context = config.contexts.get(contextName);
  if (!context && flags.context) throw unknownEntry('context', flags.context, config);
  const clusterName = flags.cluster || textOf(context, 'cluster');
  const cluster = config.clusters.get(clusterName);
  if (!cluster && flags.cluster) throw unknownEntry('cluster', flags.cluster, config);
  const userName = flags.user || textOf(context, 'user');
  const user = config.users.get(userName);
  if (!user && flags.user) throw unknownEntry('user', flags.user, config);
  if (!cluster && !flags.server) {
    throw new ClusterError(
      contextName
        ? `context "${contextName}" of the kubeconfig names no known cluster`
        : 'the kubeconfig has no current context',
      { hint: 'kubectl config get-contexts; then --context NAME' },
    );
  }
  return withFlags(
    {
      context: context ? contextName : null,
      namespace: textOf(context, 'namespace'),
      userName: userName || null,
      cluster: cluster ?? {},
      user: user ?? {},
      files: config.files,
    },
    flags,
    environment,
  );
}

/** The entries that a kubeconfig has, by name. @throws ClusterError for one that cannot be used. */
export async function kubeConfigNames(
  flags: ConnectionFlags,
  environment: Environment,
  kind: 'context' | 'cluster' | 'user',
): Promise<readonly string[]> {
  const { kubeconfig: flag } = flags;
  const config = await readKubeConfig({ flag, environment: environment['KUBECONFIG'] });
  return [...config[`${kind}s`].keys()];
}

interface Chosen {
  readonly context: string | null;
  readonly namespace: string;
  readonly userName: string | null;
  readonly cluster: Json;
  readonly user: Json;
  readonly files: readonly string[];
}

function unknownEntry(
  kind: 'context' | 'cluster' | 'user',
  name: string,
  config: Awaited<ReturnType<typeof readKubeConfig>>,
): ClusterError {
  const known = [...config[`${kind}s`].keys()].slice(0, 10).join(', ');
  return new ClusterError(`the kubeconfig has no ${kind} "${name}"`, {
    hint: known ? `known: ${known}` : `kubectl config get-${kind}s`,
  });
}

async function inCluster(environment: Environment): Promise<Chosen> {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '443';
  if (!host) {
    const named = environment['KUBECONFIG'];
    throw new ClusterError(`there is no kubeconfig${named ? ` in ${named} ($KUBECONFIG)` : ''}`, {
      hint: 'set $KUBECONFIG or pass --kubeconfig FILE (an AI client passes on only the variables that its configuration names)',
    });
  }
  const namespace = await readFile(`${SERVICE_ACCOUNT}/namespace`, 'utf8').catch(() => '');
  return {
    context: null,
    namespace: namespace.trim(),
    userName: 'service account',
    cluster: {
      server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
      'certificate-authority': `${SERVICE_ACCOUNT}/ca.crt`,
    },
    user: { tokenFile: `${SERVICE_ACCOUNT}/token` },
    files: [],
  };
}

async function withFlags(
  chosen: Chosen,
  flags: ConnectionFlags,
  environment: Environment,
): Promise<ConnectionSettings> {
  const { cluster } = chosen;
  const url = serverUrl(flags.server ?? textOf(cluster, 'server'));
  // An authority that is named is asked, whatever the kubeconfig says: clientcmd/client_config.go.
  const isChecked = flags.certificateAuthority !== undefined;
  const insecure =
    flags.insecureSkipTlsVerify ?? (!isChecked && cluster['insecure-skip-tls-verify'] === true);
  if (flags.insecureSkipTlsVerify && flags.certificateAuthority) {
    throw new UsageError(
      '--insecure-skip-tls-verify and --certificate-authority exclude each other',
    );
  }
  const user = withUserFlags(chosen.user, flags);
  return {
    server: url.origin,
    url,
    context: chosen.context,
    namespace: flags.namespace ?? (chosen.namespace || 'default'),
    user: chosen.userName,
    ca: insecure ? undefined : await authority(flags.certificateAuthority, cluster),
    insecure,
    tlsServerName: flags.tlsServerName ?? (textOf(cluster, 'tls-server-name') || undefined),
    proxyUrl: flags.proxyUrl || textOf(cluster, 'proxy-url') || proxyOf(url, environment),
    clusterEntry: cluster,
    userEntry: user,
    files: chosen.files,
    impersonation: impersonation(user, flags),
  };
}

function serverUrl(text: string): URL {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `https://${text}`);
  if (!url) throw new ClusterError(`"${text}" is not the address of an API server`);
  return url;
}

async function authority(flag: string | undefined, cluster: Json): Promise<Buffer | undefined> {
  const data = textOf(cluster, 'certificate-authority-data');
  if (!flag && data) return Buffer.from(data, 'base64');
  const file = flag ?? textOf(cluster, 'certificate-authority');
  return file ? readNamed(file, 'certificate authority') : undefined;
}

/** A file that the kubeconfig or a flag names. @throws ClusterError naming it. */
export async function readNamed(file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ClusterError(`the ${what} ${file} cannot be read (${textOf(cause, 'code')})`, {
      cause,
    });
  }
}

/** Flags take the place of the entry's own credentials; a token ends plugins, as in client-go. */
function withUserFlags(user: Json, flags: ConnectionFlags): Json {
  const { exec: _exec, 'auth-provider': _provider, tokenFile: _file, ...plain } = user;
  const { token, username } = flags;
  const own = username === undefined ? user : { ...plain, token: '', username };
  return {
    ...(token ? { ...plain, token } : own),
    ...(flags.password !== undefined && { password: flags.password }),
    ...(flags.clientCertificate && {
      'client-certificate': flags.clientCertificate,
      'client-certificate-data': '',
    }),
    ...(flags.clientKey && { 'client-key': flags.clientKey, 'client-key-data': '' }),
  };
}

function impersonation(
  user: Json,
  flags: ConnectionFlags,
): Readonly<Record<string, string | string[]>> {
  const name = flags.as ?? textOf(user, 'as');
  const groups = flags.asGroup ?? listAt(user, 'as-groups').filter(one => typeof one === 'string');
  const uid = flags.asUid ?? textOf(user, 'as-uid');
  if (!name && (groups.length > 0 || uid || flags.asUserExtra?.length)) {
    throw new UsageError('--as-group, --as-uid and --as-user-extra need --as');
  }
  const extra = Object.entries(extras(user, flags)).map(([key, values]) => [
    `Impersonate-Extra-${encodeURIComponent(key)}`,
    values,
  ]);
  return {
    ...(name && { 'Impersonate-User': name }),
    ...(groups.length > 0 && { 'Impersonate-Group': groups }),
    ...(uid && { 'Impersonate-Uid': uid }),
    ...Object.fromEntries(extra),
  };
}

/** `--as-user-extra KEY=VALUE`, each key with all of its values; else the entry's. */
function extras(user: Json, flags: ConnectionFlags): Readonly<Record<string, readonly string[]>> {
  if (!flags.asUserExtra?.length) {
    const entry = Object.entries(objectAt(user['as-user-extra']));
    return Object.fromEntries(
      entry.map(([key, values]) => [key, listAt(values).filter(one => typeof one === 'string')]),
    );
  }
  const found: Record<string, string[]> = {};
  for (const pair of flags.asUserExtra) {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (key === '') {
      throw new UsageError(`--as-user-extra "${pair.slice(0, 40)}" is not KEY=VALUE`);
    }
    found[key] = [...(found[key] ?? []), value];
  }
  return found;
}

/** All kubeconfig files as one: for every name and setting the first file that has it wins. */
interface KubeConfigFiles {
  /** The files that were read, in order; empty when there is none. */
  readonly files: readonly string[];
  readonly currentContext: string;
  readonly contexts: ReadonlyMap<string, Json>;
  readonly clusters: ReadonlyMap<string, Json>;
  readonly users: ReadonlyMap<string, Json>;
}

interface KubeConfigPlaces {
  /** --kubeconfig. */
  readonly flag?: string | undefined;
  /** $KUBECONFIG, a list of files. */
  readonly environment?: string | undefined;
}

/**
 * Reads what kubectl would read: the flag's file, or those of $KUBECONFIG, or ~/.kube/config.
 * Files of the list that are not there are skipped, as client-go does (tools/clientcmd/loader.go).
 *
 * @throws ClusterError naming the file that cannot be read or parsed.
 */
async function readKubeConfig(places: KubeConfigPlaces): Promise<KubeConfigFiles> {
  const listed = places.environment?.split(delimiter).filter(file => file !== '') ?? [];
  const files = places.flag
    ? [places.flag]
    : listed.length > 0
      ? listed
      : [join(homedir(), '.kube', 'config')];
  const documents = await Promise.all(files.map(file => readOne(file, Boolean(places.flag))));
  const read = documents.flatMap((json, index) => {
    const file = files[index];
    return json && file ? [{ json, file }] : [];
  });
  return {
    files: read.map(({ file }) => file),
    currentContext: read.map(({ json }) => textOf(json, 'current-context')).find(Boolean) ?? '',
    contexts: entries(read, 'contexts', 'context'),
    clusters: entries(read, 'clusters', 'cluster'),
    users: entries(read, 'users', 'user'),
  };
}

async function readOne(file: string, mustExist: boolean): Promise<Json | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const code = textOf(cause, 'code') || 'unreadable';
    if (code === 'ENOENT' && !mustExist) return undefined;
    throw new ClusterError(`the kubeconfig ${file} cannot be read (${code})`, {
      hint: 'check --kubeconfig and $KUBECONFIG',
      cause,
    });
  }
  let json: unknown;
  try {
    // The parser takes an empty text for an error; client-go takes it for an empty config.
    json = text.trim() === '' ? {} : load(text);
  } catch (cause) {
    const line = cause instanceof Error ? cause.message.split('\n', 1)[0] : '';
    throw new ClusterError(`the kubeconfig ${file} is not YAML: ${line}`, { cause });
  }
  if (json === null) return {};
  if (!isObject(json)) throw new ClusterError(`the kubeconfig ${file} is not a kubeconfig`);
  return json;
}

const FILE_KEYS = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile'];

/** Named entries of all files; relative paths count from the file they stand in. */
function entries(
  read: readonly { readonly json: Json; readonly file: string }[],
  list: string,
  item: string,
): ReadonlyMap<string, Json> {
  const found = new Map<string, Json>();
  for (const { json, file } of read) {
    for (const entry of listAt(json, list)) {
      const name = textOf(entry, 'name');
      if (name === '' || found.has(name)) continue;
      const value: Record<string, unknown> = { ...objectAt(entry, item) };
      for (const key of FILE_KEYS) {
        const path = textOf(value, key);
        if (path !== '' && !isAbsolute(path)) value[key] = join(dirname(file), path);
      }
      const command = textOf(objectAt(value['exec']), 'command');
      if (/[/\\]/.test(command) && !isAbsolute(command)) {
        value['exec'] = { ...objectAt(value['exec']), command: join(dirname(file), command) };
      }
      found.set(name, value);
    }
  }
  return found;
}
