import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from '../../kubectl-plugin/build.ts';
import type { FakeApiServer } from '../cluster/fake-api-server.ts';
import { CONTEXTS, namedCluster } from './named-cluster.ts';
import { run } from './run.ts';

/** Completion as three real shells do it, on a terminal: what stands on the line after a TAB. */

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
let folder = '';
let api: FakeApiServer;
let environment: Record<string, string | undefined>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-shells-'));
  await bundle({
    entry: join(PROJECT, 'src/cli/main.ts'),
    output: join(folder, 'plugin.mjs'),
  });
  mkdirSync(join(folder, 'bin'));
  const program = join(folder, 'bin/kubectl-gpu_mcp');
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${folder}/plugin.mjs "$@"\n`);
  chmodSync(program, 0o755);
  for (const name of ['kern.log', 'kernel.log']) writeFileSync(join(folder, name), '');
  for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
    const { stdout } = await run(['completion', shell]);
    writeFileSync(join(folder, `completion.${shell}`), stdout);
  }
  api = await namedCluster();
  environment = {
    ...{ HOME: folder, TERM: 'xterm', LC_ALL: 'C.UTF-8' },
    KUBECONFIG: await api.kubeconfig(CONTEXTS),
    PATH: [join(folder, 'bin'), process.env['PATH']].join(delimiter),
    NODE_COMPILE_CACHE: join(folder, 'cache'),
  };
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A line up to the TAB, and all words that are offered in the place of its last one. */
const POSITIONS: readonly (readonly [line: string, words: readonly string[]])[] = [
  ['tri', ['triage']],
  ['cap', ['capture']],
  ['gpu-', ['gpu-a', 'gpu-b']],
  ['help exp', ['explain']],
  ['triage ', ['gpu-a', 'gpu-b']],
  ['triage gpu-a ', ['gpu-b']],
  ['triage node/', ['node/gpu-a', 'node/gpu-b']],
  ['triage po', ['pod/']],
  ['triage pod/', ['pod/train-0', 'pod/train-1']],
  ['triage -n other pod/', ['pod/web']],
  ['triage --simulate lost-', ['lost-gpu']],
  ['triage --simulate=lost-', ['--simulate=lost-gpu']],
  ['triage --sim', ['--simulate']],
  ['triage --fa', ['--fail-on']],
  ['triage --fail-on ', ['critical', 'warning']],
  ['triage -o m', ['markdown']],
  ['triage --output=m', ['--output=markdown']],
  ['triage --color=a', ['--color=always', '--color=auto']],
  ['triage --context prod-', ['prod-a']],
  ['triage --cluster f', ['fake']],
  ['triage -n ', ['gpu-mcp', 'other']],
  ['triage --since ', ['1h', '24h', '7d']],
  ['triage --from kern', ['kern.log', 'kernel.log']],
  ['triage --from=kern', ['--from=kern.log', '--from=kernel.log']],
  ['call gpu-a get_nv', ['get_nvlink_topology']],
  ['call gpu-a get_gpu_inventory --detail ', ['full', 'summary']],
  ['explain 79 --place a', ['aws', 'azure']],
  ['analyze kern', ['kern.log', 'kernel.log']],
  ['diff kern', ['kern.log', 'kernel.log']],
  ['manifest ', ['namespace', 'pod', 'policy', 'rbac']],
  ['manifest pod ', ['gpu-a', 'gpu-b']],
  ['completion ', ['bash', 'fish', 'powershell', 'zsh']],
];

const MARK = /<<(.*?)>>/gs;
const SHOW = `show() { printf '<''<%s>>' "$@"; printf '<''<END>>'; }`;

/** A shell on a terminal of its own. */
class Shell {
  readonly #child;
  #seen = '';
  #look = () => {};

  constructor(command: string) {
    this.#child = spawn('script', ['-qfec', `stty -echo cols 200; exec ${command}`, '/dev/null'], {
      cwd: folder,
      env: environment,
    });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#seen += chunk.toString('utf8');
      this.#look();
    });
  }

  /** The words that the keys make of a line, which `show` prints. */
  async words(line: string, keys: string): Promise<readonly string[]> {
    await this.#until('READY>');
    this.#seen = '';
    this.#child.stdin.write(`kubectl-gpu_mcp ${line}${keys}\x01show \r`);
    await this.#until('<<END>>');
    const [shown = ''] = this.#seen.split('<<END>>');
    this.#seen = this.#seen.slice(this.#seen.indexOf('<<END>>'));
    // Words before the last one stand there as they were typed.
    const before = line.split(' ').length;
    return [...shown.matchAll(MARK)].map(([, word = '']) => word).slice(before);
  }

  async #until(text: string): Promise<void> {
    if (this.#seen.includes(text)) return;
    await new Promise<void>(resolve => {
      this.#look = () => {
        if (this.#seen.includes(text)) resolve();
      };
    });
  }

  async end(): Promise<void> {
    const ended = new Promise(resolve => this.#child.on('close', resolve));
    this.#child.stdin.end('exit\r');
    await ended;
  }
}

const isHere = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

interface Completion {
  /** The keys that put every word that is offered on the line. */
  readonly keys: string;
  readonly command: string;
  readonly rc: readonly [file: string, text: string];
}

const SHELLS: Readonly<Record<string, Completion>> = {
  bash: {
    // Readline's insert-completions.
    keys: '\x1b*',
    command: 'bash --noprofile --rcfile bashrc -i',
    rc: ['bashrc', `source completion.bash\n${SHOW}\nPS1='READY>'\n`],
  },
  zsh: {
    keys: '\x18*',
    command: 'env ZDOTDIR=. zsh -i',
    rc: [
      '.zshrc',
      `autoload -Uz compinit && compinit -u -d $PWD/zcompdump
source completion.zsh
${SHOW}
bindkey -e
zle -C all-matches complete-word _generic
bindkey '^X*' all-matches
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
PS1='READY>'
`,
    ],
  },
};

describe.each(Object.entries(SHELLS))('%s', (name, { keys, command, rc: [file, text] }) => {
  let shell: Shell | undefined;
  beforeAll(() => {
    writeFileSync(join(folder, file), text);
    if (isHere(name) && isHere('script')) shell = new Shell(command);
  });
  afterAll(() => shell?.end());

  test.for(POSITIONS)('%s', async ([line, words], context) => {
    if (!shell) return context.skip(`${name} or script(1) is not here`);
    // Bash cuts a word at `=` and puts what is behind it there once for each.
    const flag = /--\w+=(?=\w*$)/.exec(line)?.[0] ?? '';
    const found = await shell.words(line, keys);
    const whole = found.map(word => (word.startsWith(flag) ? word : `${flag}${word}`));
    expect(whole.toSorted()).toEqual(words);
  });
});

describe('fish', () => {
  test.for(POSITIONS)('%s', async ([line, words], context) => {
    context.skip(!isHere('fish'), 'fish is not here');
    // `complete -C` is fish's own engine: what TAB would offer, one a line.
    const asked = `source completion.fish; complete -C 'kubectl-gpu_mcp ${line}'`;
    const child = spawn('fish', ['--no-config', '-c', asked], { cwd: folder, env: environment });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8');
    });
    await new Promise(resolve => child.on('close', resolve));
    const found = stdout.trimEnd().split('\n');
    expect(found.map(row => row.split('\t')[0]).toSorted()).toEqual(words);
  });
});
