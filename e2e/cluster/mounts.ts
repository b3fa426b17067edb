import { readFileSync } from 'node:fs';

/** The mounts that this process sees. */
export function mountPoints(): { point: string; type: string }[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  return lines.map(line => {
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4] ?? '';
    const [type = ''] = after.split(' ');
    // The kernel writes blanks and the like as \040.
    return { point: point.replace(/\\([0-7]{3})/g, octalCharacter), type };
  });
}

function octalCharacter(_escape: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 8));
}
