import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** A plugin removes its pod after SIGTERM; what still runs then is killed. */
const END_MS_MAX = 5_000;

/** What a run has started and made. All of it ends with the run, however the run ends. */
export class Scope {
  readonly #abort = new AbortController();
  readonly #undo: (() => void | Promise<void>)[] = [];
  readonly #children = new Set<ChildProcess>();

  /** Aborted by `stop`: every wait of the run ends with it. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ends the run early; `end` is still to be called. */
  stop(reason: string): void {
    this.#abort.abort(new Error(reason));
    for (const child of this.#children) child.kill('SIGTERM');
  }

  /** Remembers how to take back what was just made; the last is taken back first. */
  defer(undo: () => void | Promise<void>): void {
    this.#undo.push(undo);
  }

  /** Remembers a process until it ends. */
  track<Child extends ChildProcess>(child: Child): Child {
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    child.once('error', () => this.#children.delete(child));
    return child;
  }

  /** Ends the processes, then takes back what was made; gives what could not be taken back. */
  async end(): Promise<readonly unknown[]> {
    await this.#endChildren();
    const errors: unknown[] = [];
    for (let undo = this.#undo.pop(); undo; undo = this.#undo.pop()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  async #endChildren(): Promise<void> {
    for (const child of this.#children) child.kill('SIGTERM');
    const untilMs = performance.now() + END_MS_MAX;
    while (this.#children.size > 0 && performance.now() < untilMs) await sleep(50);
    for (const child of this.#children) child.kill('SIGKILL');
  }
}
