/** The forms in which an answer can be written; apart from their writers, which flags do not need. */
export const FORMATS = ['text', 'json', 'yaml', 'markdown', 'html'] as const;
export type Format = (typeof FORMATS)[number];
