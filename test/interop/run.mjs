// Checks that other JOSE implementations open values sealed by kseal, and the reverse:
// `npm run test:interop`. The checks of a partner that cannot be installed are skipped.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { parse } from 'yaml';
import { partners } from './partners.mjs';
import { output, run } from './process.mjs';

const bin = join(import.meta.dirname, '../../bin/kseal.js');

const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

const values = {
  empty: Buffer.alloc(0),
  binary: allBytes,
  'newline at the end': Buffer.from('correct horse battery staple\n'),
  '100 kB': Buffer.alloc(100_000, allBytes),
};

const keySizes = [2048, 3072, 4096];

/** Each route encrypts a value with one implementation and decrypts it with the other. */
const routes = {
  'kseal seal --raw -> PARTNER': async ({ kseal, partner, key }) =>
    partner.decrypt(key.pem, await kseal(...sealing(key), '--raw')),

  'kseal seal, from the manifest -> PARTNER': async ({ kseal, partner, key, folder }) => {
    await kseal(...sealing(key), '-o', 'db.yaml');
    const { data } = parse(await readFile(join(folder, 'db.yaml'), 'utf8'));
    return partner.decrypt(key.pem, Buffer.from(data.password, 'base64'));
  },

  'PARTNER -> kseal decrypt --raw FILE': async (cell) => {
    await writeFile(join(cell.folder, 'jwe'), await cell.partner.compact(cell.key.pub, cell.value));
    return openUnbound(cell, ['--raw', 'jwe']);
  },

  'PARTNER -> kseal decrypt --raw -': async (cell) =>
    openUnbound(cell, ['--raw', '-'], await cell.partner.compact(cell.key.pub, cell.value)),

  'PARTNER -> kseal seal NAME --from-jwe -> kseal decrypt --only': async (cell) => {
    await writeFile(join(cell.folder, 'jwe'), await cell.partner.compact(cell.key.pub, cell.value));
    await cell.kseal('seal', 'db', '-n', 'hr', '--from-jwe', 'password=jwe', '-o', 'db.yaml');
    return openUnbound(cell, ['db.yaml', '--only', 'password']);
  },

  'PARTNER flattened -> kseal seal --from-jwe -> kseal decrypt --raw': async (cell) => {
    const json = await cell.partner.flattened(cell.key.pub, cell.value);
    await writeFile(join(cell.folder, 'jwe.json'), json);
    return openUnbound(cell, ['--raw', '-'], await cell.kseal('seal', '--from-jwe', 'jwe.json'));
  },
};

function sealing(key) {
  return ['seal', 'db', '-n', 'hr', '-k', key.pub, '--from-file', 'password=value'];
}

/** Opens a value of another tool, and checks that kseal refuses it without --accept-unbound. */
async function openUnbound({ folder, kseal, key }, input, stdin) {
  const args = ['decrypt', ...input, '-k', key.pem];
  const refused = await run(process.execPath, [bin, ...args], { ...optionsIn(folder), stdin });
  assert.equal(refused.code, 2, `exit code ${refused.code} without --accept-unbound`);
  assert.equal(refused.stdout.length, 0, 'output without --accept-unbound');
  return kseal(...args, '--accept-unbound', { stdin });
}

/** Runs kseal without the caller's environment, which may name a key. */
function optionsIn(cwd) {
  return { cwd, env: { PATH: process.env.PATH, HOME: cwd, NO_COLOR: '1' } };
}

/** Runs kseal in a folder, and resolves to its stdout. The last argument may be `{ stdin }`. */
function ksealIn(folder) {
  return (...args) => {
    const { stdin } = typeof args.at(-1) === 'object' ? args.pop() : {};
    return output(process.execPath, [bin, ...args], { ...optionsIn(folder), stdin });
  };
}

async function makeKey(folder, bits) {
  await ksealIn(folder)('keygen', '-o', `rsa-${bits}`, '--bits', String(bits));
  const prefix = join(folder, `rsa-${bits}`);
  return { bits, pem: `${prefix}.pem`, pub: `${prefix}.pub` };
}

/** Checks one route with one value and one key. */
async function runCell(root, { route, partner, key, name, value }) {
  const folder = await mkdtemp(join(root, 'cell-'));
  try {
    await writeFile(join(folder, 'value'), value);
    const opened = await route({ folder, kseal: ksealIn(folder), partner, key, value });
    // assert.deepEqual would print 100 kB.
    assert.ok(value.equals(opened), `the opened value differs: ${opened.length} bytes`);
    return { outcome: 'passed' };
  } catch ({ message }) {
    // Only a limitation that the partner itself reports is skipped.
    const [, limitation] = /NOT RUN: (.*)/.exec(message) ?? [];
    const [outcome, why] = limitation ? ['skipped', limitation] : ['failed', message];
    return { outcome, why: `RSA-${key.bits}, ${name}: ${why}` };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const print = (line) => process.stdout.write(`${line}\n`);
const limit = pLimit(availableParallelism());
const root = await mkdtemp(join(tmpdir(), 'kseal-interop-'));
const totals = { passed: 0, failed: 0, skipped: 0 };
try {
  await mkdir(join(root, 'keys'));
  const keys = await Promise.all(keySizes.map((bits) => makeKey(join(root, 'keys'), bits)));
  const cells = keys.flatMap((key) =>
    Object.entries(values).map(([name, value]) => ({ key, name, value })),
  );
  for (const { name: partnerName, install } of partners) {
    let partner;
    try {
      partner = await install();
    } catch (error) {
      print(`NOT RUN: ${partnerName}: ${error.message}`);
      totals.skipped += cells.length * Object.keys(routes).length;
      continue;
    }
    print(`${partnerName} ${partner.version}`);
    for (const [title, route] of Object.entries(routes)) {
      const results = await Promise.all(
        cells.map((cell) => limit(() => runCell(root, { ...cell, route, partner }))),
      );
      const passed = results.filter(({ outcome }) => outcome === 'passed').length;
      print(`  ${title.replace('PARTNER', partnerName)}: ${passed} of ${cells.length}`);
      for (const { outcome, why } of results) {
        totals[outcome] += 1;
        if (why) print(`    ${outcome === 'failed' ? 'FAILED' : 'NOT RUN'}: ${why}`);
      }
    }
  }
} finally {
  await rm(root, { recursive: true });
}
if (totals.failed > 0) process.exitCode = 1;
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
print(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
