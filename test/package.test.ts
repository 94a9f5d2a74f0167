import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { folderWithKeys } from './helpers/folder.ts';
import { runBin } from './helpers/spawn.ts';

const root = join(import.meta.dirname, '..');

const main = `import { readFileSync } from 'node:fs';
import { program } from './program.js';
console.log(await program(readFileSync('k.pub'), readFileSync('k.pem', 'utf8')));
`;

/** Programs that import the package, by their module system. */
const settings = {
  nodenext: { module: 'nodenext', outDir: 'out' },
  bundler: { module: 'esnext', moduleResolution: 'bundler', noEmit: true },
};

test('a program compiles with the packed package, and runs', async () => {
  expect(inject('buildError')).toBe('');
  const cwd = folderWithKeys();
  const perform = async (...command: readonly string[]) => {
    const { code, stdout, stderr } = await runBin([], { cwd, command });
    expect([code, `${stderr}`], `${stdout}`).toEqual([0, '']);
    return `${stdout}`;
  };
  const pack = ['npm', 'pack', root, '--ignore-scripts', '--silent', '--offline'];
  const tarball = (await perform(...pack)).trim();
  cpSync(join(root, 'fixtures/package/program.ts'), join(cwd, 'program.ts'));
  mkdirSync(join(cwd, 'out'));
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
  const alone = ['--offline', '--ignore-scripts', '--silent', '--no-save'];
  await perform('npm', 'install', ...alone, `./${tarball}`);
  writeFileSync(join(cwd, 'out/main.js'), main);
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  for (const [name, own] of Object.entries(settings)) {
    const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false };
    const compilerOptions = { target: 'es2023', types: [], ...strict, ...own };
    const config = { compilerOptions, files: ['program.ts'] };
    writeFileSync(join(cwd, `${name}.json`), JSON.stringify(config));
    await perform(process.execPath, compiler, '--project', `${name}.json`);
  }
  expect(await perform(process.execPath, 'out/main.js')).toBe(
    '1 1 password username 1 DECRYPTION_FAILED true\n',
  );
  const required = "console.log(typeof require('kseal').sealValue)";
  expect(await perform(process.execPath, '--eval', required)).toBe('function\n');
}, 60_000);

test('the types of the package need no other file', () => {
  const types = readFileSync(join(root, 'dist/index.d.ts'), 'utf8');
  expect(types).toContain('export declare function sealValue(');
  expect(types.match(/\bimport\b|\bfrom ['"]|\bBuffer\b|\bNodeJS\b|KeyObject|\/\/\//g)).toBeNull();
});
