import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ClusterError, type ClusterOptions, connect } from '../../src/doctor/kubernetes.ts';
import {
  authority,
  kubeconfigText,
  otherAuthority,
  type Reply,
  type Request,
  startServer,
  writeKubeconfig,
} from '../helpers/api-server.ts';
import { rejectionOf } from '../jwe/thrown.ts';
import { freshFolder } from '../webhook/common.ts';

const answer = (body: unknown, status = 200): Reply => ({ status, body });

/** Options for a kubeconfig in a new folder. */
async function optionsFor(
  reply: (request: Request) => Reply,
  more: { user?: object; ca?: typeof authority; namespace?: string } = {},
): Promise<ClusterOptions & { readonly cwd: string }> {
  const cwd = freshFolder();
  const kubeconfig = writeKubeconfig(cwd, { server: await startServer(reply), ...more });
  return { kubeconfig, env: {}, cwd };
}

/** The outcome, message and hint of the ClusterError that a promise is rejected with. */
async function obstacleOf(promise: Promise<unknown>) {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ClusterError);
  const { outcome, message, hint } = error as ClusterError;
  return { outcome, message, hint };
}

const get = async (options: ClusterOptions) => (await connect(options)).get('/one', 'get ones');

async function list(options: ClusterOptions) {
  const pages: (readonly unknown[])[] = [];
  const { pages: read } = await connect(options);
  for await (const page of read('/all', 'list alls')) pages.push(page);
  return pages;
}

describe('the kubeconfig', () => {
  test('gives a token, the namespace, and the beginning of commands to paste', async () => {
    const options = await optionsFor(({ authorization }) => answer({ authorization }), {
      user: { token: 'CANARY-token' },
      namespace: 'hr',
    });
    const cluster = await connect({ ...options, context: 'test' });
    expect(cluster).toMatchObject({
      namespace: 'hr',
      flags: ' --kubeconfig kubeconfig --context test',
    });
    expect(await cluster.get('/one', 'get ones')).toEqual({
      authorization: 'Bearer CANARY-token',
    });
  });

  test('gives a client certificate, from files beside it', async () => {
    const { cert, key } = await authority.issue({ subject: 'CN=jane', use: 'client' });
    const user = { 'client-certificate': 'jane.crt', 'client-key': 'jane.key' };
    const options = await optionsFor(({ client }) => answer({ client }), { user });
    writeFileSync(join(options.cwd, 'jane.crt'), cert);
    writeFileSync(join(options.cwd, 'jane.key'), key);
    expect(await get(options)).toEqual({ client: 'jane' });
  });

  test('gets a token from a credential plugin, which learns that it cannot ask anybody', async () => {
    const script = `
      const { spec, apiVersion } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
      const token = [process.env.NAMED, spec.interactive, spec.cluster.server.length > 0].join();
      console.log(JSON.stringify({ apiVersion, kind: 'ExecCredential', status: { token } }));`;
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['-e', script],
      env: [{ name: 'NAMED', value: 'yes' }],
      provideClusterInfo: true,
    };
    const options = await optionsFor(({ authorization }) => answer({ authorization }), {
      user: { exec },
    });
    expect(await get(options)).toEqual({ authorization: 'Bearer yes,false,true' });
  });

  test.each([
    ['fails', ['-e', 'console.error("CANARY-output"); process.exit(1)'], 'cannot get credentials'],
    ['prints something else', ['-e', 'console.log("CANARY-output")'], 'cannot get credentials'],
  ])('reports a credential plugin that %s, without its output', async (_, args, problem) => {
    const user = { exec: { command: process.execPath, args } };
    const options = await optionsFor(() => answer({}), { user });
    expect(await obstacleOf(connect(options))).toEqual({
      outcome: 'failed',
      message: `user me: ${problem}`,
      hint: 'kubectl --kubeconfig kubeconfig get --raw /version',
    });
  });

  test('runs a credential plugin beside it, and never one in the current folder', async () => {
    const cwd = freshFolder();
    mkdirSync(join(cwd, 'config'));
    const exec = { command: './plugin' };
    const kubeconfig = 'config/kubeconfig';
    writeFileSync(join(cwd, kubeconfig), kubeconfigText({ server, user: { exec } }));
    const { message } = await obstacleOf(connect({ kubeconfig, env: {}, cwd }));
    expect(message).toBe(`user me: cannot run ${join(cwd, 'config', 'plugin')}`);
  });

  test('reports a credential plugin that is missing', async () => {
    const user = { exec: { command: '/nowhere/plugin' } };
    const { message } = await obstacleOf(connect(await optionsFor(() => answer({}), { user })));
    expect(message).toBe('user me: cannot run /nowhere/plugin');
  });

  const server = 'https://127.0.0.1:1';

  test.each<[string, string, string | undefined, object]>([
    ['is not YAML', '{ CANARY: [', undefined, { message: 'kubeconfig: not a kubeconfig' }],
    ['is a list', '[CANARY]', undefined, { message: 'kubeconfig: no current context' }],
    ['is empty', '', undefined, { message: 'kubeconfig: not a kubeconfig' }],
    [
      'has an entry without a name',
      '{ clusters: [{ cluster: { server: CANARY } }] }',
      undefined,
      { message: 'kubeconfig: not a kubeconfig' },
    ],
    [
      'does not have the context',
      kubeconfigText({ server }),
      'prod',
      {
        message: 'context prod: not in the kubeconfig, or without a cluster',
        hint: 'kubectl --kubeconfig kubeconfig config get-contexts',
      },
    ],
    [
      'does not have the cluster of the context',
      kubeconfigText({ server }),
      'broken',
      { message: 'context broken: not in the kubeconfig, or without a cluster' },
    ],
    [
      'would send a token unencrypted',
      kubeconfigText({ server: 'http://127.0.0.1:1' }),
      undefined,
      { message: 'context test: the server is not an https:// address' },
    ],
    [
      'names a file that is missing',
      kubeconfigText({ server, user: { 'client-certificate': '/nowhere/jane.crt' } }),
      undefined,
      { message: '/nowhere/jane.crt: named by the kubeconfig, but cannot be read' },
    ],
  ])('that %s is an error', async (_, text, context, error) => {
    const cwd = freshFolder();
    writeFileSync(join(cwd, 'kubeconfig'), text);
    const thrown = await rejectionOf(connect({ kubeconfig: 'kubeconfig', context, env: {}, cwd }));
    expect(thrown).toMatchObject({ code: 'CONFIG_INVALID', ...error });
    expect(JSON.stringify(thrown)).not.toContain('CANARY');
  });

  test('that is missing is an error', async () => {
    const [cwd, kubeconfig] = [freshFolder(), 'kubeconfig'];
    expect(await rejectionOf(connect({ kubeconfig, env: {}, cwd }))).toMatchObject({
      code: 'IO',
      message: 'kubeconfig: no such file',
    });
    expect(await rejectionOf(connect({ env: { HOME: cwd }, cwd }))).toMatchObject({
      message: 'kubeconfig: not found',
    });
    expect(await rejectionOf(connect({ env: { KUBECONFIG: 'none' }, cwd }))).toMatchObject({
      message: 'none: no such file',
    });
  });

  test('is found in the home folder', async () => {
    const home = freshFolder();
    mkdirSync(join(home, '.kube'));
    writeKubeconfig(home, { server }, '.kube/config');
    expect(await connect({ env: { HOME: home }, cwd: freshFolder() })).toMatchObject({
      server,
      flags: '',
    });
  });

  test('is found with KUBECONFIG, whose first file wins and whose missing files are skipped', async () => {
    const cwd = freshFolder();
    writeKubeconfig(cwd, { server }, 'first');
    writeKubeconfig(cwd, { server: 'https://other:1' }, 'second');
    const users = { users: [{ name: 'more', user: {} }] };
    writeFileSync(join(cwd, 'third'), JSON.stringify({ clusters: [], contexts: [], ...users }));
    const KUBECONFIG = ['none', 'first', 'second', '', 'third'].join(delimiter);
    expect((await connect({ env: { KUBECONFIG }, cwd })).server).toBe(server);
  });
});

describe('a request', () => {
  test('for an object that does not exist is answered with undefined', async () => {
    expect(await get(await optionsFor(() => answer({}, 404)))).toBeUndefined();
  });

  test.each<[string, Reply, object]>([
    [
      'that is not allowed names the right',
      answer({ message: 'CANARY' }, 403),
      { outcome: 'skipped', message: 'no right to get ones', hint: undefined },
    ],
    [
      'with credentials that are not accepted fails',
      answer({ message: 'CANARY' }, 401),
      { outcome: 'failed', message: expect.stringMatching('not accepted .status 401.$') },
    ],
    [
      'that the server cannot answer fails',
      answer('<html>CANARY', 503),
      { outcome: 'failed', message: expect.stringMatching(/:\d+: status 503$/) },
    ],
  ])('%s', async (_, reply, error) => {
    const obstacle = await obstacleOf(get(await optionsFor(() => reply)));
    expect(obstacle).toMatchObject(error);
    expect(JSON.stringify(obstacle)).not.toContain('CANARY');
  });

  test('that is never answered ends', async () => {
    const options = { ...(await optionsFor(() => undefined)), timeout: 50 };
    expect((await obstacleOf(get(options))).message).toMatch(/: no answer in time$/);
  });

  test('to change an object that is never answered ends', async () => {
    const options = { ...(await optionsFor(() => undefined)), timeout: 15 };
    const change = async () => (await connect(options)).patch('/one', {});
    expect((await obstacleOf(change())).message).toMatch(/: no answer in time$/);
  });

  test.each<[string, string | undefined, string]>([
    ['a port on which nothing listens', 'https://127.0.0.1:1', 'connection refused'],
    ['a server with another CA', undefined, 'not signed by the CA of the kubeconfig'],
  ])('to %s fails', async (_, known, problem) => {
    const server = known ?? (await startServer(() => answer({})));
    const cwd = freshFolder();
    const kubeconfig = writeKubeconfig(cwd, { server, ca: otherAuthority });
    const { outcome, message } = await obstacleOf(get({ kubeconfig, env: {}, cwd }));
    expect([outcome, message]).toEqual(['failed', expect.stringContaining(problem)]);
  });

  test('to a server whose certificate is for another host fails', async () => {
    const server = (await startServer(() => answer({}))).replace('127.0.0.1', 'localhost');
    const cwd = freshFolder();
    const kubeconfig = writeKubeconfig(cwd, { server });
    expect((await obstacleOf(get({ kubeconfig, env: {}, cwd }))).message).toMatch(
      /: the certificate of the server is for another host name$/,
    );
  });
});

describe('a list', () => {
  const page = (items: readonly unknown[], next?: string) =>
    answer({ metadata: { continue: next }, items });

  test('is read page by page', async () => {
    const queries: string[] = [];
    const options = await optionsFor(({ query }) => {
      queries.push(`${query}`);
      const next = { '': 'a+b', 'a+b': 'c' }[query.get('continue') ?? ''];
      return page([query.get('continue')], next);
    });
    expect(await list(options)).toEqual([[''], ['a+b'], ['c']]);
    expect(queries).toEqual([
      'limit=250&continue=',
      'limit=250&continue=a%2Bb',
      'limit=250&continue=c',
    ]);
  });

  test('goes on with the new token when the old one expires', async () => {
    const options = await optionsFor(({ query }) => {
      const token = query.get('continue');
      if (token === 'old') return answer({ metadata: { continue: 'new' } }, 410);
      return page([token], token === '' ? 'old' : undefined);
    });
    expect(await list(options)).toEqual([[''], ['new']]);
  });

  test('that expires for good fails', async () => {
    const options = await optionsFor(({ query }) =>
      query.get('continue') === '' ? page([], 'old') : answer({}, 410),
    );
    expect((await obstacleOf(list(options))).message).toMatch(/: status 410$/);
  });

  test('with a page that is too long is read in shorter pages', async () => {
    const large = 'x'.repeat(1_000_000);
    const limits: string[] = [];
    const options = await optionsFor(({ query }) => {
      limits.push(query.get('limit') ?? '');
      return page(Array(Math.min(Number(query.get('limit')), 20)).fill(large));
    });
    expect((await list(options)).map(({ length }) => length)).toEqual([16]);
    expect(limits).toEqual(['250', '63', '16']);
  });

  test('of objects that are too long fails', async () => {
    const options = await optionsFor(() => answer(' '.repeat(17 * 1024 * 1024)));
    expect((await obstacleOf(list(options))).message).toMatch(/: answer that is too long$/);
  });

  test.each([
    ['not JSON', '<html>CANARY</html>'],
    ['a JSON text', '"CANARY"'],
    ['not a list', '{}'],
    ['a list of another kind', '{"items":{}}'],
  ])('that is %s fails, and is not empty', async (_, body) => {
    const { outcome, message } = await obstacleOf(list(await optionsFor(() => answer(body))));
    expect([outcome, message]).toEqual(['failed', expect.stringMatching(/: unexpected answer$/)]);
  });

  test('without items is empty', async () => {
    expect(await list(await optionsFor(() => answer({ items: null })))).toEqual([[]]);
  });

  test('that never ends fails', async () => {
    let count = 0;
    const options = { ...(await optionsFor(() => page([], `${++count}`))), timeout: 20 };
    expect((await obstacleOf(list(options))).message).toMatch(/: no answer in time$/);
  });
});
