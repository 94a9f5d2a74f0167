// Proves that other JOSE implementations open what kseal seals, and kseal what they encrypt:
// `npm run test:interop`. A partner that cannot be installed is not run, and counts as skipped.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { parse } from 'yaml';
import { partners } from './partners.mjs';
import { output, run } from './process.mjs';

const bin = join(import.meta.dirname, '../../bin/kseal.js');

const allOctets = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));

const values = {
  empty: Buffer.alloc(0),
  binary: allOctets,
  'newline at the end': Buffer.from('correct horse battery staple\n'),
  '100 kB': Buffer.alloc(100_000, allOctets),
};

const keySizes = [2048, 3072, 4096];

/** The ways from the octets of a value back to them. */
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

/** Opens what another tool encrypted, and first sees it refused without --accept-unbound. */
async function openUnbound({ folder, kseal, key }, input, stdin) {
  const args = ['decrypt', ...input, '-k', key.pem];
  const refused = await run(process.execPath, [bin, ...args], { ...surroundings(folder), stdin });
  assert.ok(refused.code === 2, `exit code ${refused.code} without --accept-unbound`);
  assert.ok(refused.stdout.length === 0, 'something printed without --accept-unbound');
  return kseal(...args, '--accept-unbound', { stdin });
}

/** Where kseal runs: no variable of the caller chooses a key for it. */
function surroundings(cwd) {
  return { cwd, env: { PATH: process.env.PATH, HOME: cwd, NO_COLOR: '1' } };
}

/** Runs kseal in a folder, for its stdout. An object at the end of the arguments has its stdin. */
function ksealIn(folder) {
  return (...args) => {
    const { stdin } = typeof args.at(-1) === 'object' ? args.pop() : {};
    return output(process.execPath, [bin, ...args], { ...surroundings(folder), stdin });
  };
}

async function makeKey(folder, bits) {
  await ksealIn(folder)('keygen', '-o', `rsa-${bits}`, '--bits', String(bits));
  const prefix = join(folder, `rsa-${bits}`);
  return { bits, pem: `${prefix}.pem`, pub: `${prefix}.pub` };
}

/** Goes one route with one value and one key. */
async function runCell(root, { route, partner, key, name, value }) {
  const folder = await mkdtemp(join(root, 'cell-'));
  try {
    await writeFile(join(folder, 'value'), value);
    const octets = await route({ folder, kseal: ksealIn(folder), partner, key, value });
    // Not assert.deepEqual, which would print 100 kB.
    assert.ok(value.equals(octets), `${octets.length} octets came back, and not the same`);
    return { outcome: 'passed' };
  } catch ({ message }) {
    // What a partner cannot do it says itself, so that nothing else that fails is skipped.
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
