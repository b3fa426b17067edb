import { readJobLog } from '../../src/job-log/read-job-log.ts';

/** What the reader makes of the lines of a container. */
export const read = (...log: readonly string[]) => {
  const text = log.join('\n');
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  return readJobLog({ ...asked, text, cut: false }).entries;
};

/** The causes that it names, in the order in which they began. */
export const causes = (...log: readonly string[]) =>
  read(...log)
    .filter(({ role }) => role === 'cause')
    .map(({ id, layer, line }) => ({ id, layer, line }));
