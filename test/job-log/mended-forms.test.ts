import { describe, expect, test } from 'vitest';
import { causes, read } from './entries.ts';

/** Forms that lots 16 to 21 of the public logs showed to be missing, in other examples, and what must not be taken for one. */

test.each([
  ['ERROR: (gcloud.compute.instances.create) Could not fetch resource:', 'host'],
  ['Range checking error (possible bug):', 'application'],
  ['2024-02-23 23:00:08.99: W external/support.cc:58] Intercepted XLA runtime error:', 'host'],
])('what only heads an error gives way to it: %s', (head, layer) => {
  const said = {
    host: " - Quota 'GPUS_ALL_REGIONS' exceeded.  Limit: 0.0 globally.",
    application: 'Value of nsteps must be at least 7 here',
  }[layer];
  expect(causes('step 7', head, `${said}`)).toEqual([{ id: 'first-error', layer, line: 3 }]);
});

describe('a library that the linker does not find', () => {
  const ended =
    "subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit status 1.";

  test.each(['/usr/bin/ld: cannot find -lnccl', 'x86_64-conda-linux-gnu-ld: cannot find -lcudart'])(
    'is why the build failed: %s',
    line => {
      const log = [
        '[1/3] c++ -MMD x.cpp',
        '[2/3] c++ -shared',
        line,
        'collect2: error: ld returned 1 exit status',
        ended,
      ];
      expect(causes(...log)).toEqual([{ id: 'first-error', layer: 'configuration', line: 3 }]);
    },
  );

  test('and nothing where a build looks whether there is one', () => {
    const probe = 'checking for -lrt... /usr/bin/ld: cannot find -lrt';
    expect(causes(probe, 'no', 'ValueError: bad mesh')[0]?.line).toBe(3);
  });
});

describe('what a status of NIXL hides', () => {
  const refused = (address: string) =>
    `[1744963752.379059] [n1:7:0] sock.c:334  UCX  ERROR   connect(fd=9, dest_addr=${address}) failed: Connection refused`;
  const status = 'nixl._bindings.nixlBackendError: NIXL_ERR_BACKEND';

  test('is the network that failed right before it, and then only possible', () => {
    const entries = read(refused('10.0.0.9:7'), status);
    expect(entries).toMatchObject([
      { id: 'no-connection', role: 'cause', layer: 'fabric', line: 1, lastResort: true },
      { id: 'library-status', role: 'report' },
    ]);
  });

  test('and no service of the same machine', () => {
    expect(causes(refused('127.0.0.1:7'), status)).toMatchObject([{ id: 'library-status' }]);
  });
});

test('a GPU that NVML calls lost is one, and one that is denied is none', () => {
  const lost = 'hwmc GPU2: unable to get power usage - GPU is lost (15)';
  expect(causes(lost)).toEqual([{ id: 'off-the-bus', layer: 'hardware', line: 1 }]);
  expect(causes('health check: no GPU is lost (15)').map(({ layer }) => layer)).not.toContain(
    'hardware',
  );
  expect(causes('NVML: polled, exit code 15')).toEqual([]);
});

test('a tag before what Slurm says is no part of it, and the rank in a tag stays', () => {
  const slurm =
    '[STDERR of step] slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2024-04-20T09:09:37 ***';
  expect(causes('step 7', slurm)).toEqual([{ id: 'job-cancelled', layer: 'host', line: 2 }]);
  expect(read("[Rank 3] ERROR KeyError: 'shard'")[0]?.ranks).toEqual([3]);
});

describe('a repository that the hub does not give out', () => {
  const raised =
    'huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-6)';
  const url = (name: string) =>
    `Repository Not Found for url: https://huggingface.co/api/models/${name}/revision/main.`;

  test('has no owner in its name: the program asks for what there is not', () => {
    expect(causes(raised, '', url('codec_25'))).toEqual([
      { id: 'gated-download', layer: 'application', line: 1 },
    ]);
  });

  test('has one: it may be closed', () => {
    expect(causes(raised, '', url('acme/codec_25'))[0]?.layer).toBe('configuration');
  });
});

test('busybox does not know its own server, and the name that was asked for stands below', () => {
  const unknown = (name: string) => `nslookup: can't resolve '${name}': Name does not resolve`;
  expect(causes(unknown('(null)'))).toEqual([]);
  expect(causes(unknown('(null)'), unknown('train-master-0'))).toEqual([
    { id: 'name-resolution', layer: 'configuration', line: 2 },
  ]);
});

test('what a launcher promises for the day of a preemption is none', () => {
  const promise = 'When the cluster is preempted, the job is started again';
  expect(read(promise).filter(({ id }) => id === 'preempted')).toEqual([]);
  expect(causes('I 05-04 00:52:46 controller.py:100] The cluster is preempted.')).toEqual([
    { id: 'preempted', layer: 'host', line: 1 },
  ]);
});

test('ranks that did not finish are for another log to explain', () => {
  const waited =
    "ValueError: TP rank 1 could finish, but there are other ranks that didn't finish loading";
  expect(causes('loading weights', waited)).toEqual([]);
  expect(causes('RuntimeError: 3 of all workers did not finish loading')).toEqual([]);
});

test('a task of slurmstepd that has ended is no peer that is gone', () => {
  const line = 'slurmstepd-n1: error: write to unblock task 0 failed: Broken pipe';
  expect(read(line).filter(({ id }) => id === 'peer-closed')).toEqual([]);
});

test('what a script could not tidy up after an error is not what failed', () => {
  const failed = '[ERROR] URL https://registry:5050/v2/x returned error code: 504 Gateway Time-out';
  const tidied = 'rm: cannot remove /tmp/x: No such file or directory';
  expect(causes('importing', failed, 'cleaning up', tidied)).toEqual([
    { id: 'first-error', layer: 'host', line: 2 },
  ]);
  expect(causes('importing', tidied)).toEqual([
    { id: 'file-missing', layer: 'configuration', line: 2 },
  ]);
});

test('ranks of srun --label stand as wide as the last of them', () => {
  const log = [
    'queued',
    ' 0: Traceback (most recent call last):',
    ' 0:   File "/app/a.py", line 3, in <module>',
  ];
  const raised = ' 0: AssertionError: 24 is not divisible by 40';
  const ended = '11: srun: error: n3: tasks 0-7: Exited with exit code 1';
  expect(causes(...log, raised, ended)).toEqual([
    { id: 'exception', layer: 'application', line: 4 },
  ]);
});

test('behind a crash the driver is asked, and says which GPU it was', () => {
  const crash = 'job.sh: line 31: 70211 Segmentation fault      (core dumped) namd2 prod.conf';
  const lost = 'NVRM: Xid (PCI:0000:61:00): 79, pid=7, name=namd2, GPU has fallen off the bus.';
  const touched = 'NVRM: Xid (PCI:0000:61:00): 31, pid=7, name=namd2, Ch 8, MMU Fault';
  expect(causes('step 7', crash, '+ dmesg', lost)).toEqual([
    { id: 'off-the-bus', layer: 'hardware', line: 4 },
  ]);
  expect(causes('step 7', crash, '+ dmesg', touched)[0]).toMatchObject({ id: 'crash' });
});

test.each([
  'NOTE: 12.3 % of the available CPU time was lost due to load imbalance',
  'GPU-aware MPI was not detected, will not use direct GPU communication.',
  'W local_rendezvous.cc:404] Local rendezvous is aborting with status: OUT_OF_RANGE: End of sequence',
])('what is noted on the way is no cause: %s', line => {
  expect(causes('step 7', line, 'saved model to /out/model')).toEqual([]);
});

test('who trains by workers points to their messages', () => {
  const raised = 'RuntimeError: The batch of rank 3 is empty';
  const passedOn =
    'ray.train.base_trainer.TrainingFailedError: The Ray Train run failed. Please inspect the previous error messages for a cause.';
  expect(causes('step 7', `ERROR: ${raised}`, 'x', passedOn)[0]).toMatchObject({ line: 2 });
});
