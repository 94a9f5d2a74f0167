import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { type Reply, type Request, startServer, writeKubeconfig } from '../helpers/api-server.ts';
import { testIO } from '../helpers/io.ts';
import { kidOfPem, makeJwe } from '../helpers/jwe.ts';
import { freshFolder } from '../webhook/common.ts';

const { publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const kid = kidOfPem(publicKey);

/** A value that is sealed for a Secret; `name` undefined: another tool sealed it. */
function sealedFor(name: string | undefined, key = 'password'): string {
  const alg = { alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' };
  const kseal = { scope: 'strict', namespace: 'hr', name, key };
  const header = JSON.stringify(name === undefined ? alg : { ...alg, kseal, kid });
  return base64(makeJwe(Buffer.from('CANARY-value'), publicKey, header));
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const opened = base64('CANARY-opened');

type Values = Record<string, string | null>;

const secret = (name: string, data: Values, more: object = {}, metadata: object = {}) => ({
  metadata: { namespace: 'hr', name, resourceVersion: '7', ...metadata },
  ...more,
  data,
});

type Secret = ReturnType<typeof secret>;

const status = (code: number, reason: string, message: string): Reply => {
  return { status: code, body: { kind: 'Status', code, reason, message } };
};

const denial = (text: string) =>
  `admission webhook "kseal-webhook.kseal.svc" denied the request: ${text}`;

interface Setting {
  readonly secrets?: readonly Secret[];
  /** Answers a write; by default as if the webhook had opened every value. */
  readonly onPatch?: (name: string, count: number) => Reply;
  /** Answers everything else. */
  readonly onGet?: (request: Request) => Reply | 'list';
  readonly args?: readonly string[];
}

/** Runs `kseal webhook sweep` with an API server. */
async function run({ secrets = [], onPatch, onGet, args = ['--write'] }: Setting) {
  const patches: Request[] = [];
  const reads: string[] = [];
  const server = await startServer((request) => {
    const { method, path, query } = request;
    const name = path.split('/')[6] ?? '';
    if (method === 'PATCH') {
      patches.push(request);
      const count = patches.filter((one) => one.path === path).length;
      const open = { status: 200, body: secret(name, { password: opened }) };
      return onPatch ? onPatch(name, count) : open;
    }
    reads.push(`${path}?${query}`);
    const reply = onGet?.(request) ?? 'list';
    if (reply !== 'list') return reply;
    const selected = query.get('fieldSelector')?.replace('metadata.name=', '');
    const items = secrets.filter((one) => selected === undefined || one.metadata.name === selected);
    return { status: 200, body: { metadata: { remainingItemCount: 0 }, items } };
  });
  const cwd = freshFolder();
  const kubeconfig = writeKubeconfig(cwd, { server });
  const io = testIO({ cwd });
  const words = ['webhook', 'sweep', '--kubeconfig', kubeconfig, ...args];
  const code = await main(words, io);
  const [stdout, stderr] = [io.stdout.text, io.stderr.text].map((text) =>
    text.replaceAll(server, 'SERVER'),
  );
  expect(`${stdout}${stderr}`).not.toMatch(/CANARY|eyJ|ZXlK/);
  return { code, stdout, stderr, patches, reads };
}

const old = secret('old', { password: sealedFor('old'), plain: opened, empty: null });
const kubectl = 'kubectl --kubeconfig kubeconfig';

describe('the list', () => {
  test('has the Secrets that the webhook may open, and the command that does it', async () => {
    const plain = secret('plain', { password: opened });
    const { code, stdout, stderr, patches } = await run({ secrets: [plain, old], args: [] });
    expect(code).toBe(1);
    expect(stdout).toBe(`sealed  hr/old: 1 value, key ${kid}\n`);
    expect(stderr).toBe(
      'kseal: 2 Secrets: 1 stored sealed\n' +
        'kseal: hint: kseal webhook sweep --kubeconfig kubeconfig --write\n',
    );
    expect(patches).toEqual([]);
  });

  test('is empty if no Secret is stored sealed', async () => {
    const { code, stdout, stderr } = await run({ secrets: [], args: ['-n', 'hr'] });
    expect([code, stdout, stderr]).toEqual([
      0,
      '',
      'kseal: 0 Secrets in hr: none is stored sealed\n',
    ]);
  });

  test('is of one namespace with -n, which the command at its end repeats', async () => {
    const { stderr, reads } = await run({ secrets: [old], args: ['-n', 'hr'] });
    expect(new Set(reads.map((one) => one.split('?')[0]))).toEqual(
      new Set(['/api/v1/namespaces/hr/secrets']),
    );
    expect(stderr).toContain('kseal webhook sweep --kubeconfig kubeconfig -n hr --write\n');
  });

  test('ends with an exit code of at most 125', async () => {
    const secrets = Array.from({ length: 200 }, () => old);
    expect((await run({ secrets, args: [] })).code).toBe(125);
  });
});

const seal = 'seal the values for this place, and apply them: kseal seal';

describe.each([
  ['a list', []],
  ['a write', ['--write']],
])('what no webhook can open, in %s,', (_, args) => {
  test.each<[string, Secret, string, string]>([
    [
      'a misplaced value',
      secret('copy', { password: sealedFor('old') }),
      'hr/copy: data key "password": sealed for hr/old, data key "password", found in hr/copy, data key "password"',
      `${seal} copy -n hr`,
    ],
    [
      'a value of another tool',
      secret('old', { password: sealedFor(undefined) }),
      'hr/old: data key "password": not bound to a Secret: sealed by another tool',
      `${seal} old -n hr`,
    ],
    [
      'damaged values',
      secret('old', { a: base64('eyJhbGciOiJSU0E.x'), b: base64('eyJhbGciOiJSU0E.y') }),
      'hr/old: data key "a": JWE does not have five segments; and 1 more value',
      `${seal} old -n hr`,
    ],
    [
      'an immutable Secret',
      secret('old', { password: sealedFor('old') }, { immutable: true }),
      'hr/old: is immutable',
      `${kubectl} -n hr delete secret old, then apply its manifest again`,
    ],
    [
      'a Secret that is being deleted',
      secret('old', { password: sealedFor('old') }, {}, { deletionTimestamp: '2026-01-01' }),
      'hr/old: is being deleted, and waits for its finalizers',
      `${kubectl} -n hr get secret old -o jsonpath='{.metadata.finalizers}'`,
    ],
  ])('is named with a hint, and never written: %s', async (__, one, line, hint) => {
    const { code, stdout, stderr, patches } = await run({ secrets: [one], args });
    expect(stdout).toBe(`failed  ${line}\n        hint: ${hint}\n`);
    expect(stderr).toBe('kseal: 1 Secret: 1 cannot be opened\n');
    expect([code, patches]).toEqual([1, []]);
  });
});

describe('a write', () => {
  test('changes nothing but names the version that was read', async () => {
    const { code, stdout, stderr, patches } = await run({ secrets: [old] });
    expect([code, stdout]).toEqual([0, 'opened  hr/old: 1 value\n']);
    expect(stderr).toBe('kseal: 1 Secret: 1 opened\n');
    expect(patches).toMatchObject([
      {
        path: '/api/v1/namespaces/hr/secrets/old',
        type: 'application/merge-patch+json',
        body: '{"metadata":{"resourceVersion":"7"}}',
      },
    ]);
  });

  test('opens bound values beside those of another tool, which stay', async () => {
    const mixed = { password: sealedFor('old'), other: sealedFor(undefined) };
    const body = secret('old', { password: opened, other: mixed.other });
    const onPatch = (): Reply => ({ status: 200, body });
    const { code, stdout, patches } = await run({ secrets: [secret('old', mixed)], onPatch });
    expect(stdout).toContain('failed  hr/old: data key "other": not bound to a Secret');
    expect([code, patches.length]).toEqual([1, 1]);
  });

  const conflict = status(409, 'Conflict', 'CANARY');

  test('that meets a change is tried again with the version that is there now', async () => {
    const newer = secret('old', { password: sealedFor('old') }, {}, { resourceVersion: '8' });
    const { code, stdout, patches } = await run({
      secrets: [newer],
      onPatch: (_, count) =>
        count === 1 ? conflict : { status: 200, body: secret('old', { password: opened }) },
      onGet: ({ query }) =>
        query.has('fieldSelector') ? 'list' : { status: 200, body: { items: [old] } },
    });
    expect([code, stdout]).toEqual([0, 'opened  hr/old: 1 value\n']);
    expect(patches.map(({ body }) => JSON.parse(body).metadata.resourceVersion)).toEqual([
      '7',
      '8',
    ]);
  });

  test.each<[string, Reply, readonly Secret[]]>([
    ['replaces the values', conflict, [secret('old', { password: opened })]],
    ['deletes the Secret', conflict, []],
    ['has deleted the Secret', status(404, 'NotFound', 'CANARY'), []],
  ])('needs nothing if somebody %s meanwhile', async (_, reply, now) => {
    const { code, stdout, patches } = await run({
      onPatch: () => reply,
      onGet: ({ query }) => ({
        status: 200,
        body: { items: query.has('fieldSelector') ? now : [old] },
      }),
    });
    expect([code, stdout, patches.length]).toEqual([0, '', 1]);
  });

  test('gives up a Secret that changes all the time, and goes on with the others', async () => {
    const other = secret('other', { password: sealedFor('other') });
    const { code, stdout, patches } = await run({
      secrets: [old, other],
      onPatch: (name) =>
        name === 'old' ? conflict : { status: 200, body: secret(name, { password: opened }) },
    });
    expect(stdout).toBe(
      'failed  hr/old: refused with status 409 (Conflict)\n' +
        '        hint: something changes the Secret all the time; run the command again\n' +
        'opened  hr/other: 1 value\n',
    );
    expect([code, patches.length]).toEqual([1, 6]);
  });

  const show = `${kubectl} -n hr patch secret old --type merge -p '{}' --dry-run=server`;
  const doctor = 'kseal doctor --cluster --kubeconfig kubeconfig';

  test.each<[string, Reply, string, string | undefined]>([
    [
      'without the right to patch',
      status(403, 'Forbidden', 'secrets "old" is forbidden: CANARY'),
      'refused with status 403 (Forbidden)',
      `${kubectl} auth can-i patch secrets -n hr`,
    ],
    [
      'that the webhook denies',
      status(400, 'BadRequest', denial('Secret hr/old, data key "password": sealed to key x')),
      denial('Secret hr/old, data key "password": sealed to key x'),
      undefined,
    ],
    [
      'without an answer of the webhook',
      status(
        500,
        'InternalError',
        'Internal error occurred: failed calling webhook "kseal-webhook.kseal.svc": no endpoints',
      ),
      'Internal error occurred: failed calling webhook "kseal-webhook.kseal.svc": no endpoints',
      doctor,
    ],
    [
      'that the policy denies',
      status(422, 'Invalid', "forbidden: ValidatingAdmissionPolicy 'kseal-unopened-values': no"),
      "forbidden: ValidatingAdmissionPolicy 'kseal-unopened-values': no",
      undefined,
    ],
    [
      'that another webhook denies, with a value in its message',
      status(400, 'BadRequest', 'admission webhook "other" denied the request: CANARY'),
      'refused with status 400 (BadRequest)',
      show,
    ],
    [
      'of an immutable Secret',
      status(422, 'Invalid', 'data: Forbidden: field is immutable: CANARY'),
      'refused with status 422 (Invalid)',
      show,
    ],
    [
      'that a proxy answers',
      { status: 502, body: '<html>CANARY' },
      'refused with status 502',
      show,
    ],
    [
      'with a status of other types',
      { status: 400, body: { message: { CANARY: 1 }, reason: 7 } },
      'refused with status 400 (7)',
      show,
    ],
    [
      'that leaves the value sealed, with a warning',
      {
        ...{ status: 200, body: old },
        warnings: [
          '299 - "CANARY of another"',
          '299 - "still sealed: unknown key x: data key \\"a\\""',
        ],
      },
      'still sealed: unknown key x: data key "a"',
      'run the command again when the webhook can use the key, or seal and apply the values again',
    ],
    [
      'that leaves the value sealed',
      { status: 200, body: old },
      'the webhook was not called',
      doctor,
    ],
  ])('%s is reported', async (_, reply, message, hint) => {
    const { code, stdout } = await run({ secrets: [old], onPatch: () => reply });
    const next = hint === undefined ? '' : `        hint: ${hint}\n`;
    expect(stdout).toBe(`failed  hr/old: ${message}\n${next}`);
    expect(code).toBe(1);
  });
});

describe('an API server', () => {
  test('whose list has several pages is read to its end, page by page', async () => {
    const { code, stdout, reads } = await run({
      onGet: ({ query }) => {
        const page = Number(query.get('continue') || '1');
        const metadata = { continue: page < 3 ? `${page + 1}` : '', remainingItemCount: 2 };
        const items = [secret(`s${page}`, { password: sealedFor(`s${page}`) })];
        return { status: 200, body: { metadata, items } };
      },
    });
    expect(code).toBe(0);
    expect(stdout).toBe([1, 2, 3].map((n) => `opened  hr/s${n}: 1 value\n`).join(''));
    expect(reads).toHaveLength(4);
  });

  test.each<[string, Reply, readonly string[], string, string]>([
    [
      'that denies the list',
      { status: 403, body: {} },
      [],
      'Secrets: no right to list secrets',
      'kseal webhook sweep -n NAMESPACE',
    ],
    [
      'that does not accept the user',
      { status: 401, body: {} },
      ['-n', 'hr'],
      'SERVER: the credentials of the kubeconfig are not accepted (status 401)',
      `${kubectl} get --raw /version`,
    ],
    [
      'whose list has a null',
      { status: 200, body: { items: [null] } },
      [],
      'SERVER: unexpected answer',
      `${kubectl} get --raw /version`,
    ],
    [
      'whose Secret has no name',
      { status: 200, body: { items: [{ data: old.data }] } },
      [],
      'SERVER: unexpected answer',
      `${kubectl} get --raw /version`,
    ],
  ])('%s is an error', async (_, reply, args, problem, hint) => {
    const { code, stdout, stderr } = await run({ onGet: () => reply, args });
    expect(stderr).toBe(`kseal: error: ${problem}\nkseal: hint: ${hint}\n`);
    expect([code, stdout]).toEqual([2, '']);
  });
});
