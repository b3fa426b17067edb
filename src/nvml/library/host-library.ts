import { missing, present } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { OpenedLibrary } from '../table/calls.ts';
import { openLibrary } from './library.ts';
import { locateLibrary, type Search } from './locate.ts';
import { dieWithParent } from './parent-death.ts';

/**
 * Finds and opens the node's own libnvidia-ml.so.1: it must match the loaded kernel module, so one
 * from the image would never do. Never throws: what was tried stands in the missing reading.
 */
export async function openHostLibrary(search: Search): Promise<OpenedLibrary> {
  await dieWithParent();
  const { found, lookedAt } = await locateLibrary(search);
  const refused: string[] = [];
  for (const { file, onNode } of found) {
    try {
      return { path: present(onNode), library: await openLibrary(file) };
    } catch (error) {
      refused.push(plainText(error instanceof Error ? error.message : String(error), 256));
    }
  }
  const detail =
    refused.length > 0 ? refused.join('; ') : `no libnvidia-ml.so.1 in: ${lookedAt.join(', ')}`;
  return { path: missing('library_not_found', detail), library: undefined };
}
