/**
 * Turns `\xNN` back into bytes and the bytes into text: the kernel writes every byte below 32,
 * above 126, and the backslash that way, so that one character of UTF-8 is several escapes.
 */
export function unescapeKmsg(escaped: Buffer): string {
  if (!escaped.includes(0x5c)) return escaped.toString('utf8');
  const bytes = Buffer.alloc(escaped.length);
  let length = 0;
  for (let at = 0; at < escaped.length; at++) {
    const code = escaped.toString('latin1', at, at + 4);
    if (/^\\x[0-9a-fA-F]{2}$/.test(code)) {
      length = bytes.writeUInt8(Number.parseInt(code.slice(2), 16), length);
      at += 3;
    } else {
      length = bytes.writeUInt8(escaped.readUInt8(at), length);
    }
  }
  return bytes.toString('utf8', 0, length);
}
