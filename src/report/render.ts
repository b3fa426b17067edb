import { dump } from 'js-yaml';
import { type Answer, textOf } from '../contract/answer.ts';
import type { Format } from './format.ts';
import { htmlPage } from './html.ts';
import { styled } from './style.ts';
import { coloured } from './terminal.ts';

/** One answer in the form asked for, ending in a newline. JSON and YAML are the facts alone. */
export function rendered(
  answer: Answer & { readonly title: string },
  options: { readonly format: Format; readonly colour: boolean },
): string {
  const { title, lines, structured } = answer;
  switch (options.format) {
    case 'text':
      return `${options.colour ? coloured(styled(answer)) : textOf(lines)}\n`;
    case 'json':
      return `${JSON.stringify(structured, null, 2)}\n`;
    case 'yaml':
      return asYaml(structured);
    case 'markdown':
      return `## ${title}\n\n~~~~text\n${textOf(lines).replaceAll('~~~~', '~~~')}\n~~~~\n`;
    case 'html':
      return htmlPage(title, styled(answer));
  }
}

/** YAML without anchors or line folding, as kubectl writes it. */
export const asYaml = (value: unknown): string => dump(value, { lineWidth: -1, noRefs: true });
