// Speed as ratios taken in one run (`npm run bench`): each figure is set against something that
// the machine does in the same minute, so that it means the same on any machine.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

const ROUNDS = 15;
const VALUES = 10_000;
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
function ratioTo(baseline, action) {
  const rounds = Array.from(
    { length: ROUNDS },
    () => milliseconds(action) / milliseconds(baseline),
  );
  return median(rounds);
}

function report(what, ratio, aim) {
  process.stdout.write(`${what.padEnd(64)} ${ratio.padStart(8)}   aim ${aim}\n`);
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
