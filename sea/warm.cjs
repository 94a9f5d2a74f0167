// Writes the code cache of each chunk in a folder, after the commands that people wait for have run, so
// that it includes the functions that they call. Run by the Node.js that becomes the executable, in an
// empty folder: node warm.cjs CHUNKS CACHES
const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { Readable, Writable } = require('node:stream');
const { Script } = require('node:vm');
const { requireWith } = require('./require.cjs');

const [chunks, caches] = process.argv.slice(2);
const scripts = new Map(
  readdirSync(chunks).map((filename) => [
    filename,
    new Script(readFileSync(join(chunks, filename), 'latin1'), { filename }),
  ]),
);
const load = requireWith((name) => scripts.get(name));

const commands = [
  '--version',
  '--help',
  'seal --help',
  'completion bash --words',
  'keygen -o k --bits 2048',
  'seal db -n hr -k k.pub --stdin password',
  'seal db -n hr -k k.pub --stdin password -o db.yaml',
  'seal --into db.yaml -k k.pub --stdin username',
  'seal -f plain.yaml -k k.pub -i',
  'inspect db.yaml',
  'inspect k.pub',
  'verify -k k.pub db.yaml',
  'verify -k k.pub db.yaml --format json',
  'decrypt db.yaml -k k.pem',
];

const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a', namespace: 'hr' } };
writeFileSync('plain.yaml', JSON.stringify({ ...secret, stringData: { password: 'warm' } }));

/** The surroundings of a command that reads a short value and shows nothing. */
function quietIO() {
  const written = [];
  const stream = () => new Writable({ write: (chunk, _, done) => done(void written.push(chunk)) });
  return {
    ...{ stdin: Readable.from([Buffer.from('kseal s\0')]), stdout: stream(), stderr: stream() },
    ...{ env: {}, cwd: process.cwd(), openTerminal: () => undefined, written },
    ...{ onSignal: () => () => {}, onUncaught: () => () => {} },
  };
}

async function warm() {
  const { main } = load('./main.cjs');
  for (const command of commands) {
    const io = quietIO();
    const code = await main(command.split(' '), io);
    if (code !== 0) throw new Error(`kseal ${command}: exit ${code}\n${io.written.join('')}`);
  }
  for (const [name, script] of scripts)
    writeFileSync(join(caches, name), script.createCachedData());
}

warm();
