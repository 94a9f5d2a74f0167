import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLog } from '../../../src/webhook/server/log.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import {
  checkTls,
  readTlsFiles,
  type TlsMaterial,
  tlsLook,
} from '../../../src/webhook/server/tls.ts';
import { makeAuthority, type Pair } from '../../helpers/certificates.ts';
import { Capture } from '../../helpers/io.ts';
import { eventually, freshFolder, valueIn } from '../common.ts';
import { creation } from '../reviews.ts';
import { keepingAgent, post } from './https.ts';
import { type Served, startServed } from './served.ts';

const hosts = ['127.0.0.1'];

/** A folder with tls.crt and tls.key, a function that checks them, and the results. */
async function watching() {
  const authority = await makeAuthority();
  const folder = freshFolder();
  const files = {
    cert: join(folder, 'tls.crt'),
    key: join(folder, 'tls.key'),
    clientCa: undefined,
  };
  const write = ({ cert, key }: Pair) => {
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
  };
  const first = await authority.issue({ hosts });
  write(first);
  const stream = new Capture();
  const metrics = createMetrics();
  const used: TlsMaterial[] = [];
  const inUse = checkTls(readTlsFiles(files));
  const watch = { files, metrics, log: createLog(stream, 'info') };
  const look = tlsLook(watch, inUse, (tls) => used.push(tls));
  const reloads = async (result: 'done' | 'failed') =>
    valueIn(
      await metrics.registry.metrics(),
      `kseal_certificate_reloads_total{result="${result}"}`,
    );
  return { authority, files, write, first, look, used, stream, reloads };
}

describe('a check of the TLS files', () => {
  test('does nothing if they are unchanged', async () => {
    const { look, used, stream } = await watching();
    look();
    expect([used, stream.text]).toEqual([[], '']);
  });

  test('uses and logs a new pair once', async () => {
    const { authority, write, look, used, stream, reloads } = await watching();
    const next = await authority.issue({ hosts });
    write(next);
    look();
    look();
    expect(used.map(({ cert }) => `${cert}`)).toEqual([next.cert]);
    expect(stream.text.match(/reloaded the TLS files/g)).toHaveLength(1);
    expect([await reloads('done'), await reloads('failed')]).toEqual([1, 0]);
  });

  test('keeps the old pair while only one file is new, and counts and logs that', async () => {
    const { authority, files, write, look, used, stream, reloads } = await watching();
    const next = await authority.issue({ hosts });
    writeFileSync(files.cert, next.cert);
    look();
    look();
    expect(used).toEqual([]);
    expect(stream.text.match(/the old ones stay in use: .*not the private key of/g)).toHaveLength(
      1,
    );
    expect(await reloads('failed')).toBe(1);
    write(next);
    look();
    expect(used).toHaveLength(1);
  });

  test('logs a missing file once, and uses it when it is back', async () => {
    const { files, first, authority, write, look, used, stream, reloads } = await watching();
    rmSync(files.key);
    look();
    look();
    expect(stream.text.match(/no such file/g)).toHaveLength(1);
    expect(await reloads('failed')).toBe(1);
    writeFileSync(files.key, first.key);
    write(await authority.issue({ hosts }));
    look();
    expect(used).toHaveLength(1);
  });

  test('keeps the old pair if the new one has expired or has no host', async () => {
    const { authority, write, look, used, reloads } = await watching();
    for (const leaf of [{ hosts, expires: -1 }, { hosts: [] }]) {
      write(await authority.issue(leaf));
      look();
    }
    expect([used, await reloads('failed')]).toEqual([[], 2]);
  });

  test('keeps the old pair if the server rejects the new one', async () => {
    const { authority, files, write } = await watching();
    const stream = new Capture();
    const watch = { files, metrics: createMetrics(), log: createLog(stream, 'info') };
    const look = tlsLook(watch, checkTls(readTlsFiles(files)), () => {
      throw new Error('CANARY');
    });
    write(await authority.issue({ hosts }));
    look();
    expect(stream.text).toContain('the old ones stay in use: unexpected error');
    expect(stream.text).not.toContain('CANARY');
  });
});

/** Replaces the files of a mounted Secret as the kubelet does. */
function swapIn(folder: string, files: Readonly<Record<string, string>>, version: string): void {
  mkdirSync(join(folder, `..${version}`));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, `..${version}`, name), text);
  }
  symlinkSync(`..${version}`, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
}

/** The serial number of the current serving certificate. */
function serialAt({ port, ca }: Served): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** Posts reviews until it is stopped, and collects the statuses. */
function load(served: Served) {
  const agent = keepingAgent(4);
  let isOver = false;
  const statuses: number[] = [];
  const one = async (more: { agent?: typeof agent }) => {
    while (!isOver) statuses.push((await post(served, creation({ a: 'eA==' }), more)).status);
  };
  // Two reuse their connections, and two make new ones.
  const all = Promise.all([one({ agent }), one({ agent }), one({}), one({})]);
  onTestFinished(() => {
    isOver = true;
  });
  return {
    statuses,
    stop: () => {
      isOver = true;
      return all;
    },
  };
}

test('no request fails while a pair is replaced under load, as the kubelet does it', async () => {
  const authority = await makeAuthority();
  const folder = freshFolder();
  const names = ['tls.crt', 'tls.key', 'ca.crt'];
  for (const name of names) symlinkSync(join('..data', name), join(folder, name));
  const pairOf = async () => {
    const { cert, key } = await authority.issue({ hosts, use: 'server' });
    return { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.cert };
  };
  swapIn(folder, await pairOf(), 'one');
  const served = await startServed({ authority, folder, times: { tlsLook: 20 } });
  const { statuses, stop } = load(served);
  const first = await serialAt(served);
  let last = first;
  for (const version of ['two', 'three', 'four']) {
    swapIn(folder, await pairOf(), version);
    const before = last;
    await eventually(async () => {
      last = await serialAt(served);
      expect(last).not.toBe(before);
    });
  }
  const enough = statuses.length + 10;
  await eventually(() => expect(statuses.length).toBeGreaterThan(enough));
  await stop();
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(await served.metric('kseal_certificate_reloads_total{result="done"}')).toBe(3);

  // A pair that does not belong together is not used.
  const [mixed, other] = [await pairOf(), await pairOf()];
  swapIn(folder, { ...mixed, 'tls.key': other['tls.key'] }, 'five');
  const failed = 'kseal_certificate_reloads_total{result="failed"}';
  await eventually(async () => expect(await served.metric(failed)).toBe(1));
  expect(await serialAt(served)).toBe(last);
  expect(served.text()).toContain('not the private key of');
});

test('a changed client CA is used too', async () => {
  const served = await startServed({ clientCa: true, times: { tlsLook: 20 } });
  const others = await makeAuthority('CN=others');
  const leaf = { subject: 'CN=kube-apiserver', use: 'client' } as const;
  const [ours, theirs] = [await served.authority.issue(leaf), await others.issue(leaf)];
  const body = creation({ a: 'eA==' });
  expect((await post(served, body, { ...ours })).status).toBe(200);
  await expect(post(served, body, { ...theirs })).rejects.toThrow();
  writeFileSync(join(served.folder, 'ca.crt'), others.cert);
  await eventually(async () => expect((await post(served, body, { ...theirs })).status).toBe(200));
  await expect(post(served, body, { ...ours })).rejects.toThrow();
  expect(await served.metric('kseal_client_authentication')).toBe(1);
});
