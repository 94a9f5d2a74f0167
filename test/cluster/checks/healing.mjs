import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { accepted } from '../checklist.mjs';
import { confidential, plaintext } from '../secrets.mjs';
import { as, ownersOf } from './ownership.mjs';

/** Opens values that were stored sealed before the webhook was installed. */
export async function healing({ folder, shell, seal, apply, get, values, kubectl }, check) {
  const sweep = (...flags) => shell('kseal', ['webhook', 'sweep', ...flags]);

  await check('kseal webhook sweep lists values that were stored sealed', async () => {
    const { code, stdout, stderr } = await sweep();
    assert.match(stdout, /^sealed {2}hr\/old: 2 values, key [\w-]{43}\n$/);
    assert.match(stderr, /^kseal: \d+ Secrets: 1 stored sealed\n/);
    assert.equal(code, 1);
    assert.match((await values('hr', 'old')).password, /^eyJ/);
  });

  await check('it needs no right but to list and patch Secrets', async () => {
    const account = await sweeper(folder, kubectl);
    const { stdout } = await sweep(...account, '-n', 'other', '--write');
    assert.equal(stdout, '');
    const { code } = await kubectl('auth', 'can-i', 'update', 'secrets', ...account);
    assert.equal(code, 1);
  });

  await check('with --write, it opens them', async () => {
    const { code, stdout, stderr } = await sweep('--kubeconfig', 'sweeper.json', '--write');
    assert.equal(stdout, 'opened  hr/old: 2 values\n', stderr);
    assert.equal(code, 0);
    const opened = { password: plaintext('old'), user: plaintext('older') };
    assert.deepEqual(await values('hr', 'old'), opened);
  });

  await check('a second sweep finds nothing', async () => {
    const { code, stdout, stderr } = await sweep();
    assert.equal(code + stdout, '0');
    assert.match(stderr, /: none is stored sealed\n$/);
  });

  await check(
    'the field manager of a swept value stays, and applies it without a conflict',
    async () => {
      const { metadata } = await get('secret', 'hr', 'old');
      assert.deepEqual(ownersOf(metadata, 'password'), ['gitops']);
      const words = { password: 'old', user: 'older' };
      accepted(await apply(await seal(confidential('hr', 'old', words)), ...as('gitops')));
    },
  );
}

/**
 * Applies the role of docs/cluster.md, and grants it to a service account. Returns the options that
 * use its token.
 */
async function sweeper(folder, kubectl) {
  const page = readFileSync(new URL('../../../docs/cluster.md', import.meta.url), 'utf8');
  const [, role] = /```yaml kseal-sweep\.yaml\n(.*?)```/s.exec(page);
  writeFileSync(join(folder, 'kseal-sweep.yaml'), role);
  accepted(await kubectl('apply', '-f', 'kseal-sweep.yaml'));
  accepted(await kubectl('create', 'serviceaccount', 'sweeper', '-n', 'default'));
  const grant = ['--clusterrole=kseal-sweep', '--serviceaccount=default:sweeper'];
  accepted(await kubectl('create', 'clusterrolebinding', 'sweeper', ...grant));
  const token = accepted(await kubectl('create', 'token', 'sweeper', '-n', 'default')).trim();
  const config = parse(readFileSync(join(folder, 'kubeconfig'), 'utf8'));
  config.users = config.users.map(({ name }) => ({ name, user: { token } }));
  writeFileSync(join(folder, 'sweeper.json'), JSON.stringify(config));
  return ['--kubeconfig', 'sweeper.json'];
}
