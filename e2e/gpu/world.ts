import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DriverPlace } from './driver-place.ts';
import type { Identity } from './expected-answers.ts';
import type { Results } from './results.ts';
import { killGroup, runStep, type Step } from './step.ts';

/** The check ends by itself before whoever lends the machine ends it. */
const TOTAL_MS_MAX = 225_000;
const LEAST_STEP_MS = 500;

/** What all phases of the check work with. */
export class World {
  readonly results: Results;
  readonly work: string;
  readonly pack: string;
  readonly driver: DriverPlace;
  readonly gpu: Identity;
  /** XID lines that were in the kernel's log before the check began. */
  earlierXids = 0;
  readonly #endMs = performance.now() + TOTAL_MS_MAX;
  readonly #children: ChildProcess[] = [];
  readonly #verdicts: { readonly name: string; readonly passed: boolean; readonly why: string }[] =
    [];

  constructor(parts: {
    readonly results: Results;
    readonly work: string;
    readonly pack: string;
    readonly driver: DriverPlace;
    readonly gpu: Identity;
  }) {
    this.results = parts.results;
    this.work = parts.work;
    this.pack = parts.pack;
    this.driver = parts.driver;
    this.gpu = parts.gpu;
  }

  get leftMs(): number {
    return this.#endMs - performance.now();
  }

  /** One part of the check; its failure does not end the others. */
  async phase(name: string, body: () => Promise<void>): Promise<void> {
    this.results.say(`--- ${name}`);
    try {
      await body();
    } catch (error) {
      this.verdict(
        `phase ${name}`,
        false,
        error instanceof Error ? String(error.stack) : String(error),
      );
    }
  }

  async run(
    name: string,
    argv: readonly string[],
    timeoutMs = 20_000,
    options: { readonly input?: string } = {},
  ): Promise<Step> {
    const limit = Math.min(timeoutMs, this.leftMs);
    if (limit < LEAST_STEP_MS) throw new Error(`no time is left for ${name}`);
    const env = { LD_LIBRARY_PATH: this.#libraryPath() };
    return this.results.step(await runStep(name, argv, { timeoutMs: limit, env, ...options }));
  }

  /** The plugin as a user starts it. */
  plugin(name: string, words: readonly string[], timeoutMs = 25_000): Promise<Step> {
    const file = join(this.pack, 'plugin/kubectl-plugin/kubectl-gpu_mcp.mjs');
    const driver = words.includes('--local') ? this.#driverRoot() : [];
    return this.run(name, [process.execPath, file, ...words, ...driver], timeoutMs);
  }

  smi(words: readonly string[]): Promise<Step> {
    return this.run(`nvidia-smi ${words.join(' ')}`.trim(), [this.driver.nvidiaSmi, ...words]);
  }

  /** This check again, as a process that may crash. */
  again(name: string, words: readonly string[], timeoutMs = 30_000): Promise<Step> {
    return this.run(name, this.#again(words), timeoutMs);
  }

  background(argv: readonly string[]): ChildProcess {
    const [file = '', ...words] = argv;
    const child = spawn(file, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LD_LIBRARY_PATH: this.#libraryPath() },
      detached: true,
    });
    child.on('error', error => this.results.say(`${file}: ${error.message}`));
    this.#children.push(child);
    return child;
  }

  backgroundAgain = (words: readonly string[]): ChildProcess => this.background(this.#again(words));

  end(): void {
    for (const { pid } of this.#children) if (pid !== undefined) killGroup(pid);
  }

  verdict(name: string, passed: boolean, why: string): void {
    this.#verdicts.push({ name, passed, why });
    this.results.say(`${passed ? 'PASS' : 'FAIL'} ${name}: ${why}`);
    this.results.fact('verdicts', this.#verdicts);
  }

  /** The last line, and the exit code. */
  conclude(): number {
    const failed = this.#verdicts.filter(({ passed }) => !passed);
    const passed = this.#verdicts.length - failed.length;
    const names = failed.map(({ name }) => name).join(', ');
    this.results.say(`${passed} passed, ${failed.length} failed${names && `: ${names}`}`);
    return failed.length === 0 ? 0 : 1;
  }

  file = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      return `(${error instanceof Error ? error.message : error})`;
    }
  };

  #driverRoot(): string[] {
    const { driverRoot } = this.driver;
    return driverRoot === undefined ? [] : ['--driver-root', driverRoot];
  }

  #again = (words: readonly string[]): string[] => [
    process.execPath,
    join(this.pack, 'plugin/dist/check.mjs'),
    ...words,
  ];

  /** For nvidia-smi and CUDA; our agent hands no such path on. */
  #libraryPath(): string {
    return [this.driver.folder, process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':');
  }
}
