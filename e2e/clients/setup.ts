import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildAll } from '../../kubectl-plugin/build.ts';
import { PROJECT } from '../prepare.ts';
import { type Clients, installClients } from './install.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    clients: Clients;
    /** The programs that drive clients, beside the packages that they import. */
    drivers: string;
  }
}

/** Builds what users get and installs the AI clients that are to drive it. No cluster is needed. */
export default async function setup(project: TestProject): Promise<() => void> {
  const [clients] = await Promise.all([
    installClients(line => process.stderr.write(`${line}\n`)),
    buildAll(PROJECT),
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-clients-'));
  cpSync(join(import.meta.dirname, 'drivers'), folder, { recursive: true });
  if ('folder' in clients.npm) {
    symlinkSync(join(clients.npm.folder, 'node_modules'), join(folder, 'node_modules'));
  }
  project.provide('clients', clients);
  project.provide('drivers', folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
