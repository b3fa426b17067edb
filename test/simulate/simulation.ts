import { join } from 'node:path';
import { CAPTURE_TOOL } from '../../src/contract/capture-tool.ts';
import { filesUnder, PROJECT } from '../house/files.ts';
import { type Answers, answersOf } from './answers.ts';
import { failEveryOperation, type Tried } from './nth-operation.ts';
import type { Plan } from './plan.ts';
import { type Outcome, play } from './run.ts';
import { Simulator } from './world.ts';

/** Plays plans in this process, with what real agents answer on two machines. */
export class Simulation implements Disposable {
  readonly simulator = new Simulator();
  readonly #answers: Readonly<Record<Plan['machine'], Answers>>;

  constructor(answers: Readonly<Record<Plan['machine'], Answers>>) {
    this.#answers = answers;
  }

  static async start(): Promise<Simulation> {
    const tools = ['triage_gpu_node', 'get_gpu_inventory', CAPTURE_TOOL];
    const [healthy, faulty] = [
      await answersOf('dgx-h100', tools),
      await answersOf('lost-gpu', tools),
    ];
    // What would be loaded at its first use takes real time.
    const laptop = /^src\/(?:bridge|bundle|cli|cluster|mcp|report|session)\/(?!main).*\.ts$/;
    for (const file of filesUnder('src').filter(path => laptop.test(path))) {
      await import(join(PROJECT, file));
    }
    return new Simulation({ healthy, faulty });
  }

  play(plan: Plan): Promise<Outcome> {
    return play(this.simulator, plan, this.#answers[plan.machine]);
  }

  /** Every command, with each of its operations failing once. */
  failEveryOperation(trace: (lines: readonly string[]) => void): Promise<Tried> {
    return failEveryOperation(this.simulator, this.#answers.faulty, trace);
  }

  /** Leaves out one fault after the other while something is still wrong. */
  async smallest(plan: Plan): Promise<Plan> {
    for (const fault of plan.faults) {
      const less = { ...plan, faults: plan.faults.filter(other => other !== fault) };
      if ((await this.play(less)).violations.length > 0) return this.smallest(less);
    }
    return plan;
  }

  [Symbol.dispose](): void {
    this.simulator[Symbol.dispose]();
  }
}
