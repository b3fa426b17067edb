/** The value below which this share of the samples lies, by nearest rank; NaN of no samples. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

/** Takes samples of both in turn, A B A B, so that a drift of the machine meets both alike. */
export async function interleaved<Ours, Peer>(pair: {
  readonly runs: number;
  readonly signal: AbortSignal;
  readonly ours: (run: number) => Promise<Ours>;
  readonly peer: (run: number) => Promise<Peer>;
}): Promise<{ readonly ours: readonly Ours[]; readonly peer: readonly Peer[] }> {
  const ours: Ours[] = [];
  const peer: Peer[] = [];
  for (let run = 0; run < pair.runs; run += 1) {
    pair.signal.throwIfAborted();
    ours.push(await pair.ours(run));
    pair.signal.throwIfAborted();
    peer.push(await pair.peer(run));
  }
  return { ours, peer };
}

const digits = (value: number): string => {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
};

/** `123 [110-150] ms`: the median and the extremes. */
export function spread(samples: readonly number[], unit = 'ms'): string {
  const [low, high] = [Math.min(...samples), Math.max(...samples)];
  return `${digits(median(samples))} [${digits(low)}-${digits(high)}] ${unit}`;
}

export const amount = (value: number, unit: string): string => `${digits(value)} ${unit}`;
