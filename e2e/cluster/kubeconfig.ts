import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { issue, type KeyPair, type Subject } from './x509.ts';

export const AUTHORITY_NAME = 'gpu-mcp-e2e';

/** Reads a pair that `writePair` has written. */
export function readPair(folder: string, name: string): KeyPair {
  const read = (suffix: string): string => readFileSync(join(folder, `${name}.${suffix}`), 'utf8');
  return { certificate: read('crt'), key: read('key') };
}

/** Writes `name.crt` and `name.key`. */
export function writePair(folder: string, name: string, pair: KeyPair): void {
  writeFileSync(join(folder, `${name}.crt`), pair.certificate);
  writeFileSync(join(folder, `${name}.key`), pair.key, { mode: 0o600 });
}

/** Writes `name.crt` and `name.key` for the subject, signed by the authority of this folder. */
export function writeCertificate(folder: string, name: string, subject: Subject): void {
  const authority = { ...readPair(folder, 'ca'), commonName: AUTHORITY_NAME };
  writePair(folder, name, issue(authority, subject));
}

/**
 * Writes a kubeconfig with a client certificate of its own and returns its path.
 *
 * It is JSON, which every reader of YAML reads too.
 */
export function writeKubeconfig({
  folder,
  name,
  server,
  subject,
}: {
  folder: string;
  name: string;
  server: string;
  subject: Subject;
}): string {
  const ca = readPair(folder, 'ca');
  const user = issue({ ...ca, commonName: AUTHORITY_NAME }, subject);
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const cluster = { server, 'certificate-authority-data': base64(ca.certificate) };
  const identity = {
    'client-certificate-data': base64(user.certificate),
    'client-key-data': base64(user.key),
  };
  const path = join(folder, `${name}.kubeconfig`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'gpu-mcp-e2e', cluster }],
    users: [{ name: subject.commonName, user: identity }],
    contexts: [
      { name: 'gpu-mcp-e2e', context: { cluster: 'gpu-mcp-e2e', user: subject.commonName } },
    ],
    'current-context': 'gpu-mcp-e2e',
  };
  writeFileSync(path, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  return path;
}
