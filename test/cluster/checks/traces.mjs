import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepted } from '../checklist.mjs';
import { confidential, leaks } from '../secrets.mjs';
import { AUDITED } from '../world.mjs';

const PATCH = 'patch.webhook.admission.k8s.io/round_0_index_0';

/** Looks for plaintext outside the Secrets. */
export async function traces({ folder, seal, apply, kubectl, get, audited }, check) {
  await check('the last-applied annotation contains the sealed values', async () => {
    const { annotations } = (await get('secret', 'hr', 'known')).metadata;
    const applied = annotations['kubectl.kubernetes.io/last-applied-configuration'];
    assert.match(applied, /"password":"ZXlKaGJHY2lPaUpTVTBF/);
    const all = JSON.parse(accepted(await kubectl('get', 'secrets', '-A', '-o', 'json')));
    assert.ok(!leaks(JSON.stringify(all.items.map(({ metadata }) => metadata))));
  });

  await check('the audit log at level Metadata contains no plaintext', async () => {
    const events = audited().filter(({ level }) => level === 'Metadata');
    assert.match(JSON.stringify(creationOf('known', events).annotations), /mutated.*true/);
    assert.ok(!leaks(JSON.stringify(events)));
  });

  await check('the audit log at level Request contains the patch with the plaintext', async () => {
    accepted(await apply(await seal(confidential(AUDITED, 'seen', { password: 'seen' }))));
    const event = creationOf('seen', audited());
    assert.equal(event.level, 'Request');
    const { patch } = JSON.parse(event.annotations[PATCH]);
    assert.deepEqual([patch.length, patch[0].path], [1, '/data/password']);
    assert.ok(leaks(patch[0].value));
  });

  await check('the log of the webhook names who sent a Secret', async () => {
    const lines = readFileSync(join(folder, 'webhook.log'), 'utf8').trim().split('\n');
    const review = lines.map(JSON.parse).find(({ name }) => name === 'seen');
    assert.deepEqual([review.user, review.result], ['admin', 'opened']);
  });

  await check('the logs of the webhook, the API server and etcd contain no plaintext', async () => {
    const logs = readdirSync(folder).filter((name) => /\.log$/.test(name) && name !== 'audit.log');
    assert.deepEqual(logs.sort(), ['etcd.log', 'kube-apiserver.log', 'webhook.log']);
    const leaking = logs.filter((name) => leaks(readFileSync(join(folder, name), 'utf8')));
    assert.deepEqual(leaking, []);
  });
}

/** The audit event for the creation of a Secret. */
function creationOf(name, events) {
  return events.find(({ verb, objectRef }) => verb === 'create' && objectRef.name === name);
}
