import { describe, expect, test } from 'vitest';
import { causes, read } from './entries.ts';

/** Classes of lines that lots 12 to 15 showed to be missing, in other examples of their forms. */

describe('a container that could not be started', () => {
  const HEAD = 'slurmstepd: error: pyxis: container start failed with error code: 1';
  const END = "slurmstepd: error: pyxis: couldn't start container";

  test.each([
    'slurmstepd: error: pyxis:     nvidia-container-cli: mount error: file creation failed: /x: no such device',
    'slurmstepd: error: pyxis:     enroot-switchroot: failed to execute: /bin/sh: No such file or directory',
    'slurmstepd: error: pyxis:     [ERROR] URL https://nvcr.io/proxy_auth returned error code: 401 Unauthorized',
  ])('the log that it prints tells why: %s', why => {
    expect(
      causes(HEAD, 'slurmstepd: error: pyxis: printing enroot log file:', why, END)[0],
    ).toMatchObject({ layer: 'configuration', line: 3 });
  });

  test('and where it prints none, its own word is all there is', () => {
    expect(causes(HEAD, END)[0]).toMatchObject({ id: 'container-start' });
  });
});

describe('TensorFlow tells in notes why it has no GPU', () => {
  const LIBCUDA =
    "2020-02-23 02:17:51.838293: I tensorflow/stream_executor/dso_loader.cc:53] Could not dlopen library 'libcuda.so.1'; dlerror: libcuda.so.1: cannot open shared object file: No such file or directory";
  const CU_INIT =
    '2020-02-23 02:17:51.838316: E tensorflow/stream_executor/cuda/cuda_driver.cc:318] failed call to cuInit: UNKNOWN ERROR (303)';

  test('the library of the driver that is not there', () => {
    expect(causes(LIBCUDA, CU_INIT)[0]).toMatchObject({ layer: 'configuration', line: 1 });
  });

  test('and nothing where it went on without', () => {
    const steps = Array.from({ length: 8 }, (_, n) => `a line of work, the ${n}th`);
    expect(causes(LIBCUDA, CU_INIT, ...steps)).toEqual([]);
  });

  test('the halves of a driver that do not fit, before what CUDA said of it', () => {
    const versions =
      'E tensorflow/stream_executor/cuda/cuda_diagnostics.cc:296] kernel version 352.63.0 does not match DSO version 361.93.2 -- cannot find working devices in this configuration';
    const started =
      'E tensorflow/stream_executor/cuda/cuda_driver.cc:491] failed call to cuInit: CUDA_ERROR_INVALID_VALUE';
    expect(causes(started, versions)).toEqual([
      { id: 'versions', layer: 'configuration', line: 2 },
    ]);
  });
});

describe('heads of what stands below', () => {
  test('a signal of Open MPI is named in the next line', () => {
    const log = ['[n:7] *** Process received signal ***', '[n:7] Signal: Segmentation fault (11)'];
    expect(causes(...log)).toEqual([{ id: 'crash', layer: 'application', line: 2 }]);
  });

  test('what Spark says of a task stands above its exception, whatever its class', () => {
    const task = '26/11/28 04:00:01 ERROR Executor: Exception in task 3.0 in stage 7.0 (TID 221)';
    const raised =
      'com.nvidia.spark.rapids.jni.GpuSplitAndRetryOOM: GPU OutOfMemory: cannot be split!';
    expect(causes('step 7', task, raised)[0]).toMatchObject({ layer: 'application', line: 3 });
    expect(causes('step 7', 'a.b.c.Listing: three files')).toEqual([]);
  });

  test.each([
    ['--> FOAM FATAL ERROR: (openfoam-2212)', 'cannot find file "/case/system/controlDict"'],
    [
      '[0]PETSC ERROR: ------------ Error Message ------------',
      '[0]PETSC ERROR: Nonconforming sizes',
    ],
  ])('a banner is none itself: %s', (head, said) => {
    expect(causes('step 7', head, said)[0]?.line).toBe(3);
  });

  test('that something failed is told by what was complained of before', () => {
    const log = [
      '[enc @ 0x5] Driver does not support the required API version.',
      'Conversion failed!',
    ];
    expect(causes('step 7', ...log)[0]).toMatchObject({ layer: 'configuration', line: 2 });
  });
});

test('a driver’s own word on the GPU outranks what CUDA said before it', () => {
  const cuda = 'RuntimeError: CUDA error: unspecified launch failure';
  const xid = 'NVRM: Xid (PCI:0000:4c:00): 79, pid=1, GPU has fallen off the bus.';
  expect(causes(cuda, xid)).toMatchObject([{ id: 'off-the-bus', layer: 'hardware', line: 2 }]);
  expect(causes(cuda)).toMatchObject([{ id: 'cuda-719', layer: 'application' }]);
});

test('a gradient that is no number in every step is one, and none where the step was left out', () => {
  const step = (n: number, skipped: number) =>
    ` iteration  ${n}/ 100 | loss scale: 1.0 | grad norm: nan | number of skipped iterations:   ${skipped} |`;
  expect(causes(step(1, 0), step(2, 0), step(3, 0))[0]).toMatchObject({
    id: 'not-finite',
    line: 1,
  });
  expect(causes(step(1, 1), step(2, 1), step(3, 1))).toEqual([]);
});

test('an adapter is no service of the own machine, whatever its address', () => {
  const lost =
    'E1213 02:57:10.528410  5811 pool.cpp:274] peer_nic: 127.0.0.1:8149@mlx5_0: transport retry counter exceeded';
  expect(causes(lost)).toMatchObject([{ layer: 'fabric', line: 1 }]);
});

test('a peer that did not come in time is no cause, the time of an own call is', () => {
  const peer = '2023-05-25 11:10:57.934497: E tensorflow/core/context.cc:737] Deadline Exceeded';
  expect(causes(peer, 'Fatal Python error: Aborted')).toEqual([]);
  const own = 'Error: failed to load the index: context deadline exceeded';
  expect(causes('step 7', own)).toMatchObject([{ line: 2 }]);
});

test('what the driver refuses a server of models is not of the model', () => {
  const model = 'UNAVAILABLE: Internal: unable to create stream: operation not supported';
  expect(causes(model)).toMatchObject([{ id: 'model-load', layer: 'configuration' }]);
  const key = "UNAVAILABLE: Internal: key 'tokens_per_block' not found";
  expect(causes(key)).toMatchObject([{ id: 'model-load', layer: 'application' }]);
});

test('Ray names the node that was lost', () => {
  const log = [
    'ray.exceptions.RayActorError: The actor died unexpectedly before finishing this task.',
  ];
  const node = 'The actor is dead because its node has died. Node Id: 677d';
  expect(causes(...log, node)).toEqual([{ id: 'node-lost', layer: 'host', line: 2 }]);
  expect(causes(...log)).toEqual([]);
});

describe('who wrote it', () => {
  test.each([
    ['/bin/sh: 1: torchrun: not found', 'file-missing', 'configuration'],
    [
      'Error response from daemon: Head "https://nvcr.io/v2/x": unauthorized',
      'first-error',
      'configuration',
    ],
    ['ERROR: Unable to write to CACHE_PATH (/mnt/models/cache)', 'first-error', 'configuration'],
    ['WARNING: Failed to connect to master: unable to connect', 'first-error', 'fabric'],
    [
      'n:4:4 [0] xml.cc:3 NCCL WARN Could not find real path of /sys/class/pci_bus/0000:00',
      'first-error',
      'configuration',
    ],
  ])('%s', (line, id, layer) => {
    expect(causes('step 7', line)).toEqual([{ id, layer, line: 2 }]);
  });

  test('the head of an error of modules is not the error', () => {
    const log = [
      'Lmod has detected the following error: ',
      'Cannot load module "a" without these module(s) loaded:',
    ];
    expect(causes(...log)[0]).toMatchObject({ layer: 'configuration', line: 2 });
  });

  test('what NCCL warned of before its processes met is nothing', () => {
    const warned = 'n:4:4 [0] socket.cc:12 NCCL WARN NET/FastSocket : Cannot get incoming CPU';
    expect(causes(warned, 'n:4:4 [0] NCCL INFO Connected all rings')).toEqual([]);
    expect(causes(warned, 'n:4:4 [0] NCCL INFO init.cc:3 -> 2')).toMatchObject([{ line: 1 }]);
  });

  test('the compiler tells, of the build', () => {
    const compiler =
      "/usr/include/bits/std_function.h:435:145: error: parameter packs not expanded with '...':";
    const built = "RuntimeError: Error building extension 'x'";
    const called =
      "subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit status 1.";
    expect(causes('FAILED: x.o', compiler, called, built)[0]).toMatchObject({
      layer: 'configuration',
      line: 2,
    });
    const head = 'RuntimeError: Ninja build failed. Ninja output:';
    const ninja =
      "ninja: error: '/usr/local/cuda/bin/nvcc', needed by 'x.o', missing and no known rule to make it";
    expect(causes(head, ninja)[0]).toMatchObject({ layer: 'configuration', line: 2 });
  });

  test('the reason that wandb gave before it raised without one', () => {
    const told = 'wandb: ERROR Error while calling W&B API: permission denied (<Response [403]>)';
    const raised = 'wandb.errors.CommError: Error communicating with wandb backend';
    expect(causes(told, raised)[0]).toMatchObject({ layer: 'configuration', line: 1 });
    expect(causes(told, 'KeyError: 7')[0]).toMatchObject({ line: 2 });
  });
});

/** With no text of the table in them: by their words alone. */
test.each([
  ['ERROR: worker 7 is out of shared memory for its queue', 'configuration'],
  [
    'RuntimeError: Error: failed to pull the image registry/x: no response of 10.0.0.1:443',
    'configuration',
  ],
  ['RuntimeError: connect() timed out after 60000 ms', 'fabric'],
  ['ERROR: gave up after 30 s while trying to connect to (head, 1234)', 'fabric'],
  ['ERROR: failed to complete a TCP connection', 'fabric'],
  ['n:1:1 [0] wrap.cc:3 NCCL WARN Call to ibv_create_srq failed', 'configuration'],
  ['n:1:1 [0] x.cc:3 NCCL WARN NET/X Creating the domain 7 failed', 'configuration'],
  ['srun: error: Unable to do this: not today', 'host'],
  ['ERROR: the node was low on pids', 'host'],
  ['forrtl: severe (174): SIGSEGV, segmentation fault occurred', 'application'],
  [
    'RuntimeError: the plan is not compatible with the running version of the library',
    'configuration',
  ],
  ['RuntimeError: only 7 MiB free on the device, 1024 MiB wanted', 'application'],
  ['ERROR: /scratch is 97% full', 'configuration'],
  ['ERROR: port 8000 of the server is already in use', 'configuration'],
])('%s: %s', (line, layer) => {
  expect(causes('step 7', line)[0]).toMatchObject({ layer, line: 2 });
});

test.each([
  'ERROR: some tasks of the job ended by an oom-kill of their cgroup',
  "Unhandled exception of type 'X' with message 'no cells left', terminating",
  'buffer_alloc: 144817.04 MiB on device 0: take failed: out of memory',
])('is a failure of the program by its form: %s', line => {
  expect(causes('step 7', line)).toMatchObject([{ layer: 'application', line: 2 }]);
});

test('who repeats a help text, and NCCL without a library of InfiniBand, tell of nothing', () => {
  const help = '[n:7] 1 more process has sent help message help-mpi.txt / no port found';
  expect(causes('step 7', help)).toEqual([]);
  expect(causes('n:1:1 [0] wrap.cc:63 NCCL WARN Failed to open libibverbs.so[.1]')).toEqual([]);
});

describe('what a service puts before each line', () => {
  test('uvicorn, before code as well', () => {
    const log = [
      'ERROR:      File "/a/cache.py", line 66, in make',
      'ERROR:        mkdir(name, mode)',
    ];
    const raised = "ERROR:    KeyError: 'shard'";
    expect(causes('step 7', ...log, raised)).toEqual([
      { id: 'exception', layer: 'application', line: 4 },
    ]);
  });

  test('the tag of an engine', () => {
    const by = '(Worker pid=7) [Stage-0] ERROR 03-12 08:22:28 [executor.py:800] ';
    const log = ['    self.ask(init', 'ValueError: Free memory is less'].map(
      line => `${by}${line}`,
    );
    expect(causes(...log)).toMatchObject([{ layer: 'application', line: 2 }]);
  });
});

test('where NCCL’s error only heads a reason that no table knows, that is it', () => {
  const heads = [
    'torch.distributed.DistBackendError: NCCL error in: x.cpp:7, unhandled system error, NCCL version 2.18.6',
    'ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error. ',
    'Last error:',
  ];
  expect(causes(...heads, 'ERROR: no more rooms in this house')).toMatchObject([{ line: 4 }]);
  expect(causes(...heads)).toEqual([]);
});

test.each([
  ['ERROR: nvidia-fs: driver not loaded', 'configuration'],
  ['ERROR: this repository is over its yearly quota', 'host'],
  ['n:1:1 [0] x.cc:3 NCCL WARN NET/IB : Got async event : some new one', 'fabric'],
  ['HTTP Error 429 thrown while requesting GET https://x/y', 'configuration'],
  ['[TRT] [E] 2: [resize] Error Code 2: OutOfMemory (no further information)', 'application'],
])('by words alone: %s: %s', (line, layer) => {
  expect(causes('step 7', line)[0]).toMatchObject({ layer, line: 2 });
});

test('an error by its form is only told of where the program then says that it has succeeded', () => {
  const odd =
    'E1128 04:00:01.123456     411 memcache.go:287] the list of metrics is out of reach today';
  expect(read(odd, 'step 7', 'Training completed successfully')).toMatchObject([
    { role: 'report' },
  ]);
  expect(causes(odd, 'step 7', 'Job finished at Fri Nov 28')).toMatchObject([{ line: 1 }]);
  expect(causes("KeyError: 'lr'", 'Training completed successfully')).toMatchObject([{ line: 1 }]);
});

test('what the loader ignores is nothing', () => {
  const line =
    "ERROR: ld.so: object 'a.so' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored.";
  expect(causes(line, "KeyError: 'lr'")).toMatchObject([{ line: 2 }]);
});

test.each([
  'Dec 31 01:55:57 node-7 train[55]: ',
  '2019-07-04T06:18:48.000Z /container_e559_1557431881457_79419_05_000002: ',
  '[pod/train-worker-0/pytorch] ',
])('whoever collects the lines of a program is no part of them: %s', by => {
  const log = ['Traceback (most recent call last):', '  File "/a.py", line 1, in <module>'];
  const raised = ["    raise KeyError('x')", "KeyError: 'x'"];
  expect(causes(...[...log, ...raised].map(line => `${by}${line}`))).toEqual([
    { id: 'exception', layer: 'application', line: 4 },
  ]);
});

test.each([
  ['ucp._libs.exceptions.UCXError: Endpoint timeout', 'fabric'],
  ['RuntimeError: this build is not able to use the GPU; skip the test', 'configuration'],
  ['ERROR: no surface, see whether Vulkan is there', 'configuration'],
  [' NaN(s) in the output of this step.', 'application'],
  ['queue all.q: job 411 exceeds job hard limit "h_rt" of queue', 'configuration'],
])('of programs that no table knows: %s: %s', (line, layer) => {
  expect(causes('step 7', line)[0]).toMatchObject({ layer, line: 2 });
});

test('a process that says where it gave up says in the next line why', () => {
  const head = 'HPL ERROR from process # 0, on line 419 of function HPL_pdinfo:';
  expect(causes(head, '>>> Need 8 processes for these tests <<<')[0]?.line).toBe(2);
});

test.each(['client reregistration', 'LID change', 'port active'])(
  'an event of an adapter that ends nothing: %s',
  event => {
    const by = 'n:1:1 [0] net_ib.cc:94 NCCL WARN NET/IB : mlx5_2:1 Got async event : ';
    expect(causes('step 7', `${by}${event}`)).toEqual([]);
    expect(causes('step 7', `${by}port error`)).toMatchObject([{ layer: 'fabric', line: 2 }]);
  },
);

test('a library that is not linked is of the image', () => {
  const line = 'MPIDI_CRAY_init: GPU_SUPPORT_ENABLED is requested, but GTL library is not linked';
  expect(causes('step 7', line)).toMatchObject([{ layer: 'configuration', line: 2 }]);
});
