import { shell } from '../../src/contract/printed-command.ts';
import { plainText } from '../../src/contract/untrusted.ts';

/** Sentences of each form that the source makes its errors of: test/house/errors.test.ts reads them as text. */

class UsageError extends Error {
  constructor(message: string, hint?: string) {
    super(message, { cause: hint });
  }
}

interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly phase: string | undefined;
  readonly reason: string;
}

const BYTES_MAX = 4 * 1024 ** 2;
const GONE: Readonly<Record<string, string>> = { 'cache-dir': 'it does nothing' };
const titleOf = ({ namespace, name }: Pod) => `pod ${namespace}/${name}`;

function howTo(isFolder: boolean): string {
  if (isFolder) return 'name a file, and no folder, that you may read';
  return 'name a file that you may read';
}

export function choice(isFolder: boolean): Error {
  return new UsageError(isFolder ? 'a folder was named' : 'it is not a folder', howTo(isFolder));
}

export function optionalWords(pod: Pod, wanted: string, alike: string | undefined): Error {
  const why = pod.reason === '' ? '' : ` (${plainText(pod.reason, 40)})`;
  return new UsageError(
    `a ${titleOf(pod)} has no container "${wanted || 'agent'}"${why}`,
    `${alike === undefined ? '' : `did you mean ${alike}? `}it has one`,
  );
}

export function list(pod: Pod, code: number, words: string, install: string): Error {
  const how = [pod.phase, `exit code ${code}`].filter(Boolean).join(', ');
  return new UsageError(
    [`${titleOf(pod)} ended: ${how}`, ...(words === '' ? [] : [words])].join('; '),
    install || 'install it' || `it is not on PATH (${process.env['PATH'] ?? ''})`,
  );
}

export function tables(flag: string, names: readonly string[], isLong: boolean): readonly Error[] {
  const side = isLong ? 'long' : 'short';
  return [
    new UsageError(`--cache-dir is gone: ${GONE[flag]}`, 'leave it out'),
    new UsageError(
      `${4 / 2} of ${names.join(', ')} are too ${side}`,
      `at most ${BYTES_MAX / 1024 ** 2} MiB`,
    ),
  ];
}

export function mapped(names: readonly string[], namespace: string): Error {
  const named = names.map(name => `--${name}`).join(', ');
  return new UsageError(`there is no flag ${named}`, shell`kubectl get pods -n ${namespace}`);
}
