// Compares kseal with the libraries of kubectl on generated manifests: `npm run test:differential`.
//
// 1. No manifest in which kubectl reads a Secret with plaintext passes `kseal verify`.
// 2. No manifest that `kseal seal -f` has sealed holds a plaintext for kubectl.
//
// Options: --count N (default 50,000), --seed N, --only INDEX (prints this manifest).
// Needs Go, which downloads the modules of kubectl/go.mod the first time.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable, Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { main } from '../../dist/main.cjs';
import { output } from '../interop/process.mjs';
import { generate } from './generate.mjs';

const BATCH = 200;
const EXIT_BUG = 70;
/** The failures that are shrunk and printed. */
const SHOWN = 10;

const { values: options } = parseArgs({
  options: { count: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
});
const count = Number(options.count ?? 50_000);
const seed = Number(options.seed ?? Date.now() % 1_000_000_000);

const folder = mkdtempSync(join(tmpdir(), 'kseal-differential-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Runs a command of the built kseal, and resolves to its exit code and stdout. */
async function kseal(args, input = '') {
  const chunks = [];
  const collect = (list) =>
    new Writable({
      write(chunk, _, done) {
        list.push(chunk);
        done();
      },
    });
  const code = await main(args, {
    stdin: Readable.from([Buffer.from(input)]),
    stdout: collect(chunks),
    stderr: collect([]),
    env: {},
    cwd: folder,
    openTerminal: () => undefined,
    onSignal: () => () => {},
    onUncaught: () => () => {},
  });
  if (code === EXIT_BUG) throw new Error(`kseal ${args[0]} has a bug: ${JSON.stringify(input)}`);
  return { code, stdout: Buffer.concat(chunks).toString() };
}

/** Asks the Go program what kubectl reads in each text. */
class Kubectl {
  #child;
  #lines;

  constructor(program) {
    this.#child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async read(texts) {
    for (const text of texts) this.#child.stdin.write(`${Buffer.from(text).toString('base64')}\n`);
    const answers = [];
    while (answers.length < texts.length)
      answers.push(JSON.parse((await this.#lines.next()).value));
    return answers;
  }

  end() {
    this.#child.stdin.end();
  }
}

const sealedBeginnings = [
  'eyJhbGciOiJSU0E',
  'eyJlbmMiOiJB',
  'ZXlKaGJHY2lPaUpTVT',
  'ZXlKbGJtTWlPaUp',
];
const looksSealed = (text) => sealedBeginnings.some((beginning) => text.startsWith(beginning));
const isMade = (text) =>
  /^ENC\[AES256_GCM,/.test(text) || text.replace(/\{\{[^"'`]*?\}\}|\$\{\w+\}/g, '').trim() === '';

/** Whether a value of a Secret, as kubectl sends it, is neither sealed nor made by another tool. */
function isPlaintext(field, value) {
  if (value === null || value === '' || typeof value === 'object') return false;
  if (typeof value !== 'string') return true;
  if (isMade(value)) return false;
  const text = field === 'data' ? Buffer.from(value, 'base64').toString('latin1') : value;
  return !looksSealed(text);
}

/** Whether an entry tells kustomize how to merge a patch. The API server refuses such a data key. */
const isDirective = ([key, value]) =>
  key === '$patch' && ['delete', 'merge', 'replace'].includes(value);

function holdsPlaintext({ secrets }) {
  return secrets.some((secret) =>
    ['data', 'stringData'].some((field) => {
      const values = secret[field];
      // The API server accepts only a mapping.
      if (values?.constructor !== Object) return false;
      return Object.entries(values).some(
        (entry) => !isDirective(entry) && isPlaintext(field, entry[1]),
      );
    }),
  );
}

/** The exit code, and the codes of everything that `kseal verify` reports. */
async function verify(text) {
  const { code, stdout } = await kseal(['verify', '--json', '-'], text);
  const findings = stdout === '' ? [] : JSON.parse(stdout).findings;
  return { code, codes: findings.map(({ rule, severity }) => `${severity} ${rule}`) };
}

/** The sealed text, or undefined if `kseal seal` refuses. */
async function seal(text) {
  const { code, stdout } = await kseal(['seal', '-f', '-', '-k', 'k.pub', '-n', 'hr'], text);
  return code === 0 ? stdout : undefined;
}

/** The results of kubectl, verify and seal for some texts. */
async function examine(kubectl, texts) {
  const answers = await kubectl.read(texts);
  const results = [];
  for (const text of texts)
    results.push({ text, verified: await verify(text), sealed: await seal(text) });
  const after = await kubectl.read(results.map(({ sealed }) => sealed ?? ''));
  return results.map((result, i) => ({ ...result, answer: answers[i], after: after[i] }));
}

const isPlain = ({ answer }) => holdsPlaintext(answer);

const failures = {
  'verify passes a plaintext': (one) => isPlain(one) && one.verified.code === 0,
  'seal leaves a plaintext': ({ after }) => holdsPlaintext(after),
};

const figures = {
  'read by kubectl to their end': ({ answer }) => answer.error === undefined,
  'with a Secret for kubectl': ({ answer }) => answer.secrets.length > 0,
  'with plaintext for kubectl': isPlain,
  'without a Secret for kubectl, and with an error of verify': ({ answer, verified }) =>
    answer.error === undefined && answer.secrets.length === 0 && verified.code === 1,
  'sealed by seal -f': ({ sealed }) => sealed !== undefined,
  ...failures,
};

/** The shortest text for which the check still fails, found by leaving out lines and characters. */
async function shrink(text, fails) {
  for (const unit of ['\n', '']) {
    let tries = 600;
    let parts = text.split(unit);
    for (let size = parts.length >> 1 || 1; size > 0; size >>= 1) {
      for (let at = 0; at < parts.length && tries-- > 0; ) {
        const shorter = [...parts.slice(0, at), ...parts.slice(at + size)];
        if (await fails(shorter.join(unit))) parts = shorter;
        else at += size;
      }
    }
    text = parts.join(unit);
  }
  return text;
}

function corpusIn(...folders) {
  return folders.flatMap((path) =>
    readdirSync(join(import.meta.dirname, '../..', path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(?:ya?ml|json)$/i.test(entry.name))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .filter((text) => text.length < 20_000 && !text.includes('kseal-ignore')),
  );
}

async function sealedValues() {
  const values = [];
  for (const name of ['db', 'api']) {
    const manifest = await kseal(
      ['seal', name, '-n', 'hr', '-k', 'k.pub', '--stdin', 'p'],
      'CANARY',
    );
    values.push(/p: (\S+)/.exec(manifest.stdout)[1]);
  }
  return values;
}

/** Resolves to whether all checks pass. */
async function runAll(kubectl, make) {
  const failed = [];
  const counts = new Map(Object.keys(figures).map((name) => [name, 0]));
  for (let start = 0; start < count; start += BATCH) {
    const length = Math.min(BATCH, count - start);
    const texts = Array.from({ length }, (_, i) => make(start + i));
    for (const [i, result] of (await examine(kubectl, texts)).entries()) {
      for (const [name, isSo] of Object.entries(figures)) {
        if (!isSo(result)) continue;
        counts.set(name, counts.get(name) + 1);
        if (name in failures) failed.push({ name, index: start + i, text: result.text });
      }
    }
  }
  for (const [name, figure] of counts)
    console.log(`${figure}`.padStart(9), name in failures ? `${name} (must be 0)` : name);
  await explain(kubectl, failed);
  return failed.length === 0;
}

/** Prints the shortest failures, each shape once. */
async function explain(kubectl, failed) {
  const shapes = new Set();
  const shortestFirst = failed.sort((a, b) => a.text.length - b.text.length);
  for (const { name, index, text } of shortestFirst.slice(0, 20 * SHOWN)) {
    if (shapes.size === SHOWN) break;
    const short = await shrink(text, async (shorter) =>
      failures[name]((await examine(kubectl, [shorter]))[0]),
    );
    const shape = `${name}${short.replace(/\w+/g, 'w')}`;
    if (shapes.has(shape)) continue;
    shapes.add(shape);
    console.log(`\n${name}: --seed ${seed} --only ${index}; shrunk:\n${JSON.stringify(short)}`);
  }
}

const program = join(folder, 'kubectl');
const build = { cwd: join(import.meta.dirname, 'kubectl'), timeout: 1_200_000 };
await output('go', ['build', '-trimpath', '-mod=readonly', '-o', program, '.'], build);
const kubectl = new Kubectl(program);
await kseal(['keygen', '-o', 'k', '--bits', '2048']);
const material = {
  sealed: await sealedValues(),
  corpus: corpusIn('fixtures/manifests', 'fixtures/verify'),
};
const make = (index) => generate(seed * 1_000_003 + index, material);
if (options.only === undefined) {
  console.log(`${count}`.padStart(9), `generated manifests, --seed ${seed}`);
  if (!(await runAll(kubectl, make))) process.exitCode = 1;
} else {
  const [{ text, ...result }] = await examine(kubectl, [make(Number(options.only))]);
  console.log(text, JSON.stringify(result, null, 2));
}
kubectl.end();
