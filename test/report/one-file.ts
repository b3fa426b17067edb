import { expect } from 'vitest';
import { rendered } from '../../src/report/render.ts';
import { formOf, reportOf } from '../fakes/pages.ts';

export const REPORT_BYTES_MAX = 200_000;

export const htmlOf = async (machine: string): Promise<string> =>
  rendered(await reportOf(machine), formOf({ format: 'html' }));

/** It can be mailed, and needs nothing from elsewhere. */
export async function isOneSmallFile(machine: string): Promise<void> {
  const html = await htmlOf(machine);
  expect(Buffer.byteLength(html)).toBeLessThanOrEqual(REPORT_BYTES_MAX);
  expect(html.match(/<!doctype html>/g)).toHaveLength(1);
  expect(html.match(/<h1\b/g)).toHaveLength(1);
  expect(html).not.toMatch(/<script|<style[^>]+>|\sstyle=|\son\w+=|https?:/);
  const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
}
