import { expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/** What is judged without a text that the table knows: by words, by form, by what came before and after. */

const read = (log: readonly string[]) =>
  readJobLog({
    ...{ container: 'train', previous: false, requests: 1, bytes: log.join('\n').length },
    text: `${log.join('\n')}\n`,
    cut: false,
  });
const causes = (...log: string[]) =>
  read(log)
    .entries.filter(({ role }) => role === 'cause')
    .map(({ id, layer, lastResort, line }) => ({ id, layer, lastResort, line }));
const first = (...log: string[]) => causes(...log)[0];

test.each([
  ['RuntimeError: kernel ran out of shared resources: out of resource', 'application'],
  ['StoreError: the service is unavailable, status 503', 'host'],
  ['ClientError: An error occurred (SlowDown): Please reduce your request rate.', 'host'],
  ['RemoteDisconnected: closed without a word', 'fabric'],
  ['ApiException: request to tracker:5000 timed out', 'fabric'],
  ['NvvmSupportError: libNVVM is not there', 'configuration'],
  ['RuntimeError: only supports Ampere GPUs or newer', 'configuration'],
  ['RuntimeError: the extension was not compiled for this toolkit', 'configuration'],
  ['RuntimeError: fused norm needs apex, please install it', 'configuration'],
  ['QuotaError: the job exceeds the quota of the project', 'host'],
  ['RuntimeError: the batch has no rows', 'application'],
])('an exception that no row knows is judged by its words or its class: %s', (line, layer) => {
  const traceback = ['Traceback (most recent call last):', '  File "/a.py", line 4, in f'];
  expect(first(...traceback, line)).toMatchObject({ id: 'exception', layer, line: 3 });
});

test('what an exception says may begin in the line below', () => {
  const raised = 'RuntimeError: ';
  expect(first(raised, 'CUDA Setup failed')?.layer).toBe('configuration');
  expect(first(raised, 'the batch has no rows')?.layer).toBe('application');
});

test.each([
  ['nvcc fatal   : Unsupported gpu architecture', 'configuration'],
  ['x.h:139:2: error: #error -- unsupported GNU version!', 'configuration'],
  ['model_load: error loading model: unknown architecture', 'application'],
  ['ERROR: Unknown pair style lj/cut (../force.cpp:275)', 'application'],
  ['Error from server (Forbidden): exceeded quota: gpu', 'configuration'],
  ['error: shard 7 failed', 'unknown'],
  // Who called a library wrongly, and whether anybody did, is not told.
  ['2018-09-06 17:28:38.8: F cuda_dnn.cc:211] Check failed: CUDNN (7 vs. 0)', 'unknown'],
])('an error by its form is judged by its words: %s', (line, layer) => {
  expect(causes('step', line)).toMatchObject([
    { id: 'first-error', layer, lastResort: true, line: 2 },
  ]);
});

test('what stands below a heading of an error is the error', () => {
  expect(first('Fatal error:', 'no GPU is detected')).toMatchObject({
    ...{ id: 'first-error', layer: 'configuration', line: 2 },
  });
  expect(causes('ERROR: its standard error output:', 'step')).toEqual([]);
});

test('what only passes on a failure gives way to the error before it', () => {
  const failed = 'F0101 10:00:00.000000 7 x.cpp:71] Check failed: a == b';
  const crashed = 'Aborted (core dumped)';
  expect(first(failed, 'stack', crashed)).toMatchObject({ layer: 'application', line: 1 });
  expect(first('I0101 10:00:00.000000 7 x.cpp:71] Check failed: no', crashed)?.line).toBe(2);
  expect(first(failed, ...Array.from({ length: 21 }, () => 'x'), crashed)?.line).toBe(23);
  expect(first(failed, 'ValueError: x')?.line).toBe(2);
  // Its layer is that of the crash where its own words tell none.
  expect(first('error: shard 7 failed', crashed)).toMatchObject({ layer: 'application', line: 1 });
  const built = 'RuntimeError: Error compiling objects for extension';
  expect(first('nvcc fatal   : Unsupported', built)).toMatchObject({ line: 1, id: 'first-error' });
  expect(first('error: see the errors above', built)?.line).toBe(2);
});

test('who imports or starts a container says why below', () => {
  const denied = "slurmstepd: error: pyxis:     mkdir: cannot create '/run/x': Permission denied";
  expect(first('slurmstepd: error: pyxis: failed to import docker image', denied)).toMatchObject({
    ...{ id: 'permission', line: 2 },
  });
});

const STEPS = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `step ${from + index} loss 2.0`);
const RAISED = 'RuntimeError: CUDA out of memory';

test('a program that counts on after an error has recovered', () => {
  expect(causes(...STEPS(1, 3), RAISED, ...STEPS(4, 2))).toEqual([]);
  expect(read([...STEPS(1, 3), RAISED, ...STEPS(4, 2)]).recovered).toBe(1);
  // Another rank may still do a step, or print the one that it has done.
  expect(causes(...STEPS(1, 3), RAISED, ...STEPS(4, 1))).toHaveLength(1);
  expect(causes(...STEPS(1, 3), RAISED, ...STEPS(1, 3))).toHaveLength(1);
  // Who was not at work before has begun it.
  expect(causes(RAISED, ...STEPS(1, 2))).toEqual([]);
  expect(causes(RAISED, ...STEPS(1, 1))).toHaveLength(1);
  // It starts anew.
  expect(causes(...STEPS(90, 3), RAISED, ...STEPS(1, 3))).toEqual([]);
});

test.each([
  [' 31%|███       | 31/100 [00:01<00:02]', ' 33%|███       | 33/100 [00:01<00:02]'],
  ['31/100 [====>....]', '33/100 [====>....]'],
  ['Train: [2700/246000 (18%)] Loss: 0.1', 'Train: [2800/246000 (18%)] Loss: 0.1'],
  ['epoch 001:    100 / 5000 loss=9.1', 'epoch 001:    200 / 5000 loss=9.1'],
  [' iteration      100/  500000 | loss', ' iteration      110/  500000 | loss'],
  ['INFO: 10.0.0.7 - "POST /v1 HTTP/1.1" 200 OK', 'INFO: 10.0.0.7 - "POST /v1 HTTP/1.1" 200 OK'],
  ['    8     2   float   sum   20.12   0.00   N/A', 'x'],
])('work is counted: %s', (one, next) => {
  expect(causes(RAISED, one)).toHaveLength(next === 'x' ? 0 : 1);
  expect(causes(RAISED, one, next)).toEqual([]);
});

test.each(['/', '/v1/models', '/health'])('what only looks at a server is no work: %s', path => {
  const looked = `INFO: 10.0.0.7 - "GET ${path} HTTP/1.1" 200 OK`;
  expect(causes(RAISED, looked, looked, looked)).toHaveLength(1);
});

test('numbers that nobody measured are no work', () => {
  expect(causes(RAISED, '0  360  198  99', '0  361  198  99')).toHaveLength(1);
});

test('work that others do until a launcher tells of the end is not the work of who failed', () => {
  const reported = 'failed (exitcode: 1) local_rank: 1 (pid: 11) of binary: /opt/python';
  expect(causes(RAISED, ...STEPS(1, 5), reported)).toHaveLength(1);
  expect(causes(RAISED, ...STEPS(1, 12), reported)).toEqual([]);
  expect(causes('ERROR: shard 7 failed', ...STEPS(1, 5), reported)).toHaveLength(1);
});

test.each([
  'Training completed. Do not forget to share your model',
  'Test is a success! You are ready for your distributed training!',
  'INFO:     Application startup complete.',
  '# Out of bounds values : 0 OK',
  "{'train_runtime': 120.3}",
])('a program that says that it is done has recovered: %s', line => {
  expect(causes(RAISED, line)).toEqual([]);
  expect(causes(line, RAISED)).toHaveLength(1);
});

test.each(['Training not completed', 'error: job finished', 'before training is done: save'])(
  'this is no word of success: %s',
  line => expect(causes(RAISED, line)[0]?.line).toBe(1),
);

test('a lookup that failed gives way to what was raised as it was handled, and explains it', () => {
  const traceback = ['Traceback (most recent call last):', '  File "/a.py", line 4, in f'];
  const chain = (between: string, ...raised: string[]) =>
    raised.flatMap((one, index) => [...(index > 0 ? [between] : []), ...traceback, one]);
  const during = 'During handling of the above exception, another exception occurred:';
  const direct = 'The above exception was the direct cause of the following exception:';
  const long = 'RuntimeError: model type x is not one that this release of the library can load';
  expect(first(...chain(during, "KeyError: 'x'", long))?.line).toBe(7);
  expect(first(...chain(direct, "KeyError: 'x'", long))?.line).toBe(3);
  expect(first(...chain(during, "KeyError: 'x'", 'RuntimeError: x'))?.line).toBe(3);
  expect(first(...chain(during, 'OSError: x', long))?.line).toBe(3);
});

test('a traceback whose head was cut off ends with its exception, whatever its name', () => {
  const frame = '  File "/opt/triton/autotuner.py", line 8, in run';
  expect(first(frame, 'triton.OutOfResources: shared memory')).toMatchObject({
    ...{ id: 'exception', line: 2 },
  });
  expect(causes('triton.OutOfResources: shared memory')).toEqual([]);
});

test('what no peer makes another rank raise is no consequence', () => {
  const waited = '[rank1]: Watchdog caught collective operation timeout';
  expect(first(waited, '[rank0]: ZeroDivisionError: division by zero')?.line).toBe(2);
  expect(causes(waited, '[rank1]: ZeroDivisionError: division by zero')).toEqual([]);
  expect(causes(waited, '[rank0]: RuntimeError: aborted')).toEqual([]);
  const untold = waited.replace('[rank1]: ', '');
  expect(causes(untold, '[rank0]: ZeroDivisionError: division by zero')).toEqual([]);
});

test('who tells of a process that the kernel killed has not ended it', () => {
  const killed = 'slurmstepd: error: Detected 8 oom-kill event(s) in step 5.batch cgroup.';
  const raised = "TuneError: ('Trials did not complete')";
  expect(causes(raised, killed)).toMatchObject([{ id: 'host-memory', line: 2 }]);
  const later = Array.from({ length: 21 }, () => 'x');
  expect(first(raised, ...later, killed)?.line).toBe(1);
});

test('a launcher that was told to end by its session says so in a warning', () => {
  const warned = 'WARNING:torch.distributed.elastic.agent.server.api:Received 1 death signal';
  expect(first(warned)).toMatchObject({ id: 'session-ended', layer: 'host' });
  expect(first(warned.replace('1 death', '2 death'))).toMatchObject({ id: 'cancelled' });
  expect(causes(warned.replace('1 death', '15 death'))).toEqual([]);
});

test('a warning counts where an error below says it again, or where nothing else ends the log', () => {
  const bind =
    '[c10d] The server socket has failed to bind to 0.0.0.0:6021 (Address already in use).';
  const error =
    '[E socket.cpp:435] [c10d] The server socket has failed to listen on any local address.';
  expect(first(`[W socket.cpp:401] ${bind}`, error)).toMatchObject({
    id: 'address-in-use',
    line: 1,
  });
  expect(first(`[W socket.cpp:401] ${bind}`, 'ValueError: x')?.line).toBe(2);
  const busy = 'WARNING: CUDA error (all CUDA-capable devices are busy or unavailable)';
  expect(causes(busy)).toMatchObject([{ id: 'cuda-46', lastResort: true }]);
  expect(causes(busy, ...Array.from({ length: 17 }, () => 'x'))).toEqual([]);
  expect(causes(busy, 'Connection reset by peer')).toEqual([]);
});

test('the last words of a program count where nothing is known', () => {
  expect(first('step', 'Failed bind on 10.0.0.7:34567')).toMatchObject({
    ...{ id: 'first-error', layer: 'configuration', line: 2 },
  });
  expect(causes('this usually means that the peer failed')).toEqual([]);
  expect(causes('worker 7 has died: exiting')).toEqual([]);
  expect(causes('Failed bind on 10.0.0.7', ...Array.from({ length: 17 }, () => 'x'))).toEqual([]);
});

test('what a program can do without, or a tool that only looks, begins nothing', () => {
  expect(causes('Module x not found: No module named x, falling back to y')).toEqual([]);
  const noted = 'Failed to import from vllm._C with ImportError(libcudart.so)';
  expect(first(noted, 'TypeError: x')?.line).toBe(2);
  expect(first('open of /data/x: No such file or directory', 'TypeError: x')?.line).toBe(1);
  const df = 'df: /cache: No such file or directory';
  expect(causes(df, 'failed (exitcode: 1) local_rank: 0 (pid: 11)')).toEqual([]);
  const cp = "cp: cannot stat '/opt/x': No such file or directory";
  expect(first(cp, 'exits with return code = 1')?.line).toBe(1);
});

test('levels are read in logfmt, JSON, ONNX and Python', () => {
  const said = 'shard 7 failed';
  const shown = [{ id: 'first-error', line: 1 }];
  expect(causes(`time=x level=ERROR msg="${said}"`, 'ready')).toMatchObject(shown);
  expect(causes(`{"level": "error", "msg": "${said}"}`, 'ready')).toMatchObject(shown);
  expect(causes(`[E:onnxruntime:Default, x.cc:7] ${said}`, 'ready')).toMatchObject(shown);
  expect(causes(`time=x level=info msg="error: ${said}"`)).toEqual([]);
  const path = `/${'a'.repeat(120)}.py:7: UserWarning: error: ${said}`;
  expect(causes(path)).toEqual([]);
  expect(first('E   ImportError: libx.so: undefined symbol: y')?.id).toBe('import');
});
