import { join } from 'node:path';
import { env } from 'node:process';
import { run } from '../cluster/command.ts';
import { type Installed, installOnce, pythonPackages } from '../installed.ts';

/** cosign alone is two thousand packages. */
const BUILD_SECONDS_MAX = 1500;

const HERE = import.meta.dirname;
const report = (line: string) => process.stderr.write(`${line}\n`);

/** The programs of Go's modules in go/, with the commands that each is made for. */
const COMMANDS = {
  checkers: [
    'github.com/rhysd/actionlint/cmd/actionlint',
    'sigs.k8s.io/krew/cmd/krew',
    'sigs.k8s.io/krew/cmd/validate-krew-manifest',
  ],
  cosign: [
    'github.com/google/go-containerregistry/cmd/crane',
    'github.com/sigstore/cosign/v3/cmd/cosign',
  ],
  kyverno: ['github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno'],
} as const;

/** Builds the programs of a module, once for each content of its lock. */
export function goPrograms(name: keyof typeof COMMANDS): Promise<Installed> {
  const cwd = join(HERE, 'go', name);
  const locks = ['go.mod', 'go.sum'].map(file => join(cwd, file));
  const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags=-s -w'];
  const build = async (folder: string) => {
    await run(['go', 'build', ...flags, '-o', `${folder}/`, ...COMMANDS[name]], {
      ...{ cwd, secondsMax: BUILD_SECONDS_MAX },
      env: { ...env, GOFLAGS: '', GOWORK: 'off', CGO_ENABLED: '0' },
    });
  };
  return installOnce(`release-${name}`, locks, build, report);
}

export function pythonCheckers(): Promise<Installed> {
  const lock = join(HERE, 'requirements.txt');
  return installOnce('release-python', [lock], folder => pythonPackages(folder, lock), report);
}
