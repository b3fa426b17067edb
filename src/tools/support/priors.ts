/** Of what published studies count causes: parts of a machine, and what made jobs slow. */
export type Part =
  | 'the GPU itself'
  | 'its memory'
  | 'its GSP'
  | 'its NVLinks'
  | 'slow communication'
  | 'slow computation';

interface Study {
  readonly source: string;
  /** Of what it counts, in percent; of a part that it does not count it says nothing. */
  readonly percent: ReadonlyMap<Part, number>;
}

/**
 * Base rates of published studies: what interrupted jobs, broke machines or made jobs slow. Left out are those
 * that count something else: errors, whether or not a job ended by them (Delta, arXiv 2503.11901), and
 * symptoms (ByteRobust, arXiv 2509.16293).
 */
const STUDIES: readonly Study[] = [
  {
    // 148, 72 + 19 (HBM and SRAM) and 17 of 419; beside the 148 the paper prints 30.1 %. NVLinks are among the 148.
    source: 'Meta, The Llama 3 Herd of Models: 419 interruptions in 54 days on 16,000 H100',
    percent: new Map([
      ['the GPU itself', 35.3],
      ['its memory', 21.7],
      ['its GSP', 4.1],
    ]),
  },
  {
    // 5 GPUs lost and 60 double-bit errors among 298 faults of hardware.
    source: 'InfiniteHBD, 298 faults of 348 days on 400 servers, its fault_trace.json',
    percent: new Map([
      ['the GPU itself', 1.7],
      ['its memory', 20.1],
    ]),
  },
  {
    source: 'Minder, Table 1: faults of seven months of training at ByteDance',
    percent: new Map([
      ['the GPU itself', 2],
      ['its memory', 38.9],
      ['its NVLinks', 1.7],
    ]),
  },
  {
    // Under 2 % of jobs.
    source: 'GREYHOUND, USENIX ATC 2025: jobs with either on more than 10,000 GPUs',
    percent: new Map([
      ['slow communication', 40],
      ['slow computation', 2],
    ]),
  },
];

/** What is not so much more frequent is no reason. */
const RATIO_MIN = 2;

/**
 * Which of two is far more frequent in every study that counts both, and the words that say so; undefined where
 * none does, or they do not agree.
 */
export function moreFrequent(
  a: Part,
  b: Part,
): { readonly part: Part; readonly why: string } | undefined {
  const counting = STUDIES.flatMap(({ source, percent }) => {
    const [ofA, ofB] = [percent.get(a), percent.get(b)];
    return ofA === undefined || ofB === undefined ? [] : [{ source, ofA, ofB }];
  });
  const [study] = counting;
  if (!study) return undefined;
  const isA = counting.every(({ ofA, ofB }) => ofA >= ofB * RATIO_MIN);
  const isB = counting.every(({ ofA, ofB }) => ofB >= ofA * RATIO_MIN);
  if (!isA && !isB) return undefined;
  const [more, less] = isA ? [study.ofA, study.ofB] : [study.ofB, study.ofA];
  const [part, other] = isA ? [a, b] : [b, a];
  return {
    part,
    why: `${part} is more often the cause than ${other} (${more} % against ${less} %: ${study.source})`,
  };
}
