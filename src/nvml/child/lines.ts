import type { Readable } from 'node:stream';

/** A line of our own protocol between two of our own processes; longer is a fault. */
const LINE_CHARACTERS_MAX = 4 * 1024 * 1024;

/** The lines of a stream, without their ends; the last one only when it ended. */
export async function* linesOf(stream: Readable): AsyncGenerator<string> {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARACTERS_MAX) throw new Error('a line of the NVML child is too long');
    yield* lines;
  }
}
