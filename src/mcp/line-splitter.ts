/**
 * Cuts a byte stream into lines: chunks end anywhere, inside UTF-8 too, so only whole lines are
 * decoded. A line above the limit is dropped up to its end, told once, and the stream goes on.
 */
export function lineSplitter(options: {
  readonly bytesMax: number;
  readonly onLine: (line: string) => void;
  readonly onTooLong: () => void;
}): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let bytes = 0;
  let dropping = false;

  const keep = (part: Buffer) => {
    if (dropping) return;
    bytes += part.length;
    if (bytes > options.bytesMax) {
      dropping = true;
      parts = [];
      options.onTooLong();
    } else if (part.length > 0) {
      parts.push(part);
    }
  };
  const finish = () => {
    const line = dropping ? '' : Buffer.concat(parts).toString('utf8').replace(/\r$/, '');
    parts = [];
    bytes = 0;
    dropping = false;
    if (line.trim() !== '') options.onLine(line);
  };

  return chunk => {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      keep(chunk.subarray(start, end));
      finish();
      start = end + 1;
    }
    keep(chunk.subarray(start));
  };
}
