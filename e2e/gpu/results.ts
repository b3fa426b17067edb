import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Step } from './step.ts';

/** What the check has found so far; every addition is written at once: the machine may go. */
export class Results {
  readonly #folder: string;
  readonly #steps: Step[] = [];
  readonly #facts: Record<string, unknown> = {};
  readonly #lines: string[] = [];
  readonly #startMs = performance.now();

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  say(line: string): void {
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(1).padStart(6);
    this.#lines.push(`${seconds} ${line}`);
    process.stdout.write(`${seconds} ${line}\n`);
    this.write('summary.txt', `${this.#lines.join('\n')}\n`);
  }

  step(step: Step): Step {
    this.#steps.push(step);
    const told = step.isTimedOut ? 'timed out' : `code ${step.code}`;
    const cpu = step.cpuMs === undefined ? '' : `, cpu ${step.cpuMs} ms`;
    this.say(`${step.name}: ${told}, ${step.wallMs} ms${cpu}`);
    this.#writeSteps();
    return step;
  }

  fact(name: string, value: unknown): void {
    this.#facts[name] = value;
    this.#writeSteps();
  }

  /** Times without outputs, for a quick look, and everything. */
  #writeSteps(): void {
    const times = this.#steps.map(({ stdout: _out, stderr: _err, ...rest }) => rest);
    this.write('steps.json', json({ facts: this.#facts, steps: times }));
    const all = json({ facts: this.#facts, steps: this.#steps });
    this.write('outputs.json.gz', gzipSync(all, { level: 6 }));
  }

  write(name: string, content: string | Buffer): void {
    writeFileSync(join(this.#folder, name), content);
  }
}

export const json = (value: unknown): string =>
  `${JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? inner.toString() : inner), 1)}\n`;
