import { describe, expect, test } from 'vitest';
import { causes, read } from './entries.ts';

/** Classes of lines that two lots of public logs showed to be missing, in other examples of their forms. */

describe('a number of CUDA in whatever words', () => {
  test.each([
    ['amrex::Abort::7::CUDA error 34 in file x.cpp line 4: CUDA driver is a stub library !!!', 34],
    ['amrex::Abort::0::CUDA error 2 in file x.cpp line 258: !!!', 2],
    ["Cuda driver error 100 in call at file 'nvd_device.h' in line 90.", 100],
    ['[AdaptiveCpp Error] from x.cpp:3 @ wait(): failed to wait (error code = CUDA:719)', 719],
  ])('%s', (line, code) => {
    expect(read('step 7', line)).toMatchObject([{ id: `cuda-${code}`, role: 'cause' }]);
  });

  test('and CUDA that is shutting down only follows', () => {
    const end = "Cuda driver error 4 in call at file 'nvd_timer.h' in line 98.";
    expect(causes('step 7', 'ERROR: Lost atoms: 7 of 9 (src/thermo.cpp:427)', end)).toEqual([
      { id: 'first-error', layer: 'application', line: 2 },
    ]);
    expect(causes('step 7', end)).toEqual([]);
  });

  test('an invalid value of HIP through SYCL is one of the program', () => {
    const line = '[hipSYCL Error] from x.cpp:9 @ submit(): failed (error code = HIP:1)';
    expect(causes(line)).toEqual([{ id: 'library-use', layer: 'application', line: 1 }]);
  });
});

test.each([
  'GGML_ASSERT: /src/ggml-cuda.cu:727: tensor->view_src == nullptr',
  '/src/ggml.c:99: GGML_ASSERT(n_dims <= 4) failed',
  "solver: mesh.c:77: build: Assertion `n > 0' failed.",
  'amrex::Abort::3::MLMG failed !!!',
])('a check of the program is a cause of its own: %s', line => {
  expect(causes('step 7', line, 'Aborted (core dumped)')[0]).toMatchObject({
    ...{ id: 'assertion', layer: 'application', line: 2 },
  });
});

describe('a library that is not there', () => {
  const TRACEBACK = ['Traceback (most recent call last):', '  File "/app/run.py", line 4, in f'];
  const missing = (name: string) => `${name}: cannot open shared object file: No such file`;

  test('ends the program that the loader refuses, whatever that leaves undone', () => {
    const line = `/opt/sim: error while loading shared libraries: ${missing('libcudart.so.11.0')}`;
    const log = ['step 7', line, ...TRACEBACK, "FileNotFoundError: No such file: 'out.h5'"];
    expect(causes(...log)[0]).toMatchObject({ id: 'import', line: 2 });
  });

  test('is told within the table of a server', () => {
    const row = `| pre | 1 | UNAVAILABLE: Internal: unable to load shared library: ${missing('libnvinfer_plugin.so.9')} |`;
    expect(causes(row, 'Error: Failed to start metrics')[0]).toMatchObject({
      id: 'import',
      line: 1,
    });
  });

  test('is nothing where whoever looked for it says that it ignores that', () => {
    const ucx = `[n:7] pmix_mca_base_component_repository_open: unable to open mca_pml_ucx: ${missing('libucp.so.0')} (ignored)`;
    expect(read(ucx)).toEqual([]);
    expect(causes(ucx.replace(' (ignored)', ''))).toMatchObject([{ id: 'import' }]);
  });
});

describe('who only noticed that another one is gone', () => {
  test.each([
    '[rank1]: RuntimeError: Rank 1 successfully reached monitoredBarrier, but received errors while waiting for send/recv from rank 0.',
    'RuntimeError: Ranks 2 failed to pass monitoredBarrier in 1800000 ms',
  ])('has begun nothing: %s', line => {
    expect(read(line)).toMatchObject([{ id: 'collective-not-joined', role: 'consequence' }]);
  });

  test('is possible at most where it is all that NCCL says, and nobody is blamed', () => {
    const reset =
      'node-0:7:9 [3] misc/socket.cc:77 NCCL WARN Call to recv failed : Connection reset by peer';
    expect(read(reset)).toMatchObject([{ role: 'cause', layer: 'unknown', lastResort: true }]);
    expect(causes(reset, '[rank3]: KeyError: 7')).not.toContainEqual({
      ...{ id: 'peer-closed', layer: 'unknown', line: 1 },
    });
    const launcher = 'torch.distributed.DistNetworkError: failed to recv, got 0 bytes';
    expect(causes(reset, launcher)).toEqual([]);
  });

  test('ranks of horovodrun are told apart', () => {
    const peer =
      '[1]<stderr>:  what():  [pair.cc:589] Read error [10.0.0.7]:39: Connection reset by peer';
    const log = ['[0]<stderr>:RuntimeError: bad shard', peer, '[1]<stderr>:Aborted (core dumped)'];
    expect(read(...log)[0]).toMatchObject({ id: 'exception', role: 'cause', ranks: [0], line: 1 });
  });
});

describe('who waited in vain', () => {
  const again = '- retrying (try=0, timeout=600000ms, delay=58972ms)';
  const by = '[E1226 15:44:24.7 socket.cpp:1011] [c10d] ';
  test('for all its time tells so, though it may try once more', () => {
    const line = `${by}The client socket has timed out after 600000ms while trying to connect to (node-5, 8000).`;
    expect(read(line, `TCP client failed to connect ${again}`)).toMatchObject([
      { role: 'cause', layer: 'fabric', lastResort: true, line: 1 },
    ]);
  });

  test('and who tries again at once does not', () => {
    expect(read(`${by}Connection refused by node-5`, `TCP client failed ${again}`)).toEqual([]);
  });
});

describe('a program without its accelerator', () => {
  const note = (msg: string) =>
    `time=2026-02-23T15:29:54Z level=INFO source=gpu.go:620 msg="${msg}"`;
  test('says so as a note, and it is possible at most', () => {
    const line = note('no nvidia devices detected by library /usr/lib64/libcuda.so.550');
    expect(read(line, note('inference compute'))).toMatchObject([
      { id: 'no-accelerator', layer: 'configuration', lastResort: true, line: 1 },
    ]);
    expect(causes(line, 'ValueError: x')).toMatchObject([{ id: 'exception', line: 2 }]);
    expect(read(note('no models were discovered'))).toEqual([]);
  });

  test('goes on with the CPU, and is not killed by that', () => {
    const line = 'E cuda_driver.cc:509] failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error';
    expect(causes(line, 'Killed')).toEqual([]);
    expect(causes(line)).toMatchObject([{ line: 1 }]);
  });
});

test.each([
  ['AssertionError: Apex requires CUDA.', 'configuration'],
  ['RuntimeError: this kernel requires a GPU', 'configuration'],
  [
    'ERROR: Could not find/initialize a specified accelerator device (src/x.cpp:7)',
    'configuration',
  ],
  ['RuntimeError: this kernel requires CUDA tensors', 'application'],
  ['RuntimeError: host=gpu-7 was not reachable via ssh', 'fabric'],
  [
    'RuntimeError: CUDA error: Invalid access of peer GPU memory over nvlink or a hardware error',
    'unknown',
  ],
  [
    'n:8:9 [0] net_ib.cu:80 NCCL WARN NET/IB : Got async event : local catastrophic error',
    'fabric',
  ],
])('%s: %s', (line, layer) => {
  expect(causes(line)[0]?.layer).toBe(layer);
});

test('the lines of a service that another one collects are read as its own', () => {
  const by = '[vllm]: (Worker pid=91) ERROR 07-28 23:29:37 utils.py:226] ';
  const log = [
    '    self.CHECK(self.f(',
    'RuntimeError: NCCL error: unhandled system error (run with)',
  ];
  expect(causes(...log.map(line => `${by}${line}`))).toEqual([]);
});

test('a memory budget that was exceeded is told though the worker was killed for it', () => {
  const log = [
    'distributed.nanny - WARNING - Worker exceeded 95% memory budget. Restarting',
    'distributed.nanny - INFO - Worker process 7 was killed by signal 15',
  ];
  expect(causes(...log)).toEqual([{ id: 'host-memory', layer: 'application', line: 1 }]);
});

test.each(['failed (exitcode: -7) local_rank: 2 (pid: 7)', 'exits with return code = -7'])(
  'a signal names no cause: %s',
  line => {
    expect(read(line)).toMatchObject([{ id: 'bus-error', role: 'report', layer: 'unknown' }]);
  },
);

describe('an exception whose message stands in the line below', () => {
  test('is quoted from there', () => {
    expect(causes('app.ConfigError:', '  The mesh has 3 axes, 2 are named.')).toEqual([
      { id: 'exception', layer: 'application', line: 2 },
    ]);
  });

  test('gives way to a text that is known', () => {
    const below = 'The NVIDIA driver on your system is too old (found version 10010).';
    expect(causes('AssertionError: ', below)).toEqual([
      { id: 'cuda-35', layer: 'configuration', line: 2 },
    ]);
  });
});

describe('a command that the program called', () => {
  const failed = (command: string) =>
    `subprocess.CalledProcessError: Command '${command}' returned non-zero exit status 1.`;

  test.each([
    ["['which', 'g++']", 'configuration'],
    ["['/usr/bin/gcc', '/tmp/x/main.c', '-lcuda']", 'configuration'],
    ["['/usr/bin/python3', '-m', 'pip', 'install', 'x']", 'configuration'],
    ["['git', 'clone', 'https://example.com/x']", 'fabric'],
    ["['ffmpeg', '-i', 'a.mp4']", 'application'],
  ])('%s: %s', (command, layer) => {
    expect(causes('step 7', failed(command))).toEqual([{ id: 'exception', layer, line: 2 }]);
  });

  test.each(["['/usr/bin/python3', 'train.py']", "['torchrun', '-m', 'x']", "['bash', 'run']"])(
    'is the job itself where a launcher calls it: %s',
    command => {
      expect(causes('step 7', failed(command))).toEqual([]);
    },
  );
});

test('why another one died is no mere end of another', () => {
  expect(causes('RuntimeError: worker died: uncorrectable ECC error')).toEqual([
    { id: 'machine-words', layer: 'unknown', line: 1 },
  ]);
  expect(causes('RuntimeError: worker died: exit code 1')).toEqual([]);
});

test('the lines of a host that pdsh has labelled are read as its own', () => {
  const log = [
    '[2024-01-01 10:00:00,000] [INFO] [launch.py:1:log] x',
    '  File "/a/run.py", line 5',
  ];
  const raised = ['    main()', "KeyError: 'shard'"];
  const labelled = [...log, ...raised].map(line => `worker-1: ${line}`);
  expect(causes(...labelled, 'worker-2: done')).toEqual([
    { id: 'exception', layer: 'application', line: 4 },
  ]);
});

test('a scheduler that takes the job away is a cause only where no error stands before', () => {
  const revoked = 'salloc: Job allocation 2354 has been revoked.';
  expect(causes('step 7', revoked)).toEqual([{ id: 'job-cancelled', layer: 'host', line: 2 }]);
  expect(causes('ERROR: mesh file has 3 axes, expected 2', revoked)[0]?.line).toBe(1);
  const job = 'slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2024-04-20T09:09:37';
  expect(causes('step 7', `${job} ***`)[0]).toMatchObject({ id: 'job-cancelled', layer: 'host' });
  expect(causes('step 7', `${job} DUE TO TIME LIMIT ***`)[0]?.id).toBe('time-limit');
});

test('the script of a job that is not there is of the job', () => {
  const line = "python: can't open file '/app/train.py': [Errno 2] No such file or directory";
  expect(causes(line)).toEqual([{ id: 'script-missing', layer: 'application', line: 1 }]);
});
