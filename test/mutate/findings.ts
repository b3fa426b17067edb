/**
 * Measures src/findings in a few processes and not in a thousand: every rule runs on every scenario, so
 * that a run of the tests for each mutant would take days. Stryker's instrumenter puts all mutants into
 * the sources, each behind a switch; test/mutate/judge.ts switches them on, one after the other.
 */
import { type ChildProcess, fork } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Instrumenter } from '@stryker-mutator/instrumenter';
import { z } from 'zod';
import { Answer, type Question, Verdict } from './question.ts';
import { type Draw, sampleOf } from './sample.ts';

/** Ends a judge that does not get ready: longer than a busy machine takes to read all machines. */
const READY_MS_MAX = 1_800_000;

/** A mutant that takes so much longer over a machine or a test is endless; a busy machine may stand still. */
const endlessMs = (unmutatedMs: number): number => 30_000 + 5 * unmutatedMs;

/**
 * Judges the mutants of these files, and writes each with what became of it to RESULTS.json. Where
 * tests were only added since, what was noticed before need not be judged again.
 */
export async function mutateFindings(
  patterns: readonly string[],
  {
    results,
    onlySurvivors,
    sample,
  }: {
    readonly results: string;
    readonly onlySurvivors: boolean;
    /** Of all mutants where there is one. */
    readonly sample?: Draw | undefined;
  },
): Promise<void> {
  const mutated = await mutants();
  const files = new Set(globSync([...patterns]));
  const ofFiles = mutated.mutants.filter(({ fileName }) => files.has(fileName));
  const wanted = sample === undefined ? ofFiles : sampleOf(ofFiles, sample);
  const before = readResults(results);
  const verdicts = new Map<string, Verdict>();
  const queue: Question[] = [];
  for (const { id, fileName, location, replacement } of wanted) {
    const file = before.files[fileName];
    const known =
      onlySurvivors && file?.source === readFileSync(fileName, 'utf8')
        ? file.mutants.find(
            other =>
              other.replacement === replacement &&
              isDeepStrictEqual(other.location, onPages(location)),
          )
        : undefined;
    if (known?.status === 'Killed' || known?.status === 'Ignored') verdicts.set(id, known);
    else queue.push({ id, fileName });
  }
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-mutants-findings-'));
  try {
    const file = join(folder, 'mutated.json');
    writeFileSync(
      file,
      // Some numbers are of no mutant.
      JSON.stringify({
        mutants: 1 + Math.max(...mutated.mutants.map(({ id }) => Number(id))),
        sources: mutated.sources,
      }),
    );
    const save = () => report(mutated.mutants, verdicts, results);
    const judges = Math.min(availableParallelism(), queue.length);
    await Promise.all(
      Array.from({ length: judges }, async () => {
        while (queue.length > 0) await judgeUntilOneHangs(file, queue, verdicts, save);
      }),
    );
    process.stdout.write(`${save()}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** All of the room: which mutant has which number must not depend on what is measured. */
async function mutants() {
  const files = globSync('src/findings/**/*.ts').sort();
  const quiet = () => {};
  const never = () => false;
  const instrumenter = new Instrumenter({
    ...{ trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet, fatal: quiet },
    ...{ isTraceEnabled: never, isDebugEnabled: never, isInfoEnabled: never },
    ...{ isWarnEnabled: never, isErrorEnabled: never, isFatalEnabled: never },
  });
  const { files: sources, mutants } = await instrumenter.instrument(
    files.map(name => ({ name, mutate: true, content: readFileSync(name, 'utf8') })),
    { plugins: null, excludedMutations: [], ignorers: [] },
  );
  return {
    sources: Object.fromEntries(sources.map(({ name, content }) => [resolve(name), content])),
    mutants,
  };
}

type Mutant = Awaited<ReturnType<typeof mutants>>['mutants'][number];

const SAVED_EACH = 200;

/** One process takes from the queue until that is empty, or until a mutant does not come back. */
function judgeUntilOneHangs(
  file: string,
  queue: Question[],
  verdicts: Map<string, Verdict>,
  save: () => string,
) {
  const judge: ChildProcess = fork('test/mutate/judge.ts', {
    execArgv: ['--import', resolve('test/mutate/stand-in.ts')],
    env: { ...process.env, MUTATED: file },
  });
  let judging: Question | undefined;
  let isReady = false;
  let timer: NodeJS.Timeout | undefined;
  const next = () => {
    clearTimeout(timer);
    judging = queue.shift();
    if (judging === undefined) judge.disconnect();
    else judge.send(judging);
  };
  const endAfter = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => judge.kill('SIGKILL'), ms);
  };
  endAfter(READY_MS_MAX);
  judge.on('message', message => {
    const answer = Answer.parse(message);
    isReady = true;
    if (answer !== 'ready') {
      if ('unmutatedMs' in answer) return endAfter(endlessMs(answer.unmutatedMs));
      verdicts.set(answer.id, Verdict.parse(answer));
    }
    if (verdicts.size % SAVED_EACH === 0) {
      save();
      process.stdout.write(`${verdicts.size} judged, ${queue.length} to come\n`);
    }
    next();
  });
  return new Promise<void>((done, fail) => {
    judge.on('exit', code => {
      clearTimeout(timer);
      if (judging !== undefined) verdicts.set(judging.id, { status: 'Timeout' });
      if (isReady) done();
      else fail(new Error(`without any mutant the tests do not pass (exit code ${code})`));
    });
  });
}

const Results = z.object({
  files: z.record(
    z.string(),
    z.looseObject({
      source: z.string(),
      mutants: z.array(
        z.looseObject({ ...Verdict.shape, replacement: z.string(), location: z.unknown() }),
      ),
    }),
  ),
});

const readResults = (results: string) =>
  Results.parse(existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : { files: {} });

/** In the form of Stryker's own results; what was measured before of other files stays. */
function report(
  all: readonly Mutant[],
  verdicts: ReadonlyMap<string, Verdict>,
  results: string,
): string {
  const judged = all.flatMap(({ fileName, location, ...mutant }) => {
    const verdict = verdicts.get(mutant.id);
    return verdict ? [{ fileName, ...mutant, ...verdict, location: onPages(location) }] : [];
  });
  const byFile = [...Map.groupBy(judged, ({ fileName }) => fileName)];
  const files = {
    ...readResults(results).files,
    ...Object.fromEntries(
      byFile.map(([file, mutants]) => [
        file,
        { language: 'typescript', source: readFileSync(file, 'utf8'), mutants },
      ]),
    ),
  };
  mkdirSync(dirname(results), { recursive: true });
  writeFileSync(
    results,
    JSON.stringify({ schemaVersion: '2', thresholds: { high: 85, low: 60 }, files }),
  );
  return [
    ...byFile.map(([file, mutants]) => `${score(mutants)}  ${file}`),
    `${score(judged)}  all of these; each mutant in ${results}`,
  ].join('\n');
}

/** Stryker counts lines and columns from 0 in memory and from 1 in its results. */
const onPage = ({ line, column }: { readonly line: number; readonly column: number }) => ({
  line: line + 1,
  column: column + 1,
});

const onPages = ({ start, end }: Mutant['location']) => ({
  start: onPage(start),
  end: onPage(end),
});

/** Noticed of all that could be: what only acts while a file loads is not counted. */
function score(verdicts: readonly Verdict[]): string {
  const of = (...wanted: readonly Verdict['status'][]) =>
    verdicts.filter(({ status }) => wanted.includes(status)).length;
  const [noticed, missed] = [of('Killed', 'Timeout'), of('Survived', 'NoCoverage')];
  const percent = ((100 * noticed) / (noticed + missed)).toFixed(1);
  return `${percent} % of ${noticed + missed}, ${of('NoCoverage')} not reached, ${of('Timeout')} endless`;
}
