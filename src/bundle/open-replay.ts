import type { Instruments } from '../tools/instruments.ts';
import { readBundle } from './bundle-file.ts';
import { replayInstruments } from './replay.ts';

/** The instruments of a bundle in a file; the code for it is loaded with this. @throws UsageError */
export const openReplay = async (path: string): Promise<Instruments> =>
  replayInstruments(await readBundle(path));
