import { unpacked } from '../bundle/bundle-file.ts';
import type { Bundle } from '../bundle/document.ts';
import { CAPTURE_TOOL, type CaptureInput, CapturePart } from '../contract/capture.ts';
import { SessionError } from '../contract/errors.ts';
import { VERSION } from '../contract/version.ts';
import { errorText } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';

/** What is read for a bundle. */
export type BundleRequest = Omit<CaptureInput, 'from'>;

/**
 * A node as a bundle: read by its agent, fetched in parts, with what the cluster knows of it.
 *
 * @throws SessionError when the agent does not give it.
 */
export async function fetchBundle(
  session: Session,
  wanted: BundleRequest,
  request: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<Bundle> {
  const viewing = session.clusterView?.({ devices: true }, request.signal);
  const [bytes, cluster] = await Promise.all([fetchBytes(session, wanted, request), viewing]);
  const { versions, ...bundle } = unpacked(bytes, `from ${session.target}`);
  return { ...bundle, versions: { ...versions, plugin: VERSION }, cluster };
}

async function fetchBytes(
  session: Session,
  wanted: BundleRequest,
  { signal, onProgress }: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let from = 0, bytes = 1; from < bytes; ) {
    const input: CaptureInput = { ...wanted, from };
    const result = await session.call({ tool: CAPTURE_TOOL, input, signal, onProgress });
    if (result.isError === true) throw new SessionError(errorText(result));
    const part = CapturePart.safeParse(result.structuredContent);
    const data = Buffer.from(part.data?.base64 ?? '', 'base64');
    if (!part.success || part.data.from !== from || data.length === 0) {
      throw new SessionError(`the agent on ${session.target} sent a bundle that does not fit`);
    }
    parts.push(data);
    bytes = part.data.bytes;
    from += data.length;
    if (from < bytes) onProgress(`${Math.floor((from / bytes) * 100)} % of ${bytes} bytes fetched`);
  }
  return Buffer.concat(parts);
}
