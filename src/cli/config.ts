import { randomBytes } from 'node:crypto';
import {
  constants,
  copyFile,
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, resolve } from 'node:path';
import { TextDecoder } from 'node:util';
import * as z from 'zod';
import { CONNECTION, SECRET_FLAGS } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { dashed, type Flags, flag, optionOf } from '../contract/flag.ts';
import { text, texts, toggle } from '../contract/flag-values.ts';
import { plainText } from '../contract/untrusted.ts';
import { AI_CLIENTS, type AiClient, type Machine, type Server } from './ai-clients.ts';
import { defineCommand, type Invocation } from './command.ts';
import { NODES, POD, TARGET } from './flags.ts';
import { write } from './io.ts';
import { SUMMARIES } from './summaries.ts';

const NAMES = Object.keys(AI_CLIENTS);

/** What is handed on to the server as it was given. */
const { from: _, ...LIVE } = TARGET;
const SERVED: Flags = { ...CONNECTION, ...LIVE, ...POD };

const FLAGS = {
  client: flag(z.enum(NAMES), {
    ...{ description: 'The AI client', type: 'string', choices: NAMES, isWord: true },
  }),
  ...NODES,
  write: toggle('Merge it into the client’s own file; without it, it is only printed'),
  link: toggle('Print a link that installs it by a click instead: cursor, vscode'),
  file: text('The file, where it is another than the client’s own', { names: 'file' }),
  name: flag(z.string().regex(/^[\w-]{1,64}$/), {
    ...{ description: 'What the client calls the server', type: 'string', default: 'gpu' },
  }),
  env: texts('A variable to hand on besides, secrets too: NAME, may be repeated'),
  ...CONNECTION,
  ...LIVE,
  ...POD,
};
type ConfigFlags = z.output<z.ZodObject<typeof FLAGS>>;

/** The configuration of an AI client, printed or written into its own file. */
export const config = defineCommand({
  ...SUMMARIES.config,
  examples: [
    ['$0 config claude-code --write', 'any node of the cluster, which each call names'],
    ['$0 config cursor gpu-node-3 --context prod', 'one node: read it before it is written'],
  ],
  flags: FLAGS,
  async run({ args, io }: Invocation<ConfigFlags>) {
    const { client: word, name, file: named } = args;
    const client = AI_CLIENTS[word];
    if (client === undefined) throw new UsageError(`there is no client "${word}"`);
    const machine = machineOf(io);
    const { env, leftOut } = handedOn(client, args, machine);
    const placed = placedIn(client, { ...commandOf(args, io, machine), env }, name);
    const { textOf } = await import('./edited-settings.ts');
    const file = named ? resolve(machine.folder, named) : await fileOf(client, machine, name);
    const notes = [
      ...(client.inherits ? [`${client.title} hands its own environment on`] : []),
      ...(leftOut.length > 0 ? [`left out as secret: ${leftOut.join(', ')}`] : []),
    ];
    if (args.link && args.write) throw new UsageError('--link and --write exclude each other');
    const snippet = args.link ? linkOf(client, placed, name) : textOf(placed, client.format);
    if (!args.write) {
      await write(io.stdout, snippet);
      const place = file === undefined || args.link ? [] : [`for ${file} (--write merges it)`];
      for (const note of [...place, ...notes]) await write(io.stderr, `${note}\n`);
      return 0;
    }
    if (file === undefined) {
      throw new UsageError('a client without a name has no file of its own', '--file FILE');
    }
    const lines = await written(file, { client, placed, nowMs: io.clock.nowMs() }).catch(
      async error => {
        if (error instanceof UsageError) await write(io.stdout, snippet);
        throw error;
      },
    );
    const handed = Object.keys(env);
    const variables = handed.length === 0 ? [] : [`variables: ${handed.join(', ')}`];
    await write(io.stdout, [...lines, ...variables, ...notes, ''].join('\n'));
    return 0;
  },
});

function machineOf({ environment, program }: Invocation['io']): Machine {
  const home = environment['HOME'] ?? environment['USERPROFILE'] ?? homedir();
  const { platform = 'linux', folder = home } = program;
  return { platform, home, folder, environment };
}

interface Placed {
  readonly path: readonly string[];
  readonly entry: Readonly<Record<string, unknown>>;
}

function placedIn(client: AiClient, server: Server, name: string): Placed {
  const isEmpty = (value: unknown) =>
    typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  const entry = Object.entries(client.entry(server, name)).filter(([, value]) => !isEmpty(value));
  return { path: [...client.path, name], entry: Object.fromEntries(entry) };
}

/** @throws UsageError where the client takes no link. */
function linkOf({ link, title }: AiClient, { entry }: Placed, name: string): string {
  if (link !== undefined) return `${link(entry, name)}\n`;
  throw new UsageError(`${title} takes no link`, 'leave out --link');
}

/** The server as it is started from anywhere: Node and this program by their full paths. */
function commandOf(args: ConfigFlags, { program }: Invocation['io'], machine: Machine) {
  const { executable, plugin } = program;
  const isOne = executable === undefined || executable === plugin;
  const start = isOne ? [plugin] : [executable, plugin];
  const [command = plugin, ...before] = start;
  return { command, args: [...before, 'serve', ...args.target, ...flagWords(args, machine)] };
}

/** The flags of the server as they were given; files by their full paths, no secret. */
function flagWords(args: ConfigFlags, { folder }: Machine): readonly string[] {
  const given = Object.entries(args).filter(([key, value]) => {
    const usual = SERVED[key]?.safeParse(undefined).data;
    return key in SERVED && !SECRET_FLAGS.includes(key) && value !== usual;
  });
  return given.flatMap(([key, value]) => {
    const { names } = optionOf(SERVED[key] ?? z.never());
    if (typeof value === 'boolean') return [`--${value ? '' : 'no-'}${dashed(key)}`];
    const isFile = (word: string) =>
      names === 'file' || (names === 'machine' && word.endsWith('.json'));
    return [value ?? []]
      .flat()
      .map(String)
      .map(word => `--${dashed(key)}=${isFile(word) ? resolve(folder, word) : word}`);
  });
}

/** Variables that a kubeconfig, a credential plugin or we ourselves read; none holds a secret. */
const VARIABLES = [
  ...[
    'KUBECONFIG',
    'PATH',
    'GPU_MCP_IMAGE',
    'NODE_EXTRA_CA_CERTS',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
  ],
  ...['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap(name => [
    name,
    name.toLowerCase(),
  ]),
  ...['AWS_PROFILE', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_CONFIG_FILE'],
  ...['AWS_SHARED_CREDENTIALS_FILE', 'GOOGLE_APPLICATION_CREDENTIALS', 'CLOUDSDK_CONFIG'],
  ...['CLOUDSDK_ACTIVE_CONFIG_NAME', 'USE_GKE_GCLOUD_AUTH_PLUGIN', 'AZURE_CONFIG_DIR'],
  ...['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AAD_LOGIN_METHOD', 'OCI_CLI_PROFILE'],
];
/** What credential plugins read besides, which is written only by its name. */
const SECRETS = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AZURE_CLIENT_SECRET'],
  ...['AAD_SERVICE_PRINCIPAL_CLIENT_SECRET', 'AZURE_CLIENT_CERTIFICATE_PASSWORD'],
  ...['GOOGLE_OAUTH_ACCESS_TOKEN', 'CLOUDSDK_AUTH_ACCESS_TOKEN', 'DIGITALOCEAN_ACCESS_TOKEN'],
];

/** What the server is given of this environment, and what would be a secret in a file. */
function handedOn(client: AiClient, args: ConfigFlags, { environment, folder }: Machine) {
  const wanted = args.env ?? [];
  const absent = wanted.find(name => !environment[name]);
  if (absent !== undefined) {
    throw new UsageError(
      `the variable ${plainText(absent, 80)} of --env is not set here`,
      'export it, or leave it out',
    );
  }
  const isSet = (name: string) => Boolean(environment[name]);
  const known = client.inherits ? [] : VARIABLES.filter(isSet);
  // A name alone gives nothing away, and its own short list has PATH.
  const secrets = client.inherits ? [] : SECRETS.filter(isSet);
  const isSecret = (name: string) =>
    secrets.includes(name) || /^\w+:\/\/[^/@]*@/.test(environment[name] ?? '');
  const names = client.takesNames
    ? [...known, ...secrets].filter(name => name !== 'PATH')
    : known.filter(name => !isSecret(name));
  const used = [...new Set([...names, ...wanted])].filter(
    name => name !== 'KUBECONFIG' || args.kubeconfig === undefined,
  );
  const handed = (name: string) => {
    const value = environment[name] ?? '';
    if (name !== 'KUBECONFIG') return value;
    const files = value.split(delimiter).filter(file => file !== '');
    return files.map(file => resolve(folder, file)).join(delimiter);
  };
  const flags = SECRET_FLAGS.filter(key => key in args && Reflect.get(args, key) !== undefined);
  const leftOut = [...known, ...secrets].filter(name => isSecret(name) && !used.includes(name));
  return {
    env: Object.fromEntries(used.map(name => [name, handed(name)])),
    leftOut: [...leftOut.map(name => `${name} (--env ${name})`), ...flags.map(key => `--${key}`)],
  };
}

async function fileOf(client: AiClient, machine: Machine, name: string) {
  const files = client.files?.(machine, name) ?? [];
  for (const file of files) if (await stat(file).catch(() => undefined)) return file;
  return files[0];
}

interface Writing {
  readonly client: AiClient;
  readonly placed: Placed;
  readonly nowMs: number;
}

/** Merges the entry into the file; gives what was done in lines. @throws UsageError. */
async function written(file: string, { client, placed, nowMs }: Writing): Promise<string[]> {
  const { edited, entryIn } = await import('./edited-settings.ts');
  const { format } = client;
  // Settings are often links into a folder under version control: the file itself is written.
  const real = await realpath(file).catch(() => file);
  const shown = `"${plainText(file, 400)}"`;
  try {
    const before = await contentOf(real);
    const after = edited(before ?? '', format, placed);
    const old = before === undefined ? undefined : entryIn(before, format, placed.path);
    const name = placed.path.at(-1);
    if (after === before) return [`${file}: "${name}" is there already, nothing was changed`];
    const backup = `${real}.${new Date(nowMs).toISOString().replaceAll(/[-:]/g, '')}.bak`;
    if (before === undefined) await mkdir(dirname(real), { recursive: true });
    else await copyFile(real, backup, constants.COPYFILE_EXCL);
    await replace(real, before, after);
    const done = old === undefined ? 'added' : 'replaced';
    return [
      `${file}: "${name}" ${done} for ${client.title}${before === undefined ? ', the file is new' : ''}`,
      ...(before === undefined ? [] : [`the file as it was: ${backup}`]),
    ];
  } catch (cause) {
    if (cause instanceof UsageError) {
      const hint = cause.hint ?? 'paste what is printed above';
      throw new UsageError(`${shown} was not changed: ${cause.message}`, hint);
    }
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new UsageError(`${shown} was not changed (${code})`, 'paste what is printed above');
  }
}

/** The text of a file; undefined where there is none. @throws UsageError for what is no text. */
async function contentOf(file: string): Promise<string | undefined> {
  const bytes = await readFile(file).catch(error => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError('it is not UTF-8 text');
  }
}

/** One moment it is the old text, the next the new one. @throws UsageError where it changed meanwhile. */
async function replace(file: string, before: string | undefined, after: string): Promise<void> {
  const mode = (await stat(file).catch(() => undefined))?.mode ?? 0o600;
  const made = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(made, 'wx', mode & 0o777);
    try {
      await handle.writeFile(after);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if ((await contentOf(file)) !== before) throw new UsageError('another program is changing it');
    await rename(made, file);
  } finally {
    await rm(made, { force: true });
  }
}
