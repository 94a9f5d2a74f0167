// Compares kseal with the libraries of kubectl on generated manifests: `npm run test:differential`.
//
// 1. No manifest in which kubectl reads a Secret with plaintext passes `kseal verify` in silence.
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
import { main } from '../../dist/main.js';
import { output } from '../interop/process.mjs';
import { generate } from './generate.mjs';

const BATCH = 200;
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
  if (code === 70) throw Object.assign(new Error(`kseal ${args[0]}: a bug`), { input });
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
    ['data', 'stringData'].some((field) =>
      // The API server accepts nothing else than a mapping.
      secret[field]?.constructor === Object
        ? Object.entries(secret[field]).some(
            (entry) => !isDirective(entry) && isPlaintext(field, entry[1]),
          )
        : false,
    ),
  );
}

/** The codes of everything that `kseal verify` reports, or `error` if it refuses the input. */
async function verify(text) {
  const { code, stdout } = await kseal(['verify', '--json', '-'], text);
  if (code === 2) return { code, codes: ['error'] };
  const { findings, suppressed } = JSON.parse(stdout);
  return {
    code,
    codes: [...findings, ...suppressed].map((finding) => finding.rule ?? finding.code),
  };
}

/** The sealed text, or undefined if `kseal seal` refuses. */
async function seal(text) {
  const { code, stdout } = await kseal(['seal', '-f', '-', '-k', 'k.pub', '-n', 'hr'], text);
  return code === 0 ? stdout : undefined;
}

const checks = {
  async 'verify is silent on a plaintext'(kubectl, text) {
    const [answer] = await kubectl.read([text]);
    return holdsPlaintext(answer) && (await verify(text)).codes.length === 0;
  },
  async 'seal leaves a plaintext'(kubectl, text) {
    const sealed = await seal(text);
    return sealed !== undefined && holdsPlaintext((await kubectl.read([sealed]))[0]);
  },
};

/** The shortest text for which the check still fails, found by leaving out lines and characters. */
async function shrink(text, fails) {
  let tries = 600;
  for (const unit of ['\n', '']) {
    let parts = text.split(unit);
    for (let size = parts.length >> 1 || 1; size > 0; size >>= 1) {
      for (let at = 0; at < parts.length && tries-- > 0; ) {
        const shorter = [...parts.slice(0, at), ...parts.slice(at + size)];
        if (await fails(shorter.join(unit))) parts = shorter;
        else at += size;
      }
    }
    text = parts.join(unit);
    tries = 600;
  }
  return text;
}

function corpusIn(...folders) {
  return folders.flatMap((path) =>
    readdirSync(join(import.meta.dirname, '../..', path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /(?:\.(?:ya?ml|json)|before|input)$/i.test(entry.name))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .filter((text) => text.length < 20_000),
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

async function runAll(kubectl) {
  await kseal(['keygen', '-o', 'k', '--bits', '2048']);
  const material = {
    sealed: await sealedValues(),
    corpus: corpusIn('fixtures/manifests', 'fixtures/verify'),
  };
  const make = (index) => generate(seed * 1_000_003 + index, material);
  if (options.only !== undefined) return printOnly(kubectl, make(Number(options.only)));
  const figures = {
    read: 0,
    secrets: 0,
    plaintexts: 0,
    silent: 0,
    warnings: 0,
    flagged: 0,
    sealed: 0,
    left: 0,
  };
  const failures = [];
  for (let start = 0; start < count; start += BATCH) {
    const length = Math.min(BATCH, count - start);
    const texts = Array.from({ length }, (_, i) => make(start + i));
    const answers = await kubectl.read(texts);
    const results = [];
    for (const [i, text] of texts.entries()) {
      const [answer, plain] = [answers[i], holdsPlaintext(answers[i])];
      const { code, codes } = await verify(text);
      if (answer.error === undefined) figures.read++;
      if (answer.secrets.length > 0) figures.secrets++;
      if (plain) figures.plaintexts++;
      if (plain && codes.length > 0 && code === 0) figures.warnings++;
      if (plain && codes.length === 0) {
        figures.silent++;
        failures.push({ check: 'verify is silent on a plaintext', index: start + i, text });
      }
      if (answer.error === undefined && answer.secrets.length === 0 && code === 1)
        figures.flagged++;
      results.push(await seal(text));
    }
    const sealed = [...results.entries()].filter(([, result]) => result !== undefined);
    figures.sealed += sealed.length;
    const after = await kubectl.read(sealed.map(([, result]) => result));
    for (const [at, [i]] of sealed.entries()) {
      if (!holdsPlaintext(after[at])) continue;
      figures.left++;
      failures.push({ check: 'seal leaves a plaintext', index: start + i, text: texts[i] });
    }
  }
  report(figures);
  await explain(kubectl, failures);
  return failures.length === 0;
}

async function printOnly(kubectl, text) {
  const [answer] = await kubectl.read([text]);
  const sealed = await seal(text);
  const result = { kubectl: answer, verify: await verify(text), sealed };
  console.log(`${text}\n\n${JSON.stringify(result, null, 2)}`);
  return true;
}

function report({ read, secrets, plaintexts, silent, warnings, flagged, sealed, left }) {
  const lines = [
    [count, `generated manifests, seed ${seed}`],
    [read, 'that kubectl reads to their end'],
    [secrets, 'in which kubectl reads a Secret'],
    [plaintexts, 'of those with plaintext'],
    [silent, '  on which verify is silent (must be 0)'],
    [warnings, '  for which verify has only warnings'],
    [flagged, 'without a Secret for kubectl, for which verify has an error'],
    [sealed, 'that seal -f seals'],
    [left, '  in which it leaves a plaintext (must be 0)'],
  ];
  for (const [figure, text] of lines) console.log(`${figure}`.padStart(9), text);
}

/** Prints the shortest failures, each shape once. */
async function explain(kubectl, failures) {
  const shown = new Map();
  const shortestFirst = failures.sort((a, b) => a.text.length - b.text.length);
  for (const { check, index, text } of shortestFirst.slice(0, 20 * SHOWN)) {
    if (shown.size === SHOWN) break;
    const short = await shrink(text, (shorter) => checks[check](kubectl, shorter));
    const shape = `${check}${short.replace(/\w+/g, 'w')}`;
    if (shown.has(shape)) continue;
    shown.set(shape, short);
    console.log(`\n${check}: --seed ${seed} --only ${index}; shrunk:`);
    console.log(JSON.stringify(short));
  }
}

const program = join(folder, 'kubectl');
const build = { cwd: join(import.meta.dirname, 'kubectl'), timeout: 1_200_000 };
await output('go', ['build', '-trimpath', '-mod=readonly', '-o', program, '.'], build);
const kubectl = new Kubectl(program);
const passed = await runAll(kubectl);
kubectl.end();
process.exitCode = passed ? 0 : 1;
