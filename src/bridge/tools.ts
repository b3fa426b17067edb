/** The tools and what is said of them, in one import: loaded at the first question. */
export { TOOLS } from '../tools/index.ts';
export { listed } from '../tools/listing.ts';
