/** Common Platform Error Records as firmware writes them: UEFI 2.10, appendix N. */
export interface RecordParts {
  /** recoverable, fatal, corrected, informational: 0 to 3. */
  readonly severity: number;
  readonly at?: string;
  readonly flags?: number;
  readonly sections?: readonly {
    readonly guid: string;
    readonly severity?: number;
    readonly part?: string;
    readonly body?: Buffer;
  }[];
}

export const MEMORY_SECTION = 'a5bc1114-6f64-4ede-b863-3e83ed7c83b1';
export const PCIE_SECTION = 'd995e954-bbc1-430f-ad91-b44dcb3c6f35';
export const NVIDIA_SECTION = '6d5244f2-2712-11ec-bea7-cb3fdb95c786';
export const NVIDIA_EVENT = '9068e568-6ca0-11f0-aeaf-159343591eac';

const HEADER_BYTES = 128;
const DESCRIPTOR_BYTES = 72;

export function cperHex({ severity, at, flags = 0, sections = [] }: RecordParts): string {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('CPER', 'latin1');
  header.writeUInt16LE(0x0100, 4);
  header.writeUInt32LE(0xffff_ffff, 6);
  header.writeUInt16LE(sections.length, 10);
  header.writeUInt32LE(severity, 12);
  header.writeUInt32LE(at === undefined ? 0 : 2, 16);
  header.write(at === undefined ? '' : bcdOf(at), 24, 'hex');
  header.writeUInt32LE(flags, 104);
  const descriptors: Buffer[] = [];
  const bodies: Buffer[] = [];
  let end = HEADER_BYTES + sections.length * DESCRIPTOR_BYTES;
  for (const { guid, part, body = Buffer.alloc(0), ...section } of sections) {
    const descriptor = Buffer.alloc(DESCRIPTOR_BYTES);
    descriptor.writeUInt32LE(end, 0);
    descriptor.writeUInt32LE(body.length, 4);
    descriptor.writeUInt8(part === undefined ? 0 : 2, 10);
    descriptor.write(mixedEndian(guid), 16, 'hex');
    descriptor.writeUInt32LE(section.severity ?? severity, 48);
    descriptor.write(part ?? '', 52, 'latin1');
    descriptors.push(descriptor);
    bodies.push(body);
    end += body.length;
  }
  header.writeUInt32LE(end, 20);
  return Buffer.concat([header, ...descriptors, ...bodies]).toString('hex');
}

/** A memory section that says of which kind the error is. */
export function memoryBody(type: number): Buffer {
  const body = Buffer.alloc(80);
  body.writeBigUInt64LE(0x4000n, 0);
  body.writeUInt8(type, 72);
  return body;
}

/** A PCIe section of the device at a bus of domain 0. */
export function pcieBody(bus: number): Buffer {
  const body = Buffer.alloc(208);
  body.writeBigUInt64LE(8n, 0);
  body.writeUInt8(bus, 35);
  return body;
}

/** Second, minute, hour, a flag, day, month, year, century. */
function bcdOf(iso: string): string {
  const [date = '', time = ''] = iso.split('T');
  const [year = '', month = '', day = ''] = date.split('-');
  const [hour = '', minute = '', second = ''] = time.split(':');
  const [century, decade] = [year.slice(0, 2), year.slice(2)];
  return [second.slice(0, 2), minute, hour, '01', day, month, decade, century].join('');
}

function mixedEndian(guid: string): string {
  const [first = '', second = '', third = '', ...rest] = guid.split('-');
  const turned = (hex: string) => Buffer.from(hex, 'hex').reverse().toString('hex');
  return [turned(first), turned(second), turned(third), ...rest].join('');
}
