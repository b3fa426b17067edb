import { AGENT_FIRST_BYTE_MS_MAX, AGENT_IDLE_MS_MAX } from '../../src/contract/limits.ts';
import { VERSION } from '../../src/contract/version.ts';
import { asJson, type Json } from '../cluster/fake-objects.ts';
import { initialized } from '../session/fake-agent.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Under this name of a tool the row of a machine is kept. */
export const ROW = 'row';

/**
 * The agent in a container: reads lines, answers them, and ends by itself with its input or after
 * silence, as src/agent/serve.ts does.
 */
export class SimulatedAgent {
  /** Called once, with its last words where it has some. */
  onEnd: (exitCode: number, reason: string, words: string) => void = () => {};
  /** Who is attached hears its output, and its end. */
  onOutput: (bytes: Buffer) => void = () => {};
  onOver: () => void = () => {};
  /** How long a tool takes. */
  answerMs = 20;
  version = VERSION;
  isAttached = false;
  readonly #time: VirtualTime;
  readonly #answerOf: (tool: string, input: Json) => Json | undefined;
  readonly #say: (what: string) => void;
  #text = '';
  #isOver = false;
  #isFrozen = false;
  #held: (() => void)[] = [];
  #stopIdle: () => void = () => {};

  constructor(
    time: VirtualTime,
    answerOf: (tool: string, input: Json) => Json | undefined,
    say: (what: string) => void,
    { leavesRow } = { leavesRow: false },
  ) {
    this.#time = time;
    this.#answerOf = answerOf;
    this.#say = say;
    if (leavesRow) time.after(this.answerMs, () => this.#do(() => this.#leaveRow()));
    else this.#hear(AGENT_FIRST_BYTE_MS_MAX);
  }

  /** Nobody attaches: what it has read are its last words. */
  #leaveRow(): void {
    this.end(0, 'Completed', String(this.#answerOf(ROW, {})?.['text']));
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const work of this.#held.splice(0)) work();
  }

  input(bytes: Buffer): void {
    this.#do(() => {
      this.#hear(AGENT_IDLE_MS_MAX);
      const lines = (this.#text + bytes.toString('utf8')).split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) this.#answer(line);
    });
  }

  /** Its stdin is over: nobody is attached any more. */
  inputEnded(): void {
    this.#do(() => this.end(0, 'Completed'));
  }

  end(exitCode: number, reason: string, words = ''): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopIdle();
    this.onEnd(exitCode, reason, words);
    this.onOver();
  }

  #do(work: () => void): void {
    if (this.#isOver) return;
    if (this.#isFrozen) this.#held.push(() => this.#do(work));
    else work();
  }

  #hear(silenceMsMax: number): void {
    this.#stopIdle();
    this.#stopIdle = this.#time.after(silenceMsMax, () => this.#do(() => this.end(0, 'Completed')));
  }

  #answer(line: string): void {
    let message: Json;
    try {
      message = asJson(JSON.parse(line));
    } catch {
      this.#write({ jsonrpc: '2.0', error: { code: -32_700, message: 'Parse error' } });
      return;
    }
    const { method, params, id } = message;
    const reply = (result: Json) => this.#write({ jsonrpc: '2.0', id, ...result });
    if (method === 'initialize') reply(initialized(this.version));
    else if (method === 'ping') reply({ result: {} });
    else if (method === 'gpu-mcp/clock') reply({ result: { nowMs: this.#time.nowMs } });
    else if (method === 'tools/call') {
      const { name, arguments: input } = asJson(params);
      this.#say(`the agent is asked for ${name}`);
      this.#time.after(this.answerMs, () =>
        this.#do(() => {
          const answer = this.#answerOf(String(name), asJson(input));
          if (answer) reply(answer);
        }),
      );
    }
  }

  #write(message: Json): void {
    if (!this.#isOver) this.onOutput(Buffer.from(`${JSON.stringify(message)}\n`));
  }
}
