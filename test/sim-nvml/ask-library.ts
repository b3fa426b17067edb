import { text } from 'node:stream/consumers';
import { mapReading, type Reading } from '../../src/contract/reading.ts';
import { openLibrary } from '../../src/nvml/library/library.ts';
import { GPM_METRIC_NAMES } from '../../src/nvml/table/field-ids.ts';
import type { Question } from './questions.ts';

/**
 * Answers questions (stdin) through our own caller of a library (argv): agreement.py does the same.
 * Numbers are texts, so that 64 bits are exact; a handle is true.
 */
const library = await openLibrary(`${process.argv[2]}`);
library.call('init');

function handleOf({ gpu, mig, instance }: { gpu: number; mig?: number; instance?: number }) {
  const device = library.call('deviceGetHandleByIndex', gpu);
  if (!device.ok) return device;
  if (mig !== undefined) return library.call('deviceGetMigDeviceHandleByIndex', device.value, mig);
  return instance === undefined
    ? device
    : library.call('deviceGetGpuInstanceById', device.value, instance);
}

function answerTo({ name, inputs, output }: Question): Reading<unknown> {
  const given: unknown[] = [];
  for (const input of inputs) {
    if ('gpu' in input) {
      const handle = handleOf(input);
      if (!handle.ok) return handle;
      given.push(handle.value);
    } else if ('index' in input) given.push(input.index);
    else given.push('word' in input ? input.word : input.fields);
  }
  if (output.kind === 'metrics') return metricsOf(given[0]);
  const answer = library.ask(name, given);
  return output.kind === 'handle' ? mapReading(answer, () => true) : answer;
}

/** What is measured between two samples that are taken one after the other. */
function metricsOf(device: unknown): Reading<unknown> {
  const samples = [0, 1].map(() => library.call('gpmSampleAlloc'));
  const handles = samples.flatMap(sample => (sample.ok ? sample.value : []));
  const failed = [
    ...samples,
    ...handles.map(sample => library.ask('gpmSampleGet', [device, sample])),
  ].find(({ ok }) => !ok);
  const answer = failed ?? library.ask('gpmMetricsGet', [...handles, GPM_METRIC_NAMES]);
  for (const sample of handles) library.call('gpmSampleFree', sample);
  return answer;
}

const questions: Question[] = JSON.parse(await text(process.stdin));
process.stdout.write(
  JSON.stringify(questions.map(answerTo), (key, value: unknown) => {
    if (key === 'detail') return undefined;
    return typeof value === 'bigint' || typeof value === 'number' ? String(value) : value;
  }),
);
