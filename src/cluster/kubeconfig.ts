import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { load } from 'js-yaml';
import { ClusterError } from '../contract/errors.ts';
import { isObject, type Json, listAt, objectAt, textOf } from './json.ts';

/** All kubeconfig files as one: for every name and setting the first file that has it wins. */
export interface KubeConfigFiles {
  /** The files that were read, in order; empty when there is none. */
  readonly files: readonly string[];
  readonly currentContext: string;
  readonly contexts: ReadonlyMap<string, Json>;
  readonly clusters: ReadonlyMap<string, Json>;
  readonly users: ReadonlyMap<string, Json>;
}

export interface KubeConfigPlaces {
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
export async function readKubeConfig(places: KubeConfigPlaces): Promise<KubeConfigFiles> {
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
