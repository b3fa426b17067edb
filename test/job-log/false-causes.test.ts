import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { read } from './entries.ts';

/** What a log says in the words of a failure and does not mean by it: no cause comes of it, or none that is sure. */

const sure = (...log: readonly string[]) =>
  read(...log).filter(({ role, lastResort }) => role === 'cause' && !lastResort);

describe('a text of the table within a longer word, or without what its writer puts behind it', () => {
  test.each([
    'long_term_window: 48',
    'short_term_load forecast of the grid',
    'config lr=0.1 term_owner=a',
    'term_load: 0.3',
    'prefetch queue drained via the worker pool',
    'floating point exception handling enabled',
    'trap floating point exceptions: on',
    'host memory usage limit is 80, not reached',
    'exceeded memory limit of cache, evict oldest',
    'destination is unreachable node of graph',
    'file too short: padded',
    'Preemption detected: no',
    'Loaded preemption detected callback',
    'hip out of memory guard on',
    'championship out of memory. of fans',
    'signal handler: got sigterm hook installed',
    'sample nonfree(): invalid pointer',
    'error code 20: outofmemory of nobody',
  ])('is no sure cause: %s', line => {
    expect(sure('epoch 1', line, 'loss 0.1')).toEqual([]);
  });

  test.each([
    ['TERM_LOAD: job killed after load exceeds threshold.', 'preempted'],
    ['TERM_WINDOW: job killed after queue run window closed.', 'preempted'],
    ['TERM_OWNER: job killed by owner.', 'cancelled'],
    ['run.sh: line 3:    77 Floating point exception(core dumped) ./a', 'crash'],
    ['Floating point exception', 'crash'],
    ['[node:7] Signal: Floating point exception (8)', 'crash'],
    ['slurmstepd: error: Job 7 exceeded memory limit (9 > 8), being killed', 'host-memory'],
  ])('and as its writer writes it, is: %s', (line, id) => {
    expect(sure('epoch 1', line)).toMatchObject([{ id }]);
  });
});

describe('an exception that a logger notes', () => {
  const BY = '2026-01-01 10:00:00,123 INFO sampler - ';
  test.each([
    `${BY}MeanSquaredError: 0.031`,
    `${BY}ValueError: sample 17 skipped`,
    '[INFO ] client - ConnectionError: refused once, will try it later',
    'INFO:root:x || KeyError: skipped',
    'MeanSquaredError: 0.031',
    'epoch 3 val MeanAbsoluteError: 2.5e-3',
    'val error: 0.013',
  ])('is no cause where nothing was raised: %s', line => {
    expect(read('epoch 1', line, 'loss 0.2')).toEqual([]);
    const later = 'Traceback (most recent call last):';
    expect(sure(line, later, "KeyError: 'lr'")).toMatchObject([{ line: 3 }]);
  });

  test('is one below its traceback, and that of another logger is not', () => {
    const frames = ['Traceback (most recent call last):', '  File "a.py", line 1, in f', '    f()'];
    const noted = frames.map(line => `${BY}${line}`);
    expect(sure(...noted, `${BY}ValueError: bad lr`)).toMatchObject([{ line: 4 }]);
    expect(sure(...noted, 'x INFO other - ValueError: bad lr')).toEqual([]);
    const far = Array.from({ length: 21 }, () => `${BY}step`);
    expect(sure(...noted, ...far, `${BY}ValueError: bad lr`)).toEqual([]);
  });
});

describe('words of a machine, its links or its GPUs', () => {
  const LINES = [
    'ERROR: XID 79 was seen on GPU two of node',
    'ERROR: uncorrectable ECC error was seen on this device',
    'ERROR: NVLink training failed on GPU 2 link 5',
    'ERROR: NVSwitch fatal error reported on device one here',
    'error: PCIe link of GPU 2 is degraded to x4 width',
    '[ERROR] row remapping failure is pending on GPU 5',
    'ERROR: GPU at 0000:3b:00.0 requires reset before it can be used',
    'ERROR: GPU health check failed: 1 of 8 GPUs unhealthy on node',
    'fatal: the driver of the GPU does not answer any more',
    '[error] GPU 3 of this node is lost and wants a reboot',
    'ERROR: IB port mlx5_3 is down on this node',
  ];
  test.each(LINES)('are not blamed on the program: %s', line => {
    const unknown = { role: 'cause', layer: 'unknown', action: 'watch', line: 2 };
    expect(read('epoch 1', line)).toMatchObject([{ ...unknown, lastResort: true }]);
    expect(read('epoch 1', line, 'Aborted (core dumped)')[0]).toMatchObject(unknown);
  });

  test.each([
    ['RuntimeError: GPU 3 is lost to this node', 'unknown'],
    ['RuntimeError: the NVLink of rank 3 failed', 'unknown'],
    ['KeyError: nvlink', 'application'],
    ['RuntimeError: link down-projection is not square', 'application'],
    ['RuntimeError: this kernel needs a Hopper GPU', 'configuration'],
  ])('nor where they were raised: %s', (line, layer) => {
    expect(read('Traceback (most recent call last):', line)).toMatchObject([{ layer }]);
  });
});

test.each([
  'no checkpoint found, starting from scratch',
  'unknown tokens: 13 of them',
  'INFO no gpu devices found on host, using cpu',
])('what a program only notes as it begins is no cause: %s', line => {
  expect(read('begin', line, 'loss 0.2')).toEqual([]);
});

test('a fault of the GPU that kept TensorFlow from it is told, and that there is none is not', () => {
  const call = (error: string) =>
    `2026-01-01 10:00:00: E cuda_driver.cc:266] failed call to cuInit: ${error}`;
  const after = Array.from({ length: 8 }, (_, at) => `word ${at}`);
  const ecc = 'CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered';
  expect(sure(call(ecc), ...after)).toMatchObject([{ layer: 'hardware', line: 1 }]);
  const none = 'CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected';
  expect(sure(call(none), ...after)).toEqual([]);
});

test('memory that there is not is not replaced by what the line below takes', () => {
  expect(read('ERROR: out of memory in cache', 'Using default cache size')[0]?.line).toBe(1);
  const weights = ['ERROR: Failed to load weights from disk', 'Using default weights'];
  expect(read(...weights)).toEqual([]);
});

test.each([
  'RuntimeError: graph node mul_1 is dead code',
  'socket.timeout: The read operation timed out',
])('an exception of its own is no word of another rank: %s', line => {
  const raised = ['Traceback (most recent call last):', '  File "a.py", line 1, in f', line];
  expect(read(...raised)).toMatchObject([{ role: 'cause', line: 3 }]);
});

const SETUP = ['Loading config from /etc/job.yaml', 'Model has 7.1 B parameters', '8 data workers'];
const AT_WORK = [
  ...['Loading shards', 'Building optimizer AdamW', 'Warm start of the sampler'],
  ...['Dataset has 12003 rows', 'First batch is ready', 'Compiling the graph took 12 s', 'Eager'],
];
const RAISED = ['Traceback (most recent call last):', '  File "/a.py", line 88, in <module>'];

/** The causes of a log that says this early on, and what it then ends with. */
const causesWith = (said: string, ...end: readonly string[]) =>
  read(...SETUP, ...said.split('\n'), ...AT_WORK, ...end).filter(({ role }) => role === 'cause');

describe('what a healthy program prints is no cause beside an exception', () => {
  const MEASURES = [
    ['a measure', '==== Error ====\nMAE 0.031'],
    ['a measure', 'RMS error (kcal/mol)\n0.031'],
    ['a measure', 'test error:\n0.0231'],
    ['a measure', 'Mean error\n0.12'],
    ['a probe', 'curl: (28) Operation timed out after 2001 milliseconds'],
    ['a setting', 'CUDA error checking: enabled'],
    ['a setting', 'CUDA error check = OFF'],
    ['a setting', 'HIP error handling mode = 1'],
    ['what it does without', '✗ wandb not installed, logging to stdout'],
    ['a count', 'GPU check summary: faulty 0, healthy 8'],
    ['a count', 'GPU inventory: 8 found: faulty: none'],
    ['a client that hung up', 'Request 17 cancelled at token 120 by client'],
    ['what people say', 'Your flight was cancelled at 9 pm'],
    ['what people say', 'User> my disk is full and CUDA error out of memory shows up'],
    ['what people say', 'Human: my disk is full, what shall I do?'],
    ['what people say', '[user] I see ClassNotFoundException in Spark'],
    ['what people say', 'Q: Why do I get InvalidAccessKeyId from S3?'],
    ['what people say', 'why does mpirun say was unable to open the hostfile?<|im_end|>'],
    ['what people say', 'Human: NVRM: Xid (PCI:0000:0a:00): 79, GPU has fallen off the bus.'],
    ['a check', 'checking whether disk is full: no'],
    ['a test', "test: 'raises when disk is full' ok"],
    ['a help text', '  --stop-if-full   stop if the disk is full (default: off)'],
    ['a help text', '  --on-nan  what to do when grad_norm: nan'],
    ['a peer that will come', 'NIXL_ERR_NOT_FOUND for agent decode-0, waiting for it to register'],
    ['a setting', 'DeepEP buffer: low latency, timeout, and SM count from defaults'],
  ];
  const TOOLS = [
    ['an option that a tool does not know', "hostname: invalid option -- 'I'"],
    ['an option that a tool does not know', "date: unrecognized option '--iso-8601'"],
    ['an option that a tool does not know', "/bin/sort: unrecognized option '--version-sort'"],
    ['a count', 'worker 3: 1203 ok, 12 failed (HTTP Error 404: Not Found)'],
    ['a probe', 'An error occurred (404) when calling the HeadObject operation: Not Found'],
    ['a CPU that does it', 'Cannot load libnvcuvid.so.1, decoding videos on the CPU'],
    ['a CPU that does it', '[AV @ 0x5] Cannot load libcuda.so.1\nNo CUDA here\nDecoding on CPU'],
    ['what it does without', '✗ flash-attn not available'],
    ['what it takes instead', 'Unable to find interface eth0, trying ib0'],
    ['what it takes instead', 'ib check: no active HCAs found, using TCP'],
    ['a probe', 'ping: example.com: Temporary failure in name resolution'],
  ];
  test.each([...MEASURES, ...TOOLS])('%s: %s', (_, said) => {
    expect(causesWith(said, ...RAISED, "KeyError: 'tokens'")).toMatchObject([{ id: 'exception' }]);
  });
  test.each(MEASURES)('nor where nothing failed, %s: %s', (_, said) => {
    expect(causesWith(said, 'Model saved to /out', 'Bye')).toEqual([]);
  });
  test.each(TOOLS)('nor a sure one where nothing else tells, %s: %s', (_, said) => {
    const causes = causesWith(said, 'Bye');
    expect(causes.filter(({ lastResort }) => !lastResort)).toEqual([]);
  });
});

describe('what stands before a crash is not its sure reason', () => {
  const CRASHED = 'Segmentation fault (core dumped)';
  test.each([
    'RMS error (kcal/mol)\n0.031',
    'CUDA error checking: enabled',
    '✗ flash-attn not available',
    'mesh: Operation not supported',
  ])('where it is no error by its words: %s', said => {
    const causes = sure('epoch done', ...said.split('\n'), 'saving', 'more', CRASHED);
    expect(causes.filter(({ id }) => id !== 'crash')).toEqual([]);
  });

  test('and is where it says so', () => {
    const error = 'error: mesh has a hole at cell 17';
    expect(sure('epoch done', error, 'saving', CRASHED)).toMatchObject([{ id: 'first-error' }]);
  });
});

test('what could not be removed ends a program where it was raised', () => {
  const line = "PermissionError: [Errno 13] Permission denied: could not remove '/ckpt/step-100'";
  expect(sure(...RAISED, line)).toMatchObject([{ id: 'permission' }]);
  expect(sure('error: unable to unlink /run/app.sock: Permission denied')).toMatchObject([
    { id: 'permission' },
  ]);
  expect(sure('step 1', 'UCX ERROR failed to deregister memory: Cannot allocate memory')).toEqual(
    [],
  );
});

test('a model of the weather that worked on has counted no failure', () => {
  const counted = 'd01 12 points exceeded cfl=2 in domain d01 at time 2026-11-28_00:03:00 hours';
  const steps = Array.from({ length: 45 }, (_, at) => `Timing for writing wrfout number ${at}`);
  expect(sure('begin', counted, ...steps, 'wrf: SUCCESS COMPLETE WRF')).toEqual([]);
  expect(sure('begin', counted, 'SIGSEGV')).toMatchObject([{ id: 'simulation-unstable' }]);
});

test.each([
  ["['/opt/conda/bin/ffmpeg', '-i', 'a.mp4']", 'application'],
  ["['tar', 'xf', '/mount/data.tar']", 'application'],
  ["['./solver', '--config', '/root/.ssh/x']", 'application'],
  ["['/usr/bin/ssh', 'n1', 'true']", 'fabric'],
  ["['git', 'clone', 'https://x/y']", 'fabric'],
  ["['nvidia-smi', '-L']", 'configuration'],
])('a command that a program called is judged by its name: %s', (command, layer) => {
  const line = `subprocess.CalledProcessError: Command '${command}' returned non-zero exit status 1.`;
  expect(read('step 7', ...RAISED, line)).toMatchObject([{ role: 'cause', layer }]);
});

test('the banner of a launcher that asks for no GPU is no cause of what a signal ended', () => {
  const banner =
    'WARNING: The NVIDIA Driver was not detected.  GPU functionality will not be available.';
  const ended =
    'mpirun noticed that process rank 3 with PID 7 on node w-0 exited on signal 9 (Killed).';
  expect(read(banner, 'begin', ended).map(({ role }) => role)).toEqual(['report']);
});

test('a value of a step that is none is a possible cause, and no more', () => {
  const [entry] = read('{"loss": 2.0}', "{'loss': 0.0, 'grad_norm': nan}", 'Killed');
  expect(entry).toMatchObject({ id: 'not-finite', role: 'cause', lastResort: true });
  const [said] = read('step 3', 'ERROR: loss is nan, stopping');
  expect(said).toMatchObject({ id: 'not-finite', role: 'cause' });
  expect(said).not.toHaveProperty('lastResort');
});

test('memory that it then asked less of is counted among what it recovered from', () => {
  const text = 'CUDA out of memory. Tried to allocate 2 GiB\nDecreasing batch size to: 16.\nstep 1';
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  const log = readJobLog({ ...asked, text, cut: false });
  expect(log).toMatchObject({ recovered: 1, entries: [] });
});
