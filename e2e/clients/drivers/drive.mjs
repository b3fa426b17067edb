// What each client is asked, in one order: node drive.mjs ADAPTER JOB. Prints one line of JSON.
import { argv, exit, stdout } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const [, , adapter, text] = argv;
const job = JSON.parse(text);
const { open } = await import(`./${adapter}.mjs`);
const client = await open(job.server, job.mode);

const SNAPSHOT = /[a-z0-9-]+@\d{4}-\d\d-\d\dT[\d:.]+Z/;
let snapshot = '';
const answers = {};
const tools = await client.list();
for (const [name, args] of Object.entries(job.calls)) {
  const given = Object.entries(args).map(([key, value]) => [
    key,
    value === 'SNAPSHOT' ? snapshot : value,
  ]);
  const answer = await call(name, Object.fromEntries(given));
  snapshot = SNAPSHOT.exec(answer.model)?.[0] ?? snapshot;
  answers[name] = answer;
}
let progress = null;
if (client.hasProgress) {
  progress = 0;
  const count = () => {
    progress += 1;
  };
  await client.call('sample_gpu_telemetry', { seconds: 2, samples: 2 }, { onProgress: count });
}
const unknown = await call('no_such_tool', {});
const wrong = await call('get_gpu_health', { gpu: '99' });
const cancelled = client.cancels ? await cancel() : null;
const after = cancelled === null ? null : await call('explain_xid', { query: '79' });
const closedAt = performance.now();
await client.close();
const closeMs = performance.now() - closedAt;
const report = { tools, answers, progress, unknown, wrong, cancelled, after, closeMs };
stdout.write(`${JSON.stringify(report)}\n`, () => exit(0));

/** What the model is given of an answer, and whether the client says that it is an error. */
async function call(name, args) {
  try {
    const { model, isError } = await client.call(name, args, {});
    return { isError, model: typeof model === 'string' ? model : JSON.stringify(model ?? null) };
  } catch (error) {
    return { isError: true, thrown: true, model: String(error?.message ?? error) };
  }
}

async function cancel() {
  const ending = new AbortController();
  const asked = client
    .call('sample_gpu_telemetry', { seconds: 10 }, { signal: ending.signal })
    .then(
      () => 'answered',
      () => 'ended',
    );
  await sleep(500);
  const at = performance.now();
  ending.abort(new Error('the user has stopped it'));
  const how = await asked;
  return { how, ms: performance.now() - at };
}
