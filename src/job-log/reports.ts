import type { Line } from './log-lines.ts';

/** NCCL's RAS names processes in the lines below: `Process 9 on node 10.0.4.3 managing GPU 2 (NVML 6)`. */
const RAS = /^ras-/;

/** What lines that span several say of a process, its rank and its GPU. */
export function reportOf(id: string, lines: readonly Line[], index: number) {
  if (id === 'launcher-report') return firstFailureOf(lines, index);
  return RAS.test(id) ? placeOf(lines, index) : undefined;
}

function placeOf(lines: readonly Line[], index: number) {
  const [said = '', next = ''] = lines.slice(index, index + 2).map(({ text }) => text.trim());
  const names = /^(?:Process \d|The missing|Rank \d)/.test(next);
  const text = names ? `${said}: ${next}` : said;
  const gpu = /\bmanaging GPU (\d{1,4})(?! *,)\b/.exec(text)?.[1];
  return { rank: undefined, gpu: gpu === undefined ? undefined : Number(gpu), text };
}

/** What torchrun's report and its error lines say of the process that ended first. */
function firstFailureOf(lines: readonly Line[], index: number) {
  const text = lines[index]?.text ?? '';
  const failed = /exitcode: (-?\d+)\)(?: local_rank: (\d+))?/.exec(text);
  if (failed) {
    return {
      rank: undefined,
      gpu: failed[2] === undefined ? undefined : Number(failed[2]),
      text,
    };
  }
  if (!/root cause \(first observed failure\)/i.test(text)) return undefined;
  const block = lines.slice(index + 1, index + 9).map(line => line.text);
  const value = (key: string) =>
    block.flatMap(line => new RegExp(`^\\s*${key}\\s*: (\\S.*)$`).exec(line)?.[1] ?? [])[0];
  const rank = /^(\d+)(?: \(local_rank: (\d+)\))?/.exec(value('rank') ?? '');
  return {
    rank: rank?.[1] === undefined ? undefined : Number(rank[1]),
    gpu: rank?.[2] === undefined ? undefined : Number(rank[2]),
    text: `first observed failure: rank ${value('rank') ?? '?'}, host ${value('host') ?? '?'}, exit code ${value('exitcode') ?? '?'}`,
  };
}
