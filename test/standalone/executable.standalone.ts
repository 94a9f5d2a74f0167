import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderWithKeys } from '../helpers/folder.ts';
import { type Ended, kseal, runBin } from '../helpers/spawn.ts';
import { startWebhookProcess } from '../helpers/webhook-process.ts';
import { emulatorForTests } from '../kms-emulator/for-tests.ts';
import { HR, versionOf } from '../kms-emulator/harness.ts';
import { answered, creation, sealed } from '../webhook/reviews.ts';
import { post } from '../webhook/server/https.ts';

// The executable alone: with an empty PATH, and beside it the files that are published with it.

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'standalone');
const canary = 'CANARY-without-Node';
const noPath = { PATH: '/nonexistent' };

function steps(cwd: string, env: Readonly<Record<string, string>> = {}) {
  return async (line: string, stdin = ''): Promise<Ended> =>
    runBin(line.split(' '), { cwd, stdin, env: { ...noPath, ...env } });
}

test('with an empty PATH, it goes from keygen to decrypt', async () => {
  const run = steps(folderWithKeys());
  expect(await run('keygen -o new --bits 2048')).toMatchObject({ code: 0 });
  const seal = 'seal db -n hr -k new.pub --stdin password -o db.yaml';
  expect(await run(seal, canary)).toMatchObject({ code: 0 });
  expect(`${(await run('inspect db.yaml')).stdout}`).toContain('here only (strict)');
  expect(await run('verify -k new.pub db.yaml')).toMatchObject({ code: 0 });
  const opened = await run('decrypt db.yaml -k new.pem --only password');
  expect([opened.code, `${opened.stdout}`, `${opened.stderr}`]).toEqual([0, canary, '']);
});

test('with an empty PATH, a command that needs git says so', async () => {
  const { code, stderr } = await steps(folderWithKeys())('verify --staged');
  expect(code).toBe(2);
  expect(`${stderr}`).toMatch(/: cannot run git\nkseal: hint: install git /);
});

test('completion is for the name by which it was started', async () => {
  const cwd = folderWithKeys();
  symlinkSync(kseal[0] ?? '', join(cwd, 'kseal-new'));
  const { stdout } = await runBin(['completion', 'bash'], {
    cwd,
    command: [join(cwd, 'kseal-new')],
  });
  expect(`${stdout}`).toContain(' | kseal-new completion bash --words ');
  expect(`${stdout}`).toMatch(/^complete -o default -F _kseal kseal-new$/m);
});

const emulator = emulatorForTests();

test('with an empty PATH, it opens values with Cloud KMS', async () => {
  const run = steps(folderWithKeys(), { KSEAL_KMS_ENDPOINT: emulator().endpoint });
  const key = `gcpkms://${versionOf(HR, 1)}`;
  expect(await run(`fetch-pubkey ${key} -o hr.pub`)).toMatchObject({ code: 0 });
  const seal = 'seal db -n hr -k hr.pub --stdin password -o db.yaml';
  expect(await run(seal, canary)).toMatchObject({ code: 0 });
  const opened = await run(`decrypt db.yaml -k ${key} --only password`);
  expect([opened.code, `${opened.stdout}`]).toEqual([0, canary]);
});

test('with an empty PATH, the webhook answers a review over TLS', async () => {
  const cwd = folderWithKeys();
  const served = await startWebhookProcess(['-k', 'k.pem', '--drain', '0'], { cwd, env: noPath });
  const password = sealed(canary, readFileSync(join(cwd, 'k.pub')), 'password');
  const answer = await post(served, creation({ password }));
  expect(answered(answer.text).opened).toEqual({ password: canary });
  served.child.kill('SIGTERM');
  expect((await served.ended).code).toBe(0);
});

test.each(['--require=/nonexistent.cjs', '--inspect=0', '--title=other'])(
  'NODE_OPTIONS=%s has no effect',
  async (NODE_OPTIONS) => {
    const { code, stdout, stderr } = await steps(folderWithKeys(), { NODE_OPTIONS })('--version');
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect([code, `${stdout}`, `${stderr}`]).toEqual([0, `${version}\n`, '']);
  },
);

test.each(['--inspect', '--eval=1', '--build-snapshot'])(
  '%s is not an option of it',
  async (option) => {
    const { code, stderr } = await steps(folderWithKeys())(option);
    expect(code).toBe(2);
    expect(`${stderr}`).toMatch(/^kseal: error: unknown option/);
  },
);

test('the checksums are those of all other files', () => {
  const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8').trimEnd().split('\n');
  const names = readdirSync(folder).filter((name) => name !== 'SHA256SUMS');
  const expected = names.map((name) => {
    const sum = createHash('sha256').update(readFileSync(join(folder, name)));
    return `${sum.digest('hex')}  ${name}`;
  });
  expect(sums.sort()).toEqual(expected.sort());
});

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly components?: readonly Component[];
}

test('the SBOM is valid CycloneDX 1.6, and names what is in the executable only', () => {
  const require = createRequire(import.meta.url);
  const { default: Ajv } = require('ajv') as typeof import('ajv');
  const { default: addFormats } = require('ajv-formats') as typeof import('ajv-formats');
  const schema = (name: string) => {
    const path = `node_modules/@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`;
    return JSON.parse(readFileSync(join(root, path), 'utf8'));
  };
  const ajv = new Ajv({ strict: false });
  for (const name of ['spdx', 'jsf-0.82'])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  addFormats(ajv);
  ajv.addFormat('iri-reference', true).addFormat('idn-email', true);
  const validate = ajv.compile(schema('bom-1.6'));
  const name = readdirSync(folder).find((one) => one.endsWith('.cdx.json')) ?? '';
  const bom = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  expect([validate(bom), validate.errors]).toEqual([true, null]);
  const components: readonly Component[] = bom.components;
  const names = components.map((one) => one.name);
  expect(names).toEqual(expect.arrayContaining(['commander', 'fastify', 'yaml', 'node']));
  for (const tool of ['vitest', 'esbuild', 'typescript', 'postject'])
    expect(names).not.toContain(tool);
  const node = components.find((one) => one.name === 'node');
  expect(node?.components?.map((one) => one.name)).toContain('openssl');
  const sum = createHash('sha256')
    .update(readFileSync(kseal[0] ?? ''))
    .digest('hex');
  expect(bom.metadata.component.hashes).toEqual([{ alg: 'SHA-256', content: sum }]);
});

test('the licences include those of kseal, of Node.js and of the packages', () => {
  const text = readFileSync(join(folder, 'licenses.txt'), 'utf8');
  for (const part of ['Apache License', 'Node.js is licensed for use as follows', '\ncommander\n'])
    expect(text).toContain(part);
});
