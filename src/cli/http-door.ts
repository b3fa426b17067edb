import { readFile, stat } from 'node:fs/promises';
import { type BridgeOptions, createBridge } from '../bridge/bridge.ts';
import { UsageError } from '../contract/errors.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { type Io, write } from './io.ts';
import { aborted } from './until-aborted.ts';

interface HttpFlags {
  readonly httpTokenFile?: string | undefined;
  readonly allowRemote: boolean;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
}

/** @throws UsageError for an address, a token or a certificate that is none. */
export async function httpDoor(where: string, args: HttpFlags) {
  const { freshToken, httpPlace } = await import('../bridge/http.ts');
  const place = httpPlace(where);
  const { tlsCert, tlsKey, httpTokenFile } = args;
  if (!place.isLoopback && !(args.allowRemote && tlsCert && tlsKey)) {
    throw new UsageError(
      `"${plainText(where, 80)}" can be reached from other machines`,
      'listen on 127.0.0.1, or say --allow-remote --tls-cert FILE --tls-key FILE',
    );
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError('a certificate and its key go together', '--tls-cert FILE --tls-key FILE');
  }
  const tls =
    tlsCert && tlsKey ? { cert: await textIn(tlsCert), key: await textIn(tlsKey) } : undefined;
  const token = httpTokenFile === undefined ? freshToken() : await tokenIn(httpTokenFile);
  return { place, token, isNew: httpTokenFile === undefined, ...optional({ tls }) };
}

/** A token of too few characters can be guessed; a file that others read is no secret. */
async function tokenIn(file: string): Promise<string> {
  const about = await stat(file).catch(() => undefined);
  if (about && (about.mode & 0o077) !== 0) {
    throw new UsageError(`"${plainText(file, 200)}" can be read by others`, 'chmod 600 FILE');
  }
  const token = (await textIn(file)).trim();
  if (/^[\x21-\x7e]{24,512}$/.test(token)) return token;
  throw new UsageError(
    `the token in "${plainText(file, 200)}" is none`,
    'write 24 characters or more on one line, without spaces',
  );
}

async function textIn(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    throw new UsageError(`"${plainText(file, 200)}" cannot be read`);
  }
}

/** Serves until the command is interrupted. */
export async function overHttp(
  options: BridgeOptions,
  door: Awaited<ReturnType<typeof httpDoor>>,
  io: Io,
): Promise<void> {
  const { serveHttp } = await import('../bridge/http.ts');
  const { place, token, isNew, tls } = door;
  const server = await serveHttp({
    bridge: createBridge(options),
    ...{ place, token },
    ...optional({ tls }),
  });
  const scheme = tls ? 'https' : 'http';
  const url = place.listen.path ?? `${scheme}://${place.hosts[0]}:${server.port}/mcp`;
  await write(
    io.stderr,
    `MCP over HTTP: ${url}\n${isNew ? `Authorization: Bearer ${token}\n` : ''}`,
  );
  await aborted(io.signal);
  await server.close();
}
