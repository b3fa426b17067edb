import * as z from 'zod';
import { Action, Blame } from './finding.ts';
import { publicText, textOf } from './names-in-text.ts';
import type { Fixed } from './reading-schema.ts';

/**
 * What the log of a container says of why its program ended. The log itself goes no further than
 * where it was fetched: what is kept are the lines that mean something, cut and made plain. Whoever
 * runs the program wrote them, so they are told as its words and never as a fault of a machine.
 */

const ranks = z.array(z.int());

export const jobLogEntry = z.object({
  /** Of the text table, or `exception`. */
  id: publicText,
  title: publicText,
  /**
   * `cause` can begin a failure; `consequence` tells that another process, pod or node has gone or
   * did not come; `report` sums up how processes ended.
   */
  role: z.enum(['cause', 'consequence', 'report']),
  layer: Blame,
  /** A cause only because nothing else in this log can be one: another pod's, or the node's, says more. */
  lastResort: z.literal(true).exactOptional(),
  action: Action,
  advice: publicText,
  /** Of the first such line, by the clock of the node's runtime. */
  at: publicText.exactOptional(),
  /** From 1, within what was read. */
  line: z.int(),
  /** Lines that say the same. */
  count: z.int(),
  /** Processes of the job that said it, by global rank; empty where the lines name none. */
  ranks,
  /** The GPU as the program numbers it, from 0. */
  gpu: z.int().exactOptional(),
  /** Whose words they are, where another process printed them: a host, an address, a pod. */
  of: textOf('pod').exactOptional(),
  /** Of a crash: the first function or library of the stack below it that is none of the crash itself. */
  frame: textOf('sentence').exactOptional(),
  text: textOf('sentence'),
});
export type JobLogEntry = Fixed<z.infer<typeof jobLogEntry>>;

/** Ranks that waited in one collective operation, and for whom. */
export const collectiveWait = z.object({
  /** Who says so: the analysis of PyTorch's flight recorder, NCCL's RAS; absent: PyTorch's watchdog. */
  by: z.enum(['flight_recorder', 'ras']).exactOptional(),
  /** `ALLREDUCE`, each in its own spelling; RAS does not tell it of who gave no answer. */
  operation: publicText.exactOptional(),
  sequence: z.int().exactOptional(),
  /** Of the watchdog that ended them. */
  timeoutMs: z.int().exactOptional(),
  /** Where the log names them. */
  waiting: ranks,
  /** Those that were awaited: fewer operations than others, or no word at all. */
  behind: ranks,
});
export type CollectiveWait = Fixed<z.infer<typeof collectiveWait>>;

/** Which GPU a rank of the job computes on, by NCCL's own lines. */
export const rankDevice = z.object({
  rank: z.int(),
  /** The host name of its container, up to the first dot. */
  host: textOf('pod'),
  /** `dddd:bb:dd`, on the node of that container. */
  pci: publicText,
});
export type RankDevice = Fixed<z.infer<typeof rankDevice>>;

/** What a line tells of a pod of the job: of another one, but for `unreached`, `left` and `link`. */
export const podWord = z.object({
  /**
   * A launcher, a scheduler or Ray says that a process there `ended`, that it was `lost` or `taken` away; others
   * `awaited` it, or saw that it `closed` a connection. This one could not reach another (`unreached`), left or
   * skipped by itself (`left`), its adapter lost its link (`link`), a process of its own was ended by a signal (`crashed`).
   */
  kind: z.enum([
    'ended',
    'lost',
    'taken',
    'awaited',
    'closed',
    'unreached',
    'left',
    'link',
    'crashed',
  ]),
  /** Hosts, addresses, tasks of TensorFlow and JAX as the line names them. */
  names: z.array(textOf('pod')),
  ranks,
  /** `unreached` was what the processes of a job meet through: a store, a coordinator; else it may be anybody. */
  isOfJob: z.literal(true).exactOptional(),
  /** `Killed`, `Exited with exit code 1`, `return code = -9`. */
  how: textOf('sentence').exactOptional(),
  at: publicText.exactOptional(),
  line: z.int(),
  text: textOf('sentence'),
});
export type PodWord = Fixed<z.infer<typeof podWord>>;

/** An address that a process has by its own word, and its host where the line names it. */
const ownAddress = z.object({ ip: textOf('pod'), host: textOf('pod').exactOptional() });

/**
 * An XID that a line tells of: of whichever GPU of its node, and by whom is not known. It proves no fault of a
 * machine; the node's own kernel log holds the same line, or does not.
 */
export const saidXid = z.object({
  code: z.int(),
  /** `dddd:bb:dd`, where the line names the GPU so. */
  pci: publicText.exactOptional(),
  /** By the clock of the node's runtime. */
  at: publicText.exactOptional(),
  text: textOf('sentence'),
});
export type SaidXid = Fixed<z.infer<typeof saidXid>>;

/** A line in its own words. */
const saidLine = z.object({ text: textOf('sentence'), at: publicText.exactOptional() });

export const jobLog = z.object({
  container: textOf('container'),
  /** The log of the run before a restart. */
  previous: z.boolean(),
  lines: z.int(),
  bytes: z.int(),
  /** Requests to the API server that it took. */
  requests: z.int(),
  from: publicText.exactOptional(),
  to: publicText.exactOptional(),
  /** Older lines, or lines past the bound of bytes, were left unread. */
  cut: z.boolean(),
  /** Even the last few lines were longer than that bound: what the container wrote last is not known. */
  newestUnread: z.literal(true).exactOptional(),
  /** Of lines that are too long, between their beginnings and their ends. */
  unreadCharacters: z.int(),
  /** Of the lines that are not empty: what is known where none has a known form. */
  last: saidLine.exactOptional(),
  /** In which the program said, before anything that failed, that it had done what it was started for. */
  done: saidLine.exactOptional(),
  /** In which it said so after what failed, which may then have ended nothing. */
  doneAfter: saidLine.exactOptional(),
  /** In the order in which they began; of the end of the run, not what the program recovered from. */
  entries: z.array(jobLogEntry),
  /** Causes after which the program went on: they ended nothing. */
  recovered: z.int(),
  wait: collectiveWait.exactOptional(),
  /** By rank. */
  devices: z.array(rankDevice).exactOptional(),
  /** In the order of its lines; the same of the same pod once. */
  ofPods: z.array(podWord).exactOptional(),
  addresses: z.array(ownAddress).exactOptional(),
  /** Global ranks that its lines begin with. */
  ownRanks: ranks.exactOptional(),
  /** When it counted a step for the last time. */
  workedAt: publicText.exactOptional(),
  /** In the order of its lines; each code of a GPU once. */
  xids: z.array(saidXid).exactOptional(),
});
export type JobLog = Fixed<z.infer<typeof jobLog>>;
