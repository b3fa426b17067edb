import type { PodWord } from '../contract/job-log.ts';

/** Lines in which launchers, schedulers and the libraries of a job tell of its pods, and who writes them so. */

export const IP = String.raw`\d{1,3}(?:\.\d{1,3}){3}`;
export const HOST = String.raw`[a-z0-9](?:[\w.-]{0,251}[a-z0-9])?`;
const TASK = String.raw`\/job:\w{1,40}\/replica:\d{1,6}\/task:\d{1,6}`;

/** Each is looked for without regard to case, as who collects lines may change it. */
const form = (parts: TemplateStringsArray, ...names: readonly string[]): RegExp =>
  new RegExp(String.raw(parts, ...names), 'i');

export interface PodForm {
  readonly kind: PodWord['kind'];
  readonly text: RegExp;
  /** How a named process ended stands in this group, or in a line below. */
  readonly how?: RegExp;
  /** Names, ranks: by the name of their group (`name`, `rank`). */
  readonly below?: RegExp;
}

export const POD_FORMS: readonly PodForm[] = [
  // Open MPI, orte/tools/orterun and prrte: `mpirun noticed that process rank 3 with PID 61 on node w-0 exited on signal 6 (Aborted).`
  {
    kind: 'ended',
    text: form`\bnoticed that process rank \d+ with PID \d+ on node (?<name>${HOST}) exited on (?<how>signal \d+ .{0,40}?)\.?$`,
  },
  // The same without a host: a process name is [[family,job],rank] or [namespace@job,rank].
  {
    kind: 'ended',
    text: /^\s*Process name: \[(?:\[\d+,\d+\]|[\w.@-]{1,200}),(?<rank>\d+)\]/,
    below: /^\s*Exit code: +(?<how>\d+)/,
  },
  // Hydra of MPICH and Intel MPI: utils/.../pmip_cb.c.
  {
    kind: 'ended',
    text: form`^=? *(?:RANK \d+ )?PID \d+ RUNNING AT (?<name>${HOST})(?: \(\S+\))?\s*$`,
    below:
      /^=? *(?<how>(?:KILLED BY SIGNAL|EXIT STATUS|EXIT CODE|KILLED BY|EXITED WITH): ?-?\d+.{0,40})/i,
  },
  // Slurm, src/srun/libsrun/launch.c and step_ctx.c.
  {
    kind: 'ended',
    text: form`^srun: error: (?<name>${HOST}): tasks? [\d,[\]-]{1,200}: (?<how>.{1,80})$`,
  },
  {
    kind: 'lost',
    text: form`^srun: error: Node failure on (?<name>${HOST})`,
  },
  {
    kind: 'lost',
    text: form`^(?:srun|slurmctld|sbatch): error: Nodes? (?<name>${HOST}) (?:not responding|failed|is down)`,
  },
  // pdsh and DeepSpeed's launcher behind it.
  {
    kind: 'ended',
    text: form`^pdsh@[\w.-]{1,253}: (?<name>${HOST}): ssh exited with (?<how>exit code \d+)`,
  },
  {
    kind: 'ended',
    text: form`^(?<name>${HOST}): .{0,300}\bexits with (?<how>return code = -?\d+)`,
  },
  // torchrun of its own processes: torch/distributed/elastic/multiprocessing/api.py; an abort is mostly that of a watchdog.
  {
    kind: 'crashed',
    text: /\bfailed \((?<how>exitcode: -(?:4|7|8|9|11))\) local_rank: \d/,
  },
  {
    kind: 'crashed',
    text: /^\s*traceback : (?<how>Signal (?:4|7|8|9|11) \(SIG[A-Z]{2,6}\)) received by PID/,
  },
  // Horovod's launcher over gloo.
  { kind: 'ended', text: /^Process (?<rank>\d+) exit with (?<how>status code [1-9]\d*)/ },
  // torch.distributed.checkpoint tells all ranks which of them failed (torch/distributed/checkpoint/api.py).
  {
    kind: 'ended',
    text: /\bCheckpointException ranks: ?dict_keys\(\[(?<ranks>\d+(?:, ?\d+)*)/,
  },
  { kind: 'ended', text: /^MPI_ABORT was invoked on rank (?<rank>\d+) in communicator/ },
  // Ray: src/ray/raylet/node_manager.cc, worker_killing_policy.cc and python/ray/exceptions.py.
  {
    kind: 'ended',
    text: form`\bMemory on the node \(IP: (?<name>${IP}).{0,600}(?<how>memory usage threshold)`,
  },
  {
    kind: 'ended',
    text: form`\b(?<how>killed due to memory pressure \(OOM\)).{0,160}\bat node \(ID: \w+, IP: (?<name>${IP})`,
  },
  {
    kind: 'ended',
    text: form`^\(raylet, ip=(?<name>${IP})\) .{0,40}\bworker died or was killed\b|^\s*ip: (?<name2>${IP})\s*$`,
  },
  {
    kind: 'lost',
    text: form`\bnode with node id: \w+ and address: (?<name>${IP})\b.{0,120}\bmarked dead\b`,
  },
  {
    kind: 'lost',
    text: form`\bRAS (?:declaring peer|peer) (?<name>${IP})<\d+> (?:as|reported as) DEAD\b`,
  },
  // Open MPI and PRRTE: `Remote daemon: [[22713,0],2] on node w-2` below `has lost communication with a remote daemon`.
  {
    kind: 'lost',
    text: form`^\s*Remote daemon: .{1,200} on node (?<name>${HOST})`,
  },
  {
    kind: 'lost',
    text: form`\bLost executor \d+ on (?<name>${IP}|${HOST}): (?<how>.{1,80})`,
  },
  // TensorFlow and JAX: xla/tsl/distributed_runtime/coordination.
  {
    kind: 'awaited',
    text: form`\b(?:have not connected|timed out task names|tasks? (?:that )?did not reach|not reached the barrier)\b.{0,200}?(?<name>${TASK})`,
  },
  {
    kind: 'lost',
    text: form`\b(?:heartbeat timeout|stopped sending heartbeats|unhealthy)\b.{0,200}?(?<name>${TASK})|(?<name2>${TASK}) (?:heartbeat timeout|has failed|is unhealthy|has stopped)`,
  },
  {
    kind: 'lost',
    text: form`\b(?:Cancelled by remote worker|From|remote target|Lost connection to task) (?<name>${TASK})`,
  },
  // PyTorch's monitored barrier and flight recorder; Horovod's stall inspector.
  {
    kind: 'awaited',
    text: /\bRanks? (?<ranks>\d+(?:,? \d+)*) (?:failed to pass monitoredBarrier|has not joined|have not joined|never entered)\b/i,
  },
  { kind: 'awaited', text: /^\s*missing ranks?: [[{]?(?<ranks>\d+(?:, ?\d+)*)/i },
  { kind: 'awaited', text: /\[missing ranks: (?<ranks>\d+(?:, ?\d+)*)\]/i },
  { kind: 'awaited', text: /^(?:Missing|Stalled) ranks:\s*$/, below: /^(?<ranks>\d+): \[/ },
  {
    kind: 'awaited',
    text: /\b(?:ranks?|workers?|process(?:es)?) (?<ranks>\d+(?:, ?\d+)*) (?:has|have|did) not (?:join|arriv|reach|report|regist|respond|enter|check|connect)/i,
  },
  {
    kind: 'awaited',
    text: /\b(?:waiting (?:for|on)|missing) (?:ranks?|workers?|process(?:es)?)\W{1,4}(?<ranks>\d+(?:, ?\d+)*)/i,
  },
  { kind: 'awaited', text: /\bCulprit ranks? (?<ranks>\d+(?:, ?\d+)*)/i },
  // Anybody's word of one that it names: `TaskManager with id X is no longer reachable`, `lost connection to worker X`.
  {
    kind: 'lost',
    text: form`\b(?:worker|executor|task ?manager|node|pod|host|member|replica|peer|agent|instance)\b.{0,20}?[ '"(:@](?<name>(?=[\w.-]{0,200}\d)${HOST})\b.{0,60}\b(?:no longer reachable|unreachable|lost|dead|gone|died|crashed|removed|disconnected|not respond\w{0,3}|unhealthy)\b`,
  },
  {
    kind: 'lost',
    text: form`\blost (?:connection|contact|heartbeat|communication) (?:to|with|from|of) .{0,30}?(?<name>(?=[\w.-]{0,200}\d)${HOST})\b`,
  },
  // Ray's autoscaler takes what it thinks is idle: python/ray/autoscaler/_private/event_summarizer.py.
  {
    kind: 'taken',
    text: /^Removing \d+ nodes? of type (?<name>[\w.-]{1,100}) \(/,
  },
  // NCCL's socket.cc, gloo's pair.cc, PyTorch's TCPStore: who is named has closed the connection.
  {
    kind: 'closed',
    text: form`\bConnection closed by (?:remote )?peer \[?(?<name>${HOST})(?:\]:|<)`,
  },
  {
    kind: 'closed',
    text: form`\b(?:Call to (?:recv|send)\w* (?:from|to)|remote=\[?) ?(?<name>${HOST})(?:<|\]?:)\d.{0,80}\b(?:connection reset|broken pipe|got 0 bytes)`,
  },
  // The adapter's own word: mlx5's events as NCCL passes them on (src/transport/net_ib.cc).
  {
    kind: 'link',
    text: /\bNET\/IB ?: ?\S{1,40} (?:Got )?async (?:fatal )?event\b.{0,40}\b(?:port error|device fatal|local catastrophic error)/i,
  },
  // Whom this process could not reach. That a port refused or a peer reset says that somebody was there.
  {
    kind: 'unreached',
    text: /\bcannot be retrieved(?: or connected)? \((?:gai error|errno: 11[03])\b/,
  },
  {
    kind: 'unreached',
    text: /^\[?(?:LightGBM\] \[)?(?:Warning|Fatal)\] Connecting to rank (?<peer>\d+) failed/i,
  },
  {
    kind: 'unreached',
    text: /\bRPC to GCS \S{1,200} failed\b(?!.{0,200}\brefused\b)|\bFailed to connect to GCS at\b(?!.{0,200}\brefused\b)/,
  },
  {
    kind: 'unreached',
    text: /\bnode manager has mistakenly been marked as dead\b/,
  },
  {
    kind: 'unreached',
    text: /\b(?:Failed to connect to|could not connect to|unable to reach) (?:the )?(?:coordination service|distributed service|coordinator|scheduler|master|head node)\b(?!.{0,300}\brefused\b)/i,
  },
  {
    kind: 'unreached',
    text: /\bsocket(?:StartConnect|PollConnect|FinalizeConnect)\b.{0,160}\b(?:timed out|no route to host|unreachable)\b/i,
  },
  {
    kind: 'unreached',
    text: /\bclient socket has (?:timed out after \S{1,20} while trying to connect|failed to connect to .{0,200}(?:timed out|no route|unreachable))/i,
  },
  {
    kind: 'unreached',
    text: /\b(?:EAI_AGAIN|EHOSTUNREACH|ETIMEDOUT|UnknownHostException|NoRouteToHostException|connect timed out|i\/o timeout)\b|\bErrno 11[03]\]|\berrno[:=]? 11[03]\b|\(110\)/,
  },
  {
    kind: 'unreached',
    text: /\b(?:DNS resolution failed for|Temporary failure in name resolution|Name or service not known|Could not resolve host(?:name)?)\b/i,
  },
  {
    kind: 'unreached',
    text: /\bconnect(?:ing|ion|ed)?\b.{0,200}\b(?:connection timed out|timed out connecting|no route to host|network is unreachable)\b|\bFailed to connect to remote host: (?:connection timed out|no route|timeout)/i,
  },
  // That this process left by itself: TensorFlow's input that is at its end, a shard without a sample, a stop before others.
  {
    kind: 'left',
    text: /\bOUT_OF_RANGE: End of sequence\b|\binput ran out of data\b|\b(?:data ?loader|iterator|dataset|input|shard|stream) (?:is |was )?exhausted\b(?!.{0,40}\b(?:restart|re-?creat|rewind|reset|start|wrap|cycl|next epoch))|\bno more (?:data|batches|samples|records)\b|\bnothing (?:left |more )?to (?:train|do|process|compute|evaluate)\b|\bno (?:input files?|training data|data files?|shards?) (?:for|to|assigned|left|found for) (?:this|rank|worker|task|process)\b/i,
  },
  {
    kind: 'left',
    text: /\b(?:shard|split|partition|dataset|data ?loader|input|bucket)\b.{0,40}\b(?:is empty|has no (?:more )?(?:data|samples|rows|records|batches|examples|files)|0 (?:of \d{1,12} )?(?:samples|rows|records|batches|examples|files))\b|(?<!checkpoint )\bskip(?:ping|s|ped)?\b.{0,40}\b(?:reduce|barrier|collective|all[_-]?(?:reduce|gather)|sync(?:hroni[sz]ation)?|broadcast)\b/i,
  },
  {
    kind: 'left',
    text: /(?<!\b(?:using|use|with|for|enable[ds]?|no) (?:an? )?)\bearly[ _-]?stop(?:ping|ped)?\b(?!\W{0,3}(?:patience|callback|counter|monitor|metric|enabled|disabled|with|is|min_delta|=|:))|\bstopping early\b|\bstop(?:ping|ped) training\b(?! (?:when|if|after|once)\b)|\breached (?:max|the max\w*|maximum)\b|\bmax_(?:epochs|steps|iters)\S{0,20} (?:was |is )?reached\b/i,
  },
];

/** What all lines of the forms above have, in one look. */
export const MAY_TELL =
  /noticed that|worker died|^\s*ip: |process name|running at|srun|slurm|node failure|pdsh@|return code|status code|mpi_abort|exitcode|traceback|memory|marked (?:as )?dead|\bdead\b|remote (?:daemon|worker|target)|lost|removing|task:|rank|async|closed|recv|send|remote=|retrieved|connect|unknownhost|noroute|eai_|etimedout|ehostunreach|errno|\(110\)|timeout|reachable|heartbeat|died|gone|crashed|removed|disconnected|not respond|unhealthy|waiting|missing|rpc to gcs|resol|service not known|out_of_range|ran out|exhausted|no more|nothing|input files|training data|data files|shard|empty|skip|early|stop|reached|has no\b|\b0 of\b/i;
