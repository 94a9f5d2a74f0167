// Writes the code cache of each chunk in a folder, after the commands that people wait for have run, so
// that it includes the functions that they call. Run by the Node.js that becomes the executable:
// node warm.mjs CHUNKS CACHES
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { runCommands } from '../cache.mjs';
import { requireWith } from './require.cjs';

const [chunks, caches] = process.argv.slice(2);
const scripts = new Map(
  readdirSync(chunks).map((filename) => [
    filename,
    new Script(readFileSync(join(chunks, filename), 'latin1'), { filename }),
  ]),
);
await runCommands(requireWith((name) => scripts.get(name))('./main.cjs').main);
for (const [name, script] of scripts) writeFileSync(join(caches, name), script.createCachedData());
