import { dump } from 'js-yaml';
import type { Format } from './format.ts';
import { htmlPage } from './html.ts';
import { coloured } from './terminal.ts';

/** An answer of a tool: what a person reads and the facts behind it. */
export interface Answered {
  readonly title: string;
  readonly text: string;
  readonly structured: unknown;
}

/** One answer in the form asked for, ending in a newline. JSON and YAML are the facts alone. */
export function rendered(
  answer: Answered,
  options: { readonly format: Format; readonly colour: boolean },
): string {
  switch (options.format) {
    case 'text':
      return `${options.colour ? coloured(answer.text) : answer.text}\n`;
    case 'json':
      return `${JSON.stringify(answer.structured, null, 2)}\n`;
    case 'yaml':
      return asYaml(answer.structured);
    case 'markdown':
      return `## ${answer.title}\n\n~~~~text\n${answer.text.replaceAll('~~~~', '~~~')}\n~~~~\n`;
    case 'html':
      return htmlPage(answer.title, answer.text);
  }
}

/** YAML without anchors or line folding, as kubectl writes it. */
export const asYaml = (value: unknown): string => dump(value, { lineWidth: -1, noRefs: true });
