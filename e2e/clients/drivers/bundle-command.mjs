// What a desktop client starts of a bundle: node bundle-command.mjs FOLDER SETTINGS. Prints its command as JSON.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, stdout } from 'node:process';
import { getMcpConfigForManifest } from '@anthropic-ai/mcpb';

const [, , folder, settings] = argv;
const config = await getMcpConfigForManifest({
  manifest: JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')),
  ...{
    extensionPath: folder,
    userConfig: JSON.parse(settings),
    systemDirs: {},
    pathSeparator: '/',
  },
});
stdout.write(JSON.stringify(config));
