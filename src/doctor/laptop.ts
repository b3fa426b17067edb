import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Check } from '../contract/doctor.ts';
import { ClusterError } from '../contract/errors.ts';
import { DOCTOR_ANSWER_MS_MAX } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Facts, Laptop } from './facts.ts';
import { type Asking, ask, good, unproven, warned, wordsOf } from './found.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What of this machine a session needs: the Node that runs us, and a kubectl beside it. */
export async function lookAtLaptop(
  asking: Asking,
  {
    environment,
    nodeJs,
  }: { readonly environment: Environment; readonly nodeJs?: string | undefined },
): Promise<Laptop> {
  const program = environment['KUBECTL_PATH'] || 'kubectl';
  const [kubectl, plugin] = await Promise.all([
    ask(asking, DOCTOR_ANSWER_MS_MAX, signal => kubectlVersion(program, environment, signal)),
    onPath('kubectl-gpu_mcp', environment),
  ]);
  return { nodeJs, kubectl, plugin };
}

async function kubectlVersion(
  program: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<string> {
  const args = ['version', '--client', '--output=json'];
  let stdout: string;
  try {
    ({ stdout } = await promisify(execFile)(program, args, { signal, env: { ...environment } }));
  } catch (cause) {
    signal.throwIfAborted();
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new ClusterError(
      isAbsent ? `there is no ${program} on PATH` : `${program} version --client fails`,
      { cause },
    );
  }
  const version = /"gitVersion":\s*"(v[\w.+-]+)"/.exec(stdout)?.[1];
  if (version === undefined) throw new ClusterError(`${program} does not say its version`);
  return plainText(version, 60);
}

async function onPath(program: string, environment: Environment): Promise<string | undefined> {
  for (const folder of (environment['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    const file = join(folder, program);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return undefined;
}

/** The oldest that runs the plugin, as package.json says. */
const NODE_JS_MIN = [22, 19] as const;

export function laptopChecks({ laptop }: Facts): readonly Check[] {
  const { kubectl, plugin } = laptop;
  return [
    nodeJsCheck(laptop),
    kubectl.ok
      ? good('kubectl', kubectl.value)
      : warned('kubectl', wordsOf(kubectl.error), {
          hint: 'a session goes without it, but where WebSockets do not pass it is the other way',
        }),
    plugin === undefined
      ? warned('plugin', 'kubectl-gpu_mcp is not on PATH: `kubectl gpu-mcp` is not found there', {
          hint: 'npm link in its clone; AI clients often start with a short PATH of their own',
        })
      : good('plugin', plugin),
  ];
}

function nodeJsCheck({ nodeJs }: Laptop): Check {
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(nodeJs ?? '') ?? [];
  if (major === undefined) return unproven('node-js', 'its version is not known');
  const [wantedMajor, wantedMinor] = NODE_JS_MIN;
  const isNewEnough =
    Number(major) > wantedMajor || (Number(major) === wantedMajor && Number(minor) >= wantedMinor);
  if (isNewEnough) return good('node-js', `Node.js ${nodeJs}`);
  return warned('node-js', `Node.js ${nodeJs} is older than ${NODE_JS_MIN.join('.')}`, {
    hint: 'install a newer one',
  });
}
