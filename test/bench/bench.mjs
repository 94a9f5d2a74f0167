// Speed as ratios taken in one run (`npm run bench`): each figure is set against something that
// the machine does in the same minute, so that it means the same on any machine.
import { spawnSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { kmsRatio, localKeyRatio, memoryOverReviews } from './webhook.mjs';

const ROUNDS = 15;
const VALUES = 10_000;
const MANIFESTS = 10_000;
const bin = join(import.meta.dirname, '../../bin/kseal.js');
const folder = mkdtempSync(join(tmpdir(), 'kseal-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const milliseconds = (action) => {
  const start = process.hrtime.bigint();
  action();
  return Number(process.hrtime.bigint() - start) / 1e6;
};

function node(args, input = '') {
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, input });
  if (status !== 0) throw new Error(`node ${args.join(' ')}: ${stderr}`);
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

/** Runs both in turn, so that a machine that changes its pace does so for both. */
function ratioTo(baseline, action, length = ROUNDS) {
  const rounds = Array.from({ length }, () => milliseconds(action) / milliseconds(baseline));
  return median(rounds);
}

function report(what, ratio, aim) {
  process.stdout.write(`${what.padEnd(72)} ${ratio.padStart(8)}   aim ${aim}\n`);
}

/** RSA public operations a second, on all cores, as openssl counts them. */
function rawPublicOperations() {
  const { stdout } = spawnSync(
    'openssl',
    ['speed', '-seconds', '2', '-multi', String(cpus().length), 'rsa4096'],
    { encoding: 'utf8' },
  );
  const line = stdout.split('\n').find((text) => /^rsa\s*4096/.test(text)) ?? '';
  return Number(line.trim().split(/\s+/)[6]);
}

/** A Secret each for 100 values of 16 octets, as plaintext in one YAML stream. */
function plainManifest(values) {
  const secret = (number) =>
    `apiVersion: v1\nkind: Secret\nmetadata:\n  name: s${number}\n  namespace: bench\nstringData:\n` +
    Array.from({ length: 100 }, (_, i) => `  key-${i}: value-${number}-${i}-abcdef\n`).join('');
  return Array.from({ length: values / 100 }, (_, i) => secret(i)).join('---\n');
}

node([bin, 'keygen', '-o', 'k']);
const nothing = () => node(['-e', '0']);
const seal = [bin, 'seal', 'db', '-n', 'hr', '-k', 'k.pub', '--stdin', 'password'];

report(
  'kseal --version / node -e 0',
  `${ratioTo(nothing, () => node([bin, '--version'])).toFixed(2)} x`,
  '<= 1.3 x',
);
report(
  'kseal seal of one value / node -e 0',
  `${ratioTo(nothing, () => node(seal, 'S3cr3t')).toFixed(2)} x`,
  '<= 2 x',
);

writeFileSync(join(folder, 'plain.yaml'), plainManifest(VALUES));
const raw = rawPublicOperations();
const sealing = milliseconds(() =>
  node([bin, 'seal', '-f', 'plain.yaml', '-k', 'k.pub', '-o', 'sealed.yaml']),
);
const starting = milliseconds(nothing);
const rate = VALUES / ((sealing - starting) / 1000);
report(
  `sealing ${VALUES} values, whole process / raw public operations`,
  `${((100 * rate) / raw).toFixed(0)} %`,
  '>= 15 %',
);

/**
 * So many manifests of 5 sealed values each, in folders of 100. The values of 100 Secrets are
 * sealed for their whole namespace, and stand in all of them in turn.
 */
function makeManifests(name, count) {
  mkdirSync(join(folder, 'seed'), { recursive: true });
  const values = ['a', 'b', 'c', 'd', 'e']
    .map((key) => `  ${key}: value-of-${key}-abcdef\n`)
    .join('');
  const head = 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: NAME\n  namespace: bench\n';
  for (let i = 0; i < 100; i++)
    writeFileSync(join(folder, 'seed', `${i}.yaml`), `${head}stringData:\n${values}`);
  node([bin, 'seal', '-f', 'seed', '-i', '-k', 'k.pub', '--scope', 'namespace-wide']);
  for (let i = 0; i < count; i++) {
    const below = join(folder, name, `${Math.floor(i / 100)}`);
    mkdirSync(below, { recursive: true });
    const text = readFileSync(join(folder, 'seed', `${i % 100}.yaml`), 'utf8');
    writeFileSync(join(below, `${i}.yaml`), text.replace('NAME', `s${i}`));
  }
}

/** A program that reads each manifest and parses it once. */
const parseAll = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { parse } from ${JSON.stringify(import.meta.resolve('yaml'))};
  for (const name of readdirSync('many', { recursive: true }))
    if (name.endsWith('.yaml')) parse(readFileSync('many/' + name, 'utf8'));
`;

/** Makes a folder in which each file of another stands so many times, without copying them. */
function makeLinks(name, from, times) {
  for (const path of readdirSync(join(folder, from), { recursive: true })) {
    if (!path.endsWith('.yaml')) continue;
    for (let i = 0; i < times; i++) {
      const below = join(folder, name, `${i}`, path);
      mkdirSync(join(below, '..'), { recursive: true });
      linkSync(join(folder, from, path), below);
    }
  }
}

/**
 * The most memory that verify of a folder has at any time, in MB. V8 lets garbage lie as long as
 * the heap may grow, so what grows without a limit of `heap` megabytes, and not with it, is garbage.
 * What is kept of a manifest without findings is its name.
 */
function peakMemory(name, heap) {
  const tell =
    'data:text/javascript,process.on("exit",()=>console.error(process.resourceUsage().maxRSS))';
  const limit = heap === undefined ? [] : [`--max-old-space-size=${heap}`];
  const args = [...limit, '--import', tell, bin, 'verify', name, '-k', 'k.pub'];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`verify ${name}: ${stderr}`);
  return Math.round(Number(stderr) / 1024);
}

makeManifests('many', MANIFESTS);
makeManifests('few', MANIFESTS / 10);
makeLinks('more', 'many', 5);
report(
  `verify of ${MANIFESTS} manifests / parsing them with yaml, 1 of ${cpus().length} cores each`,
  `${ratioTo(
    () => node(['--input-type=module', '-e', parseAll]),
    () => node([bin, 'verify', 'many', '-k', 'k.pub']),
    5,
  ).toFixed(2)} x`,
  '<= 1.5 x',
);
const folders = ['few', 'many', 'more'];
const counts = `${MANIFESTS / 10}/${MANIFESTS}/${5 * MANIFESTS}`;
report(
  `its memory for ${counts} manifests`,
  `${folders.map((name) => peakMemory(name)).join('/')} MB`,
  'the same',
);
report(
  'the same within a heap of 32 MB',
  `${folders.map((name) => peakMemory(name, 32)).join('/')} MB`,
  'the same',
);

report(
  'webhook, local RSA-4096 key / raw private operations',
  `${(100 * (await localKeyRatio(folder))).toFixed(0)} %`,
  '>= 85 %',
);
report(
  'webhook, KMS that takes 50 ms: 20 values / one value',
  `${(await kmsRatio(folder)).toFixed(2)} x`,
  '<= 3 x',
);
const [before, after] = await memoryOverReviews(folder);
report('its memory after 20,000 reviews / after 10,000', `${after}/${before} MB`, 'the same');
