import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

const read = (...lines: string[]) =>
  readJobLog({
    ...{ container: 'main', previous: false, requests: 1, bytes: 9, cut: false },
    text: lines.map((line, at) => `2026-03-01T12:00:${10 + at}Z ${line}\n`).join(''),
  });

describe('what a line tells of a pod of the job', () => {
  test.each<readonly [kind: string, who: string, ...lines: string[]]>([
    [
      'ended',
      'w-1',
      'mpirun noticed that process rank 3 with PID 61 on node w-1 exited on signal 9 (Killed).',
    ],
    [
      'ended',
      'w-2',
      '=   RANK 33 PID 3121 RUNNING AT w-2',
      '=   KILLED BY SIGNAL: 11 (Segmentation fault)',
    ],
    ['ended', 'hgx-3', 'srun: error: hgx-3: tasks 16-23: Exited with exit code 1'],
    ['ended', 'w-2', 'pdsh@launcher: w-2: ssh exited with exit code 247'],
    [
      'ended',
      'w-2',
      'w-2: [2026-03-01 12:00:00,117] [ERROR] [launch.py:325] exits with return code = -9',
    ],
    ['ended', '1', 'Process 1 exit with status code 1.'],
    ['ended', '21', 'MPI_ABORT was invoked on rank 21 in communicator MPI_COMM_WORLD'],
    ['ended', '5', 'Process name: [[22713,1],5]', 'Exit code:    1'],
    [
      'ended',
      '10.0.8.4',
      '(raylet, ip=10.0.8.4) A worker died or was killed while executing a task.',
    ],
    [
      'ended',
      '10.0.8.4',
      '(raylet) 7 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to other reasons at node (ID: c44, IP: 10.0.8.4) over the last time period.',
    ],
    [
      'ended',
      '16,17',
      'torch.distributed.checkpoint.api.CheckpointException: CheckpointException ranks:dict_keys([16, 17])',
    ],
    ['lost', 'hgx-07', 'srun: error: Node failure on hgx-07'],
    [
      'lost',
      '10.8.3.6',
      '(raylet) The node with node id: 5ac0 and address: 10.8.3.6 and node name: 10.8.3.6 has been marked dead because the detector has missed too many heartbeats from it.',
    ],
    ['lost', 'md-1', '  Remote daemon: [[2207,0],2] on node md-1'],
    ['lost', '/job:ps/replica:0/task:1', 'UnavailableError: From /job:ps/replica:0/task:1:'],
    [
      'lost',
      '/job:worker/replica:0/task:1',
      'UNAVAILABLE: Task /job:worker/replica:0/task:1 heartbeat timeout. This indicates that the remote task has failed.',
    ],
    ['lost', 'tm-1-2', 'JobMasterException: TaskManager with id tm-1-2 is no longer reachable.'],
    ['taken', 'gpu-group', '(autoscaler +32m19s) Removing 1 nodes of type gpu-group (idle).'],
    [
      'awaited',
      '/job:jax_worker/replica:0/task:1',
      'Barrier timed out. Tasks that have not connected: /job:jax_worker/replica:0/task:1',
    ],
    ['awaited', '16,19', 'RuntimeError: Ranks 16, 19 failed to pass monitoredBarrier in 60000 ms'],
    ['awaited', '2', 'Missing ranks:', '2: [DistributedAdam_Allreduce/x, ...]'],
    ['awaited', '2', 'error msg: Culprit rank 2; Error type: COLLECTIVE_TYPE_MISMATCH'],
    ['awaited', '10', 'missing ranks: {10}'],
    [
      'closed',
      'sft-0.sft',
      '[c10d] recvValue failed on SocketImpl(fd=1, addr=[sft-1.sft]:50122, remote=[sft-0.sft]:29500): failed to recv, got 0 bytes',
    ],
    [
      'closed',
      '10.1.0.9',
      'RuntimeError: [../gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.1.0.9]:2381',
    ],
    [
      'link',
      '',
      'w-1:188:1990 [3] transport/net_ib.cc:143 NCCL WARN NET/IB : mlx5_3:1 async fatal event on port 1: port error',
    ],
    [
      'unreached',
      '',
      '[W1111 08:16:59 socket.cpp:755] [c10d] The IPv6 network addresses of (m-0, 23456) cannot be retrieved (gai error: -3 - Temporary failure in name resolution).',
    ],
    [
      'unreached',
      '',
      '[LightGBM] [Warning] Connecting to rank 0 failed, waiting for 200 milliseconds',
    ],
    [
      'unreached',
      '',
      '[2026-03-01 12:00:00,114 W 52 70] (raylet) gcs_rpc_client.h:151: RPC to GCS 10.20.0.4:6379 failed: Deadline Exceeded; last error: Connection timed out (110), retrying',
    ],
    ['unreached', '', 'Caused by: java.net.UnknownHostException: driver-svc.ns.svc'],
    ['left', '', 'Local rendezvous is aborting with status: OUT_OF_RANGE: End of sequence'],
    [
      'left',
      '',
      'WARNING:evalloop:rank 2: validation shard is empty (0 of 89 rows after filter), skipping metric reduce',
    ],
    ['left', '', 'INFO:root:role ps: no input files for this task, nothing to train; exiting'],
    ['crashed', '', 'failed (exitcode: -9) local_rank: 3 (pid: 93) of binary: /usr/bin/python3'],
  ])('%s %j: %s', (kind, who, ...lines) => {
    const words = read(...lines).ofPods ?? [];
    expect(words.map(word => [word.kind, [...word.names, ...word.ranks].join()])).toContainEqual([
      kind,
      who,
    ]);
  });

  test.each([
    'Connection refused by 10.0.0.4',
    'srun: job 77 has been allocated resources',
    'failed (exitcode: -6) local_rank: 3 (pid: 93) of binary: /usr/bin/python3',
    '[c10d] The client socket has failed to connect to (m-0, 23456): Connection refused',
    'INFO EarlyStopping(patience=3) callback added',
    'emergency checkpoint skipped: barrier not reached',
  ])('nothing: %s', line => {
    expect(read(line).ofPods).toBeUndefined();
  });

  test('that another could not be reached is over where it was, or work went on', () => {
    const refused =
      '[LightGBM] [Warning] Connecting to rank 0 failed, waiting for 200 milliseconds';
    expect(read(refused, '[LightGBM] [Info] Connected to rank 0').ofPods).toBeUndefined();
    const steps = Array.from({ length: 12 }, (_, at) => `step ${at} loss 2.1`);
    expect(read(refused, ...steps).ofPods).toBeUndefined();
    expect(read(refused, ...steps.slice(0, 5)).ofPods).toHaveLength(1);
  });
});

test('at which address a process is, and whose words a launcher prints, the lines tell', () => {
  expect(read('Local node IP: 10.0.8.4').addresses).toEqual([{ ip: '10.0.8.4' }]);
  const nccl = 'w-1:9:44 [0] NCCL INFO Bootstrap: Using eth0:10.0.0.5<0>';
  expect(read(nccl).addresses).toEqual([{ ip: '10.0.0.5', host: 'w-1' }]);
  const crash = '[w-1:00077] Signal: Segmentation fault (11)';
  expect(read(crash).entries).toMatchObject([{ of: 'w-1' }]);
  expect(read('[rank8]: step 1', '[rank9]: step 1').ownRanks).toEqual([8, 9]);
});
