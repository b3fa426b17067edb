import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { MAY_FAIL, MAY_REPORT } from '../../src/job-log/failure-forms.ts';
import { allJobTexts, CONSEQUENCES, meaningOf } from '../../src/job-log/job-texts.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { allPastedTexts } from '../../src/xid/pasted-texts.ts';
import job from './text-sources.json' with { type: 'json' };

const meaningOfPasted = (id: string) => allPastedTexts().some(row => row.id === id);

const Case = z.strictObject({
  name: z.string(),
  source: z.string(),
  log: z.array(z.string()),
  /** The entry that began the failure; null where the log does not tell. */
  root: z.string().nullable(),
  layer: z.string().optional(),
  ranks: z.array(z.int()).optional(),
  recovered: z.int().optional(),
  /** Whom the others waited for; null where the log tells of no wait. */
  behind: z.array(z.int()).nullable().optional(),
});
const CASES = z
  .array(Case)
  .parse(JSON.parse(readFileSync(new URL('cases.json', import.meta.url), 'utf8')));

const read = (log: readonly string[], cut = false) =>
  readJobLog({
    ...{ container: 'train', previous: false, requests: 1, bytes: log.join('\n').length },
    text: `${log.join('\n')}\n`,
    cut,
  });

test.each(CASES)('$name', ({ log, root, layer, ranks, recovered, behind }) => {
  const found = read(log);
  const cause = found.entries.find(({ role }) => role === 'cause');
  expect(cause?.id ?? null, JSON.stringify(found.entries, null, 1)).toBe(root);
  if (layer !== undefined) expect(cause?.layer).toBe(layer);
  if (ranks) expect(cause?.ranks).toEqual(ranks);
  expect(found.recovered).toBe(recovered ?? 0);
  if (behind !== undefined) expect(found.wait?.behind ?? null).toEqual(behind);
  expect(found.lines).toBe(log.length);
});

test('no text stands in the table twice, each has a source, and each finds its own row', () => {
  const rows = allJobTexts();
  const texts = rows.flatMap(row => row.texts);
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.filter(text => text !== text.toLowerCase())).toEqual([]);
  const sourceOf = new Map(Object.entries(job.rows));
  for (const { id, role, texts: own } of rows) {
    expect(Object.keys(job.sources)).toContain(sourceOf.get(id));
    for (const text of own) {
      const line = `rank 0: ${text.replaceAll(' … ', ' 7 ')} (7)`;
      expect(meaningOf(line)?.id, text).toBe(id);
      expect(MAY_FAIL.test(line), text).toBe(true);
      if (role === 'report') expect(MAY_REPORT.test(line), text).toBe(true);
    }
  }
  const pasted = allPastedTexts().flatMap(row => row.texts);
  expect(pasted.filter(text => !MAY_FAIL.test(text.replaceAll(' … ', ' 7 ')))).toEqual([]);
  expect([...CONSEQUENCES].filter(id => !meaningOfPasted(id))).toEqual([]);
});

test('lines have the time of the runtime, and equal ones are one entry', () => {
  const at = (second: number) => `2026-11-20T12:00:0${second}.5Z`;
  const { entries, from, to } = read([
    `${at(1)} [rank1]: RuntimeError: CUDA out of memory`,
    `${at(2)} [rank0]: RuntimeError: CUDA out of memory`,
    `${at(3)} \u001B[31m[rank1]: RuntimeError: CUDA out of memory\u001B[0m`,
    `${at(4)} W1120 12:00:05.1 7 api.py:900] Sending process 9 closing signal SIGTERM`,
  ]);
  expect(entries.map(({ id, at: time, count, ranks }) => ({ id, time, count, ranks }))).toEqual([
    { id: 'cuda-2', time: at(1), count: 3, ranks: [1, 0] },
    { id: 'told-to-stop', time: at(4), count: 1, ranks: [] },
  ]);
  expect({ from, to }).toEqual({ from: at(1), to: at(4) });
});

test('what a process says after its peer has gone is no cause, and memory is one all the same', () => {
  const lost = '[rank2]: torch.distributed.DistBackendError: Connection reset by peer';
  const roles = (line: string) => read([lost, line]).entries.map(({ role }) => role);
  expect(roles('[rank2]: RuntimeError: communicator aborted')).toEqual([
    'consequence',
    'consequence',
  ]);
  expect(roles('[rank2]: RuntimeError: CUDA error: unspecified launch failure')).toEqual([
    'consequence',
    'consequence',
  ]);
  expect(roles('[rank2]: RuntimeError: CUDA out of memory')).toEqual(['consequence', 'cause']);
});

const causes = (...log: string[]) =>
  read(log)
    .entries.filter(({ role }) => role === 'cause')
    .map(({ id, layer, lastResort, line }) => ({ id, layer, lastResort, line }));

// What runs that ended well print, too.
test.each([
  '[W socket.cpp:663] [c10d] The client socket has failed to connect to [localhost]:29500 (errno: 99 - Cannot assign requested address).',
  '[W socket.cpp:601] [c10d] The client socket cannot be initialized to connect to [::1]:29500 (errno: 97 - Address family not supported by protocol).',
  '[W socket.cpp:436] [c10d] The IPv6 network addresses of (train-0, 29500) cannot be retrieved (gai error: -2 - Name or service not known).',
  'E0000 00:00:1723817285.551220 1 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered',
  "2024-05-01 10:00:00.123456: W tensorflow/compiler/xla/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libnvinfer.so.7'; dlerror: libnvinfer.so.7: cannot open shared object file: No such file or directory",
  '2024-05-01 10:00:00.123456: W tensorflow/core/common_runtime/bfc_allocator.cc:290] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.00GiB with freed_by_count=0. The caller indicates that this is not a failure, but this may mean that there could be performance gains',
  'node-0:7:7 [0] NCCL INFO NET/Plugin : Plugin load (libnccl-net.so) returned 2 : libnccl-net.so: cannot open shared object file: No such file or directory',
  "ERROR: pip's dependency resolver does not currently take into account all the packages that are installed. This behaviour is the source of the following dependency conflicts.",
  "2024-05-01 10:00:00 WARNING urllib3.connectionpool: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError: Failed to establish a new connection: [Errno 111] Connection refused': /simple",
  'connect to 10.0.0.7:6379: Connection refused, retrying in 5 s',
  'wandb: Network error (ConnectionError), entering retry loop.',
  '[rank0]:[W1105 10:00:00.1 ProcessGroupNCCL.cpp:1250] Warning: WARNING: process group has NOT been destroyed before we destruct ProcessGroupNCCL.',
  '/usr/lib/python3.10/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 1 leaked shared_memory objects to clean up at shutdown',
  'W0112 10:00:00.100000 140 torch/distributed/run.py:793] Setting OMP_NUM_THREADS environment variable for each process to be 1 in default, to avoid your system being overloaded',
  'mbind: Operation not permitted',
  'I0420 06:13:03.942077 115 model_lifecycle.cc:835] successfully loaded model, 0 errors',
  'ERROR: the server is shutting down',
  'Installed SIGTERM handler: saves a checkpoint on shutdown signal',
  'heartbeat timeout 600 s, barrier timeout 300 s',
  'args: restart_on node failure=True, preemption notice=off',
  'watch for: received preemption notice=on',
  'found inf in gradients, skipping step',
  'grad scaler: found inf: 0',
  'botocore: connection timed out, attempt 1/5',
])('no cause: %s', line => {
  expect(causes(line)).toEqual([]);
});

test('what only announces is no event, and the event is', () => {
  const ids = (line: string) => read([line]).entries.map(({ id }) => id);
  expect(ids('Installed SIGTERM handler: saves a checkpoint on shutdown signal')).toEqual([]);
  expect(ids('heartbeat timeout 600 s, barrier timeout 300 s')).toEqual([]);
  expect(ids('shutdown signal: the handler saves a checkpoint')).toEqual(['told-to-stop']);
  expect(ids('task 7 heartbeat timeout, lost after timeout 600 s')).toEqual(['agent-lost']);
  expect(ids('received SIGTERM, the handler registered for it runs')).toEqual(['told-to-stop']);
  expect(ids('job 7 cancelled due to node failure')).toEqual(['preempted']);
  expect(ids('Received preemption notice, saving')).toEqual(['preempted']);
  expect(ids('loss is nan, stopping')).toEqual(['not-finite']);
});

const every = (minutes: number, ...lines: string[]) =>
  lines.map((line, index) => {
    const at = new Date(Date.parse('2026-03-01T02:00:00Z') + index * minutes * 60_000);
    return `${at.toISOString()} ${line}`;
  });
const work = (count: number) => Array.from({ length: count }, (_, index) => `read part ${index}`);
const ECC = 'RuntimeError: CUDA error: uncorrectable ECC error encountered';

const NOISE = [
  'cat: /etc/nccl.conf: No such file or directory',
  "mkdir -p failed for path /.config/matplotlib: [Errno 13] Permission denied: '/.config'",
  'nvidia-smi: command not found',
  'bash: ibstat: command not found',
  '/entrypoint.sh: line 4: ibstat: command not found',
  "cp: cannot stat '/opt/extra': No such file or directory",
  'wandb: ERROR could not write settings: permission denied',
];
test.each(NOISE)('noise of a start is no cause before a fault of the GPU: %s', line => {
  expect(causes(...every(30, line, ...work(20), ECC))).toMatchObject([{ id: 'cuda-214' }]);
  expect(causes(line, ...work(3), ECC)).toMatchObject([{ id: 'cuda-214', line: 5 }]);
  expect(causes(line, ...work(3), 'ValueError: x')).toMatchObject([{ id: 'exception' }]);
  expect(causes(line, ...work(50))).toEqual([]);
  // Where it is all that is known, it is told; as the last word it is the cause.
  expect(causes(line, ...work(9))).toMatchObject([{ line: 1, lastResort: true }]);
  expect(causes(...work(9), line)).toMatchObject([{ line: 10, lastResort: undefined }]);
  expect(causes(line, ...work(9), 'Connection reset by peer')).toEqual([]);
});

test('what often passes has passed after few lines or a minute, an exception has not', () => {
  const unresolved = 'proxy: Temporary failure in name resolution';
  expect(causes(...every(1, unresolved, ...work(8)))).toEqual([]);
  expect(causes(...every(1, unresolved, ...work(3)))).toMatchObject([{ id: 'name-resolution' }]);
  const raised = 'FileNotFoundError: /data/part-7';
  expect(causes(...every(1, raised, ...work(8)))).toMatchObject([{ id: 'file-missing' }]);
  expect(causes('loss is nan at step 7', ...work(3), ECC)).toMatchObject([{ id: 'cuda-214' }]);
  // What failed before it does not pass with it.
  expect(causes('ValueError: x', ...every(1, unresolved, ...work(8)))[0]).toMatchObject({
    ...{ id: 'exception', line: 1 },
  });
  const notice = 'received termination notice';
  expect(causes(...every(1, notice, ...work(8)))).toMatchObject([{ id: 'preempted' }]);
  expect(causes(...every(30, notice, ...work(8)))).toEqual([]);
});

test('who was refused as it started has not begun what failed long after', () => {
  const refused = 'ssh: connect to host w-1 port 22: Connection refused';
  const failed = 'AssertionError: batch must be even';
  const app = [{ id: 'exception', layer: 'application', lastResort: undefined }];
  expect(causes(...every(11, refused, ...work(5), failed))).toMatchObject(app);
  expect(causes(...every(11, refused, failed))).toMatchObject(app);
  expect(causes(refused, ...work(30), failed)).toMatchObject(app);
  // Beside it, it may have: the program's own word for another cause is all that is told.
  expect(causes(refused, failed)).toMatchObject([{ ...app[0], lastResort: true, line: 2 }]);
  expect(causes(refused, 'RuntimeError: no worker could be reached')).toMatchObject([
    { id: 'no-connection', layer: 'fabric', line: 1 },
  ]);
  expect(causes('error: shard 7 failed its checksum', refused)).toMatchObject([{ line: 1 }]);
  // Peers that have gone keep it waiting, with few words.
  const reset = 'Connection reset by peer';
  expect(causes(reset, 'step 7', failed)).toEqual([]);
  expect(causes(...every(11, reset, failed))).toEqual([]);
  expect(causes(...every(11, reset, ...work(9), failed))).toMatchObject(app);
});

test('a service of its own machine that does not answer is no network', () => {
  const otlp = 'otlp exporter: connection refused to localhost:4317';
  expect(causes(otlp)).toEqual([]);
  expect(causes(otlp, 'Error: invalid configuration')).toMatchObject([
    { id: 'first-error', layer: 'application', lastResort: true, line: 2 },
  ]);
  expect(causes(otlp, 'ValueError: x')).toMatchObject([
    { id: 'exception', line: 2, lastResort: undefined },
  ]);
  expect(
    causes('otlp: connection refused to otel:4317', 'Error: invalid configuration'),
  ).toMatchObject([{ id: 'first-error', line: 2 }]);
});

test.each([
  [
    "'(ReadTimeoutError(\"HTTPSConnectionPool(host='hub', port=443): Read timed out.\"))' thrown while requesting HEAD https://hub/x",
    'Retrying in 1s [Retry 1/5].',
  ],
  ['Connection to s3 failed: Read timed out', 'attempt 1/5'],
  [
    'node-0:7:7 [0] misc/socket.cc:7 NCCL WARN socketStartConnect: Connect to 10.0.0.7<7> failed : Software caused connection abort',
    'node-0:7:7 [0] NCCL INFO Retrying',
  ],
])('what is tried again began nothing: %s', (line, again) => {
  expect(causes(line)).toMatchObject([{ layer: 'fabric' }]);
  expect(causes(line, again, 'ValueError: x')).toMatchObject([{ id: 'exception', line: 3 }]);
  expect(causes(line, again)).toEqual([]);
  // The last of all tries is followed by none.
  expect(causes(line, 'Retry 5/5', 'step', 'step')).toMatchObject([{ layer: 'fabric' }]);
});

test('a task that was cancelled as the program shut down has begun nothing', () => {
  const cancelled = 'asyncio.exceptions.CancelledError';
  const entries = read(['INFO: Shutting down', cancelled]).entries;
  expect(entries.map(({ id, role }) => ({ id, role }))).toEqual([
    { id: 'told-to-stop', role: 'consequence' },
  ]);
  expect(causes(cancelled, 'TimeoutError: x')).toMatchObject([{ id: 'exception', line: 2 }]);
});

test('a traceback of an object that could not be taken down ends nothing', () => {
  const log = (first: string) => [
    first,
    'Traceback (most recent call last):',
    '  File "/workspace/train.py", line 4, in __del__',
    "AttributeError: 'NoneType' object has no attribute 'close'",
  ];
  expect(causes(...log('Exception ignored in: <function Reader.__del__ at 0x7f>'))).toEqual([]);
  expect(causes(...log('step 7'))).toMatchObject([{ id: 'exception' }]);
});

test('the first line that looks like an error is shown only where nothing known speaks', () => {
  const unknown = '2026-11-20 12:00:00 ERROR [loader.py:7] shard 7 failed its checksum';
  const shown = [{ id: 'first-error', layer: 'unknown', lastResort: true, line: 2 }];
  expect(causes('step 7', unknown, 'step 8', unknown)).toEqual(shown);
  expect(causes('step 7', unknown, 'exits with return code = 1')).toEqual(shown);
  expect(causes('step 7', 'error: shard 7 failed its checksum')).toEqual(shown);
  expect(causes('step 7', 'node-1:7:7 [0] NCCL WARN shard 7 failed its checksum')).toEqual(shown);
  expect(causes('step 7', '[03/27/2024-11:09:02] [TRT] [E] 4: shard 7 failed')).toEqual(shown);
  expect(causes('step 7', '[03/27/2024-11:09:02] [TRT] [I] 4: shard 7 failed')).toEqual([]);
  expect(causes('step 7', unknown, 'ValueError: x')).toMatchObject([{ id: 'exception', line: 3 }]);
  expect(causes('Connection reset by peer', unknown)).toEqual([]);
  expect(causes('step 7', unknown, ...Array.from({ length: 201 }, () => 'step 8'))).toEqual([]);
});

test('what failed on the network is a cause only where nothing has failed before it', () => {
  const refused = 'ssh: connect to host 10.0.0.7 port 22: Connection refused';
  expect(causes(refused, refused)).toEqual([
    { id: 'no-connection', layer: 'fabric', lastResort: true, line: 1 },
  ]);
  expect(causes('Connection reset by peer', refused)).toEqual([]);
  expect(causes(refused, 'RuntimeError: CUDA out of memory')).toMatchObject([{ line: 2 }]);
  expect(causes('ValueError: x', refused)).toMatchObject([{ id: 'exception', line: 1 }]);
});

test('of exceptions of which one was raised from the other, the one that is known is the cause', () => {
  const traceback = ['Traceback (most recent call last):', '  File "/a.py", line 4, in load'];
  const during = 'During handling of the above exception, another exception occurred:';
  const gated = 'OSError: You are trying to access a gated repo.';
  const missing = "KeyError: 'tokenizer'";
  expect(causes(...traceback, missing, '', during, '', ...traceback, gated)).toMatchObject([
    { id: 'gated-download', line: 9 },
  ]);
  expect(causes(...traceback, missing, ...traceback, gated)[0]).toMatchObject({ line: 3 });
  expect(causes(...traceback, missing, during, ...traceback, "TypeError: 'x'")[0]?.line).toBe(3);
});

test('days lie between the runs that a kernel log tells of', () => {
  const xid = (day: string, code: number) =>
    `[${day} 13:32:56 2026] NVRM: Xid (PCI:0000:00:05): ${code}, pid=7, name=python, Ch 00000008`;
  expect(causes(xid('Mon Aug  3', 43), xid('Fri Aug  7', 31))).toMatchObject([{ line: 2 }]);
  expect(causes(xid('Fri Aug  7', 43), xid('Fri Aug  7', 31))).toMatchObject([{ line: 1 }, {}]);
});

test('the wait is for the rank that has enqueued less, where the status tells', () => {
  const timedOut = (rank: number) =>
    `[rank${rank}]:[E810 03:04:11.0 ProcessGroupNCCL.cpp:632] [Rank ${rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=78, OpType=ALLGATHER, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600003 milliseconds before timing out.`;
  const status = (rank: number, work: number) =>
    `[rank${rank}]:[E810 03:04:11.0 ProcessGroupNCCL.cpp:2241] [PG ID 0 PG GUID 0(default_pg) Rank ${rank}]  failure detected by watchdog at work sequence id: 78 PG status: last enqueued work: ${work}, last completed work: 77`;
  const { wait } = read(
    [0, 1, 2].flatMap(rank => [timedOut(rank), status(rank, rank === 1 ? 78 : 80)]),
  );
  expect(wait).toEqual({
    operation: 'ALLGATHER',
    sequence: 78,
    timeoutMs: 600_000,
    waiting: [0, 1, 2],
    behind: [1],
  });
});

test('a rank that its launcher ended before others timed out is not called the one they waited for', () => {
  const timedOut = (rank: number) =>
    `[rank${rank}]:[E810 03:04:11.0 ProcessGroupNCCL.cpp:632] [Rank ${rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=78, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600003 milliseconds before timing out.`;
  const signal =
    'W0810 03:04:11.100000 77 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 104 closing signal SIGTERM';
  const started = [0, 1, 2, 3].map(rank => `[rank${rank}]: step 77`);
  const behind = (...log: readonly string[]) => read([...started, ...log]).wait?.behind;
  expect(behind(timedOut(0), signal, timedOut(1), timedOut(2))).toEqual([]);
  expect(behind(timedOut(0), timedOut(1), timedOut(2), signal)).toEqual([3]);
});

test('any text is read: no line is lost count of, nothing that is not plain leaves', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 40 }), log => {
      const text = log.map(line => line.replaceAll('\n', ' '));
      const found = read(text.length === 0 ? ['x'] : text);
      expect(found.lines).toBe(Math.max(1, text.length));
      for (const entry of found.entries) expect(entry.text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }),
  );
});

test('ten thousand lines of errors give twelve entries at most', () => {
  const log = Array.from({ length: 10_000 }, (_, index) => `E${index}Error: ${index}`);
  const found = read(log, true);
  expect(found.entries).toHaveLength(12);
  expect(found.cut).toBe(true);
});

test('a log that is made to be slow is read all the same', () => {
  const long = ['a-', 'Rank 1]', 'A.', '(a', '[1', 'cuda error ', '\u001B[', 'Traceback ', '│ '];
  const log = long.flatMap(piece => [piece.repeat(100_000), `${piece.repeat(500)} error`]);
  expect(read([...log, 'ValueError: x']).entries.map(({ id }) => id)).toContain('exception');
  const many = Array.from(
    { length: 1_000 },
    (_, at) => `${long[at % long.length]?.repeat(90)} fail`,
  );
  expect(read(many).lines).toBe(1_000);
});
