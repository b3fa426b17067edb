import { PassThrough } from 'node:stream';
import { AnswerList } from '../../src/contract/fleet.ts';
import {
  AGENT_IDLE_MS_MAX,
  AGENT_INITIALIZE_MS_MAX,
  API_REQUEST_MS_MAX,
  ATTACH_HANDSHAKE_MS_MAX,
  CLUSTER_VIEW_MS_MAX,
  JOB_TTL_SECONDS,
  LIST_MS_MAX,
  NODE_ANSWER_MS_MAX,
  POD_LIFE_SECONDS,
  POD_START_MS_MAX,
  REMOVE_MS_MAX,
  SHUTDOWN_MS_MAX,
  TOOL_CALL_MS_MAX,
} from '../../src/contract/limits.ts';
import { optional } from '../../src/contract/optional.ts';
import { asJson, type Json } from '../cluster/fake-objects.ts';
import type { Answers } from './answers.ts';
import { metadataOf, phaseOf } from './kubernetes.ts';
import type { Run } from './laptop.ts';
import { FLEET_NODES, type Plan } from './plan.ts';
import type { Simulator, World } from './world.ts';

export interface Outcome {
  readonly violations: readonly string[];
  readonly trace: readonly string[];
}

/** From the first question of a session to its answer: each wait at its limit, one after the other. */
const CALL_MS_MAX =
  // The node, and where it was not found the list of those alike.
  API_REQUEST_MS_MAX +
  LIST_MS_MAX +
  // The start, with what is removed of one that failed.
  POD_START_MS_MAX +
  API_REQUEST_MS_MAX +
  REMOVE_MS_MAX +
  // The stream, the agent's first word, and the tool.
  ATTACH_HANDSHAKE_MS_MAX +
  AGENT_INITIALIZE_MS_MAX +
  TOOL_CALL_MS_MAX +
  // What is told of a failure: the pod's fate, and the cluster's view of the node.
  REMOVE_MS_MAX +
  CLUSTER_VIEW_MS_MAX;
/** All nodes of a fleet have their turn at once. */
const FLEET_MS_MAX = NODE_ANSWER_MS_MAX;
/** Whatever can be reached again: nothing of ours is left so long after. */
const LEFT_MS_MAX = 15_000;
/** The same where nobody could tell the agent that we are gone: its own silence ends it. */
const SILENT_MS_MAX = AGENT_IDLE_MS_MAX + JOB_TTL_SECONDS * 1_000 + 10_000;
/** After this the cluster itself has ended everything. */
const LIFE_MS_MAX = (POD_LIFE_SECONDS + 120) * 1_000;

/** Where nothing is left, one seed of so many asks `clean` whether it says so. */
const CLEAN_EVERY = 10;

/** After the last trouble, and after as many deletions as may fail. */
const AGAIN_MS_MAX = 40_000;
const FEW = 8;

/** Plays one plan, and says what was wrong. */
export async function play(simulator: Simulator, plan: Plan, answers: Answers): Promise<Outcome> {
  const nodes = plan.program.name === 'fleet' ? FLEET_NODES : undefined;
  const world = simulator.begin({ ...plan, answerOf: answers, ...optional({ nodes }) });
  const violations: string[] = [];
  const judge = (isSo: boolean, what: string) => {
    if (!isSo) {
      violations.push(what);
      world.say(`!! ${what}`);
    }
  };
  watchPods(world, judge);
  watchWords(world, judge);
  const client = new Client(world, plan, judge);
  const { run } = client;
  const { end } = plan;
  if (end) {
    world.time.after(end.atMs, () => {
      if (!run.process.alive) return;
      world.say(`-- ${end.how}`);
      if (end.how === 'kill -9') return run.process.end();
      run.interrupt();
      if (end.how === 'SIGINT twice') run.interrupt();
    });
  }
  const asleepMs = plan.faults.reduce(
    (sum, one) => sum + (one.on === 'time' && one.what === 'laptop sleeps' ? one.forMs : 0),
    0,
  );
  const msMax = limitMs(plan) + SHUTDOWN_MS_MAX + 1_000 + asleepMs;
  await world.until(() => !run.process.alive, msMax);
  judge(!run.process.alive, `it has not ended after ${msMax} ms`);
  run.process.end();
  if (run.code !== undefined) judgeEnd(run, plan, judge);
  await untilNothingIsLeft(world, plan, judge);
  for (const name of world.kubernetes.orphaned) judge(false, `${name} was removed while it ran`);
  for (const reason of simulator.unhandled) judge(false, `nobody handles ${reason}`);
  return { violations, trace: world.trace };
}

function limitMs({ program }: Plan): number {
  if (program.name === 'fleet') return FLEET_MS_MAX;
  if (program.name !== 'serve') return CALL_MS_MAX;
  return program.gapsMs.reduce((sum, ms) => sum + ms + CALL_MS_MAX, 0);
}

type Judge = (isSo: boolean, what: string) => void;

/** At most one pod of one session runs on a node: the earlier one is being removed when the next is made. */
function watchPods(world: World, judge: Judge): void {
  const query = new URLSearchParams();
  world.kubernetes.watch({ resource: 'pods', namespace: 'gpu-mcp', query }, (type, pod) => {
    if (type !== 'ADDED') return;
    const others = world.kubernetes
      .list('pods')
      .filter(other => metadataOf(other)['uid'] !== metadataOf(pod)['uid'])
      .filter(other => asJson(other['spec'])['nodeName'] === asJson(pod['spec'])['nodeName'])
      .filter(other => phaseOf(other) !== 'Succeeded' && phaseOf(other) !== 'Failed')
      .filter(other => metadataOf(other)['deletionTimestamp'] === undefined)
      // The garbage collector takes a Job's pod.
      .filter(other => isOwned(other, world) !== false);
    judge(others.length === 0, `a second pod beside ${others.map(one => metadataOf(one)['name'])}`);
  });
}

/** We were killed, and the pod in our Job never runs: the Job's deadline ends it. */
const isLeftToTheDeadline = ({ end, traits }: Plan): boolean =>
  end !== undefined &&
  end.how !== 'SIGINT' &&
  (traits.imageFails || traits.suspendsJobs || traits.lacks !== undefined);

/** Whether the Job that owns the pod is there; undefined of a bare pod. */
function isOwned(pod: Json, { kubernetes }: World): boolean | undefined {
  const [owner] = [metadataOf(pod)['ownerReferences'] ?? []].flat().map(asJson);
  return owner && kubernetes.list('jobs').some(job => metadataOf(job)['uid'] === owner['uid']);
}

/** What is said to be gone is gone. */
function watchWords(world: World, judge: Judge): void {
  const { kubernetes, laptop } = world;
  const left = (name: string) =>
    ['jobs', 'pods'].flatMap(resource =>
      kubernetes.list(resource).filter(one => String(metadataOf(one)['name']).startsWith(name)),
    );
  laptop.onWords = (_run, text) => {
    for (const [, name = ''] of text.matchAll(/\/(gpu-mcp-\S+) deleted, verified/g)) {
      judge(left(name).length === 0, `${name} is said to be verified as deleted, and is there`);
    }
    if (/\b\d+ pods? deleted, verified/.test(text)) {
      judge(left('').length === 0, 'pods are said to be verified as deleted, and some are there');
    }
    judge(!/^\s+at /m.test(text), `a stack trace: ${text}`);
  };
}

function judgeEnd(run: Run, plan: Plan, judge: Judge): void {
  const { code } = run;
  const isFleet = plan.program.name === 'fleet';
  const codes = [0, 3, ...(isFleet ? [5] : [4]), ...(isInterrupted(plan) ? [130] : [])];
  judge(codes.includes(code ?? -1), `exit code ${code}`);
  const isQuiet = plan.program.name === 'serve' || code === 130;
  if (code !== 0 && !isQuiet)
    judge(/^error: /m.test(run.err()), `exit code ${code} without a word`);
  if (plan.says) judge(plan.says.test(run.err()), `it says ${run.err()}, not ${plan.says}`);
  if (isFleet && isEasyPlan(plan) && !plan.end) {
    judge(code === 0, `exit code ${code} although nothing failed`);
  }
  if (isFleet && (code === 0 || code === 5)) judgeRows(run, plan, judge);
  if (plan.program.name !== 'triage') return;
  const page = run.out();
  const isHealthy = /^HEALTHY/m.test(page);
  if (plan.machine === 'faulty') judge(!isHealthy, 'a faulty machine is called healthy');
  if (code === 0) judge(page.length > 200, 'exit code 0 without a page');
  else if (code !== 130) judge(!isHealthy, `healthy, with exit code ${code}`);
  if (isEasyPlan(plan) && !plan.end) judge(code === 0, `exit code ${code} although nothing failed`);
}

const isInterrupted = ({ end }: Plan): boolean => end !== undefined && end.how !== 'kill -9';

/** Each node is what it is or says why it was not read, and the exit code says whether all were. */
function judgeRows(run: Run, { machine }: Plan, judge: Judge): void {
  const { counts, items, unreadFor = [] } = AnswerList.parse(JSON.parse(run.out()));
  const names = items.map(({ node }) => node).toSorted();
  judge(String(names) === String(FLEET_NODES), `an answer about ${names}`);
  const verdict = machine === 'faulty' ? 'critical' : 'healthy';
  for (const item of items) {
    const isRight = item.ok ? item.verdict === verdict : (item.error?.message ?? '') !== '';
    judge(isRight, `${item.node}: ${item.verdict}, ${item.error?.message}`);
  }
  judge((counts.unread === 0) === (run.code === 0), `${counts.unread} unread, code ${run.code}`);
  const told = unreadFor.reduce((sum, { nodes }) => sum + nodes, 0);
  judge(told === counts.unread, `${told} of ${counts.unread} unread nodes have a reason`);
}

const isEasyPlan = ({ faults, traits, denied }: Plan): boolean =>
  faults.length === 0 &&
  !traits.imageFails &&
  // Only an event tells of a directory that is not there.
  (traits.lacks === undefined || denied.length === 0);

async function untilNothingIsLeft(world: World, plan: Plan, judge: Judge): Promise<void> {
  const lastMs = Math.max(
    0,
    ...plan.faults.map(fault => (fault.on === 'time' ? fault.atMs + fault.forMs : 0)),
  );
  await world.until(() => false, Math.max(3_000, lastMs - world.passedMs));
  world.calm();
  // What was on its way arrives.
  await world.until(() => false, 3_000);
  const { kubernetes } = world;
  const left = () =>
    ['jobs', 'pods'].flatMap(resource =>
      kubernetes.list(resource).map(one => `${resource}/${metadataOf(one)['name']}`),
    );
  const before = left();
  const calmMs = world.passedMs;
  await world.until(() => left().length === 0, LEFT_MS_MAX);
  // Killed before its stream was there, or over a link that forgot it: nobody tells the agent.
  const isUnheard = left().length > 0;
  if (isUnheard) {
    await world.until(() => left().length === 0, SILENT_MS_MAX - LEFT_MS_MAX);
    judge(
      left().length === 0 || plan.denied.includes('delete jobs') || isLeftToTheDeadline(plan),
      `${left().join(', ')} is left ${SILENT_MS_MAX} ms after all could be reached`,
    );
    world.say(`-- ${before.join(', ')} took ${world.passedMs - calmMs} ms`);
  }
  await world.until(() => left().length === 0, LIFE_MS_MAX);
  const stays = left();
  // Without the right nobody can; without a user's mark it goes by its name alone.
  if (plan.denied.includes('delete jobs')) return;
  if (stays.length === 0 && plan.seed % CLEAN_EVERY !== 0) return;
  const owner = /"gpu-mcp\/user"/;
  const names = ['jobs', 'pods']
    .flatMap(resource => kubernetes.list(resource))
    .filter(one => !owner.test(JSON.stringify(metadataOf(one)['annotations'])))
    .map(one => String(metadataOf(one)['name']));
  const sweep = world.laptop.run(['clean', ...names]);
  await world.until(() => sweep.code !== undefined, 60_000);
  judge(sweep.code === 0, `clean ends with ${sweep.code}: ${sweep.err()}`);
  const isNothing = /nothing of ours is left/.test(sweep.out());
  judge(isNothing === (stays.length === 0), `clean says "${sweep.out().trim()}" of ${stays}`);
  await world.until(() => left().length === 0, 5_000);
  judge(left().length === 0, `${left().join(', ')} is left for ever`);
}

/** Starts our plugin and, where it serves, asks as an AI client does. */
class Client {
  readonly run: Run;
  readonly #world: World;
  readonly #plan: Plan;
  readonly #judge: Judge;
  readonly #stdin = new PassThrough();
  #text = '';
  /** Questions that are due, and that were sent. */
  #asked = 0;
  #sent = 0;

  constructor(world: World, plan: Plan, judge: Judge) {
    this.#world = world;
    this.#plan = plan;
    this.#judge = judge;
    world.laptop.onOutput = (run, text) => {
      if (run === this.run && plan.program.name === 'serve') this.#hear(text);
    };
    const { name, flags } = plan.program;
    const words = {
      serve: ['node-a', ...flags],
      triage: ['triage', 'node-a', ...flags],
      fleet: ['triage', '--fleet', ...FLEET_NODES, '-o', 'json', ...flags],
      clean: ['clean', ...flags],
      nodes: ['nodes', ...flags],
    };
    this.run = world.laptop.run(words[name], this.#stdin);
    if (name === 'serve') {
      const clientInfo = { name: 'client', version: '1' };
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
      this.#send({ id: 0, method: 'initialize', params });
    }
  }

  #send(message: Json): void {
    // The pipe belongs to the process that reads it.
    this.run.process.run(() => {
      this.#stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    });
  }

  #hear(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const { id, result, error } = asJson(JSON.parse(line));
      if (id === undefined) continue;
      this.#judge(error === undefined, `an error of the protocol: ${line}`);
      if (id === 0) this.#send({ method: 'notifications/initialized' });
      else this.#look(asJson(result));
      this.#next();
    }
  }

  #look(result: Json): void {
    const [content] = [result['content']].flat().map(asJson);
    const text = String(content?.['text']);
    const isError = result['isError'] === true;
    this.#world.say(
      `answer ${this.#asked}${isError ? ' (error)' : ''}: ${text.slice(0, 160).replaceAll('\n', ' | ')}`,
    );
    const isHealthy = /^HEALTHY/m.test(text);
    const isFalse = isHealthy && (isError || this.#plan.machine === 'faulty');
    this.#judge(!isFalse, 'a false healthy');
    // Whoever ends a server in the midst of a call may hear that its session is closed: it is being removed.
    const { end } = this.#plan;
    if (end && /^the session with \S+ is closed\.$/.test(text)) return;
    if (isError) this.#lookAfterError(text);
    if (isEasyPlan(this.#plan)) this.#judge(!isError, `an error although nothing failed: ${text}`);
  }

  /** A session that failed leaves no pod: at once where it can be deleted, else when it can again. */
  #lookAfterError(text: string): void {
    // A tool that takes too long, or refuses, ends no session; nor does who is silent between it and us.
    if (/did not answer|refused|no second pod|; no word from the agent/.test(text)) return;
    const { kubernetes, time } = this.#world;
    const { faults, denied } = this.#plan;
    if (denied.includes('delete jobs')) return;
    const isLive = (name: unknown) =>
      [...kubernetes.list('jobs'), ...kubernetes.list('pods')].some(
        one =>
          metadataOf(one)['name'] === name &&
          metadataOf(one)['deletionTimestamp'] === undefined &&
          // The garbage collector takes a Job's pod.
          isOwned(one, this.#world) !== false,
      );
    const names = [...kubernetes.list('jobs'), ...kubernetes.list('pods')]
      .map(one => metadataOf(one)['name'])
      .filter(isLive);
    const deletions = faults.filter(
      one => one.on === 'request' && (one.of === 'delete' || one.of === 'any'),
    );
    const troubles = faults.filter(one => one.on === 'time' && one.what !== 'agents hang');
    if (deletions.length + troubles.length === 0) {
      this.#judge(names.length === 0, `${names.join(', ')} stays after the error "${text}"`);
    }
    if (deletions.some(one => one.on === 'request' && one.times > FEW)) return;
    const { startMs } = time;
    const calmMs = Math.max(
      time.nowMs,
      ...troubles.map(one => (one.on === 'time' ? startMs + one.atMs + one.forMs : 0)),
    );
    const sent = this.#sent;
    time.after(calmMs - time.nowMs + AGAIN_MS_MAX, () => {
      // What the next call removes is no proof.
      if (!this.run.process.alive || this.#sent !== sent) return;
      const left = names.filter(isLive);
      this.#judge(left.length === 0, `${left.join(', ')} stays although it can be deleted again`);
    });
  }

  #next(): void {
    const { program } = this.#plan;
    const gapMs = program.name === 'serve' ? program.gapsMs[this.#asked] : undefined;
    const { time } = this.#world;
    if (gapMs === undefined) {
      time.after(1, () => this.run.process.run(() => this.#stdin.end()));
      return;
    }
    this.#asked += 1;
    const params = { name: 'triage_gpu_node', arguments: {} };
    time.after(gapMs, () => {
      const askedMs = time.nowMs;
      this.#sent += 1;
      const number = this.#asked;
      this.#send({ id: number, method: 'tools/call', params });
      const isLate = () => this.#asked === number && this.run.process.alive;
      const asleepMs = this.#plan.faults.reduce(
        (sum, one) => sum + (one.on === 'time' && one.what === 'laptop sleeps' ? one.forMs : 0),
        0,
      );
      time.after(CALL_MS_MAX + asleepMs, () =>
        this.#judge(!isLate() || time.nowMs === askedMs, `no answer after ${CALL_MS_MAX} ms`),
      );
    });
  }
}
