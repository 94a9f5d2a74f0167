import type { RequestOptions } from 'node:https';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { within } from '../deadline.ts';
import { KsealError } from '../errors.ts';
import { isFile, readFile } from '../fs/read.ts';
import { shellWord } from '../text.ts';

/** How to find the cluster. */
export interface ClusterOptions {
  /** A kubeconfig file as it was typed; undefined: `KUBECONFIG`, `~/.kube/config`, or that of a pod. */
  readonly kubeconfig?: string | undefined;
  /** The name of a context; undefined: the current one. */
  readonly context?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** How long a request may take, in milliseconds. */
  readonly timeout?: number;
}

/** The cluster gave no answer, or refused to give one: what a check reports instead of its result. */
export class ClusterError extends Error {
  readonly outcome: 'failed' | 'skipped';
  readonly hint: string | undefined;

  constructor(outcome: 'failed' | 'skipped', message: string, hint?: string) {
    super(message);
    this.outcome = outcome;
    this.hint = hint;
  }
}

/** An object of the API server. */
export type ApiObject = Readonly<Record<string, unknown>>;

/** The answer to a request. */
export interface Answer {
  readonly status: number;
  /** Undefined if it is not a JSON object, such as the page of a proxy. */
  readonly body: ApiObject | undefined;
  /** The warnings of the API server and its webhooks (RFC 7234, code 299). */
  readonly warnings: readonly string[];
  /** Whether the body is longer than `MAX_BODY`. */
  readonly isTooLong?: boolean;
}

/** The API server. Only `patch` writes. */
export interface Cluster {
  readonly server: string;
  /** The command that shows whether kubectl gets an answer. */
  readonly hint: string;
  /** The options of a command that reaches the same cluster, after a space: ` --context prod`. */
  readonly flags: string;
  /** The namespace of the context. */
  readonly namespace: string | undefined;
  /**
   * Reads an object; undefined if there is none. `right` is what messages call the permission to do
   * so: `get deployments in kseal`. Throws a ClusterError.
   */
  get(path: string, right: string): Promise<ApiObject | undefined>;
  /** Reads a list page by page. Throws a ClusterError. */
  pages(path: string, right: string): AsyncIterable<readonly ApiObject[]>;
  /**
   * Sends a JSON merge patch (RFC 7386). Resolves to the answer, whatever its status is. Throws a
   * ClusterError without an answer.
   */
  patch(path: string, change: ApiObject): Promise<Answer>;
}

const MAX_KUBECONFIG = 16 * 1024 * 1024;

/** The longest answer, in bytes: a page has as many objects as fit. */
const MAX_BODY = 16 * 1024 * 1024;
const PAGE = 250;

/** The problem with an answer that no API server gives. */
export const UNEXPECTED = 'unexpected answer';

/** How long one request may take; milliseconds. */
const REQUEST = 10_000;
/** How many times as long all pages of a list may take: it need not end. */
const PAGES = 30;
/** How many times as long a write may take: webhooks have up to 30 seconds to answer. */
const WRITE = 4;
/** How long a program that gets credentials may take: it may ask a server; milliseconds. */
const CREDENTIALS = 30_000;

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * Reads the kubeconfig and gets the credentials, without a request to the API server. Throws IO or
 * CONFIG_INVALID for the kubeconfig, and a ClusterError if there are no credentials.
 */
export async function connect(options: ClusterOptions): Promise<Cluster> {
  const config = await kubeConfigFrom(options);
  const { context: name = config.getCurrentContext() } = options;
  const context = name ? config.getContextObject(name) : null;
  const cluster = context && config.getCluster(context.cluster);
  if (!context || !cluster) throw contextMissing(options, name);
  if (!isHttps(cluster.server))
    throw invalid(`context ${name}`, 'the server is not an https:// address');
  config.setCurrentContext(name);
  const flags = flagsOf(options);
  const hint = `kubectl${flags} get --raw /version`;
  const request = await credentialsFrom(config, hint);
  const { timeout = REQUEST } = options;
  const send = (path: string, change?: ApiObject) => {
    const url = new URL(path, `${cluster.server.replace(/\/+$/, '')}/`);
    return change === undefined
      ? answerTo(url, request, timeout)
      : answerTo(url, request, WRITE * timeout, JSON.stringify(change));
  };
  const client = { server: cluster.server, send, hint, timeout };
  return {
    server: cluster.server,
    hint,
    flags,
    namespace: context.namespace,
    get: (path, right) => getWith(client, path, right),
    pages: (path, right) => pagesWith(client, path, right),
    patch: (path, change) => sent(client, path, change),
  };
}

async function kubeConfigFrom(options: ClusterOptions): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const { kubeconfig, env, cwd } = options;
  const [first, ...others] = kubeconfig === undefined ? filesFrom(env, cwd) : [kubeconfig];
  const config = new KubeConfig();
  if (first !== undefined) {
    loadFile(config, cwd, first);
    for (const file of others) merge(config, loadFile(new KubeConfig(), cwd, file));
  } else if (isFile(SERVICE_ACCOUNT)) config.loadFromCluster();
  else throw invalid('kubeconfig', 'not found', 'pass --kubeconfig FILE');
  return config;
}

/** The files that kubectl reads. */
function filesFrom(env: ClusterOptions['env'], cwd: string): readonly string[] {
  const isThere = (file: string) => isFile(resolve(cwd, file));
  if (env.KUBECONFIG) {
    const named = env.KUBECONFIG.split(delimiter).filter((file) => file !== '');
    const found = named.filter(isThere);
    // A single missing file is an error, but kubectl skips one of several.
    return found.length > 0 ? found : named.slice(0, 1);
  }
  const home = env.HOME ?? env.USERPROFILE;
  return home === undefined ? [] : [join(home, '.kube', 'config')].filter(isThere);
}

function loadFile(config: KubeConfig, cwd: string, file: string): KubeConfig {
  const path = resolve(cwd, file);
  const text = readFile(path, file, MAX_KUBECONFIG).toString('utf8');
  try {
    config.loadFromString(text);
    config.makePathsAbsolute(dirname(path));
    for (const { exec } of config.users) if (exec) exec.command = commandBeside(path, exec.command);
  } catch {
    // The error may quote a token.
    throw invalid(file, 'not a kubeconfig', `kubectl --kubeconfig ${shellWord(file)} config view`);
  }
  return config;
}

/** A path is relative to the kubeconfig, and never to the current folder; a name is in PATH. */
function commandBeside(kubeconfig: string, command: string): string {
  return /[\\/]/.test(command) ? resolve(dirname(kubeconfig), command) : command;
}

/** Adds what the first file does not have, as kubectl does. */
function merge(config: KubeConfig, other: KubeConfig): void {
  const names = (all: readonly { readonly name: string }[]) => new Set(all.map((one) => one.name));
  const [clusters, users, contexts] = [config.clusters, config.users, config.contexts].map(names);
  for (const one of other.clusters) if (!clusters?.has(one.name)) config.addCluster(one);
  for (const one of other.users) if (!users?.has(one.name)) config.addUser(one);
  for (const one of other.contexts) if (!contexts?.has(one.name)) config.addContext(one);
  config.setCurrentContext(config.getCurrentContext() || other.getCurrentContext());
}

function contextMissing(options: ClusterOptions, name: string): KsealError {
  const hint = `kubectl${flagsOf({ ...options, context: undefined })} config get-contexts`;
  return name
    ? invalid(`context ${name}`, 'not in the kubeconfig, or without a cluster', hint)
    : invalid('kubeconfig', 'no current context', `${hint}, then pass --context NAME`);
}

function flagsOf({ kubeconfig, context }: ClusterOptions): string {
  const file = kubeconfig === undefined ? '' : ` --kubeconfig ${shellWord(kubeconfig)}`;
  return `${file}${context === undefined ? '' : ` --context ${shellWord(context)}`}`;
}

const isHttps = (url: string) => URL.canParse(url) && new URL(url).protocol === 'https:';

/** The certificates and headers of the user, which a program may have to get. */
async function credentialsFrom(config: KubeConfig, hint: string): Promise<RequestOptions> {
  const user = config.getCurrentUser();
  if (user?.exec) Object.assign(user, { exec: withExecInfo(user.exec, config) });
  const request: RequestOptions = {};
  const failed = (problem: string) =>
    new ClusterError('failed', `user ${user?.name}: ${problem}`, hint);
  try {
    const late = (): never => {
      throw failed('no credentials within 30 seconds');
    };
    await within(CREDENTIALS, config.applyToHTTPSOptions(request), late);
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    const { code, syscall, path } = error as NodeJS.ErrnoException;
    if (syscall === 'open' && path !== undefined)
      throw invalid(path, 'named by the kubeconfig, but cannot be read');
    // Other errors have the output of a program, and may quote a token.
    throw failed(code === 'ENOENT' ? `cannot run ${path}` : 'cannot get credentials');
  }
  return request;
}

/** Adds the variable that a credential plugin expects, which the package omits. */
function withExecInfo(exec: ExecConfig, config: KubeConfig): ExecConfig {
  const { server, caData, tlsServerName, skipTLSVerify } = config.getCurrentCluster() ?? {};
  const cluster = {
    ...{ server, 'certificate-authority-data': caData },
    ...{ 'tls-server-name': tlsServerName, 'insecure-skip-tls-verify': skipTLSVerify },
  };
  const spec = { interactive: false, ...(exec.provideClusterInfo ? { cluster } : {}) };
  const info = { kind: 'ExecCredential', apiVersion: exec.apiVersion, spec };
  const variable = { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) };
  return { ...exec, env: [variable, ...(exec.env ?? [])] };
}

interface ExecConfig {
  readonly apiVersion?: string;
  readonly provideClusterInfo?: boolean;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

interface Client {
  readonly server: string;
  readonly send: (path: string, change?: ApiObject) => Promise<Answer>;
  readonly hint: string;
  readonly timeout: number;
}

async function getWith(
  client: Client,
  path: string,
  right: string,
): Promise<ApiObject | undefined> {
  const answer = await sent(client, path);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200 || answer.body === undefined) throw refusal(client, answer, right);
  return answer.body;
}

/**
 * Asks for fewer objects if a page is too long, and goes on with the token of an expired list. The
 * limit of time excludes what the caller does with a page.
 */
async function* pagesWith(client: Client, path: string, right: string) {
  let limit = PAGE;
  let token: string | undefined = '';
  let left = PAGES * client.timeout;
  while (token !== undefined) {
    if (left < 0) throw failureOf(client, LATE);
    const start = Date.now();
    const query = `${path.includes('?') ? '&' : '?'}limit=${limit}&continue=${encodeURIComponent(token)}`;
    const answer = await sent(client, `${path}${query}`);
    left -= Date.now() - start;
    if (answer.status === 200 && answer.isTooLong && limit > 1) {
      limit = Math.ceil(limit / 4);
      continue;
    }
    const next: string | undefined = continueOf(answer);
    const isExpired = answer.status === 410 && next !== undefined && next !== token;
    if (!isExpired) {
      const items = answer.status === 200 ? itemsOf(answer) : undefined;
      if (items === undefined) throw refusal(client, answer, right);
      yield items;
    }
    token = next;
  }
}

function continueOf({ body }: Answer): string | undefined {
  const { continue: token } = (body?.metadata ?? {}) as { continue?: unknown };
  return typeof token === 'string' && token !== '' ? token : undefined;
}

/** Undefined for an answer that is not a list. An empty list may be null. */
function itemsOf({ body }: Answer): readonly ApiObject[] | undefined {
  const items = body?.items === null ? [] : body?.items;
  return Array.isArray(items) ? items : undefined;
}

async function sent(client: Client, path: string, change?: ApiObject): Promise<Answer> {
  try {
    return await client.send(path, change);
  } catch (error) {
    const { code = '', name } = error as NodeJS.ErrnoException;
    const problem = name === 'AbortError' ? LATE : (reasons[code] ?? connecting(code));
    throw failureOf(client, problem);
  }
}

const failureOf = ({ server, hint }: Client, problem: string) =>
  new ClusterError('failed', `${server}: ${problem}`, hint);

const LATE = 'no answer in time';
const untrusted = 'the certificate of the server is not signed by the CA of the kubeconfig';

/** The error codes of Node.js and OpenSSL, in words. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed by the other side',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the host',
  ETIMEDOUT: LATE,
  ENOTFOUND: 'unknown host name',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate of the server is for another host name',
  CERT_HAS_EXPIRED: 'the certificate of the server has expired',
  CERT_NOT_YET_VALID: 'the certificate of the server is not valid yet',
  CERT_SIGNATURE_FAILURE: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
};

const connecting = (code: string) => `cannot connect${code === '' ? '' : `: ${code}`}`;

function refusal(client: Client, answer: Answer, right: string): ClusterError {
  const { status, isTooLong } = answer;
  if (status === 403) return new ClusterError('skipped', `no right to ${right}`);
  const problems: Record<number, string> = {
    200: isTooLong ? 'answer that is too long' : UNEXPECTED,
    401: 'the credentials of the kubeconfig are not accepted (status 401)',
  };
  return failureOf(client, problems[status] ?? `status ${status}`);
}

/**
 * Sends a GET request, or a merge patch. Rejects with an error of Node.js if there is no whole answer
 * in time.
 */
async function answerTo(
  url: URL,
  options: RequestOptions,
  timeout: number,
  patch?: string,
): Promise<Answer> {
  const { request } = await import('node:https');
  const signal = AbortSignal.timeout(timeout);
  return new Promise((settle, reject) => {
    const accept = 'application/json';
    const headers =
      patch === undefined
        ? { ...options.headers, accept }
        : { ...options.headers, accept, 'content-type': 'application/merge-patch+json' };
    const method = patch === undefined ? 'GET' : 'PATCH';
    const sending = request(url, { ...options, method, headers, signal }, (response) => {
      const { statusCode: status = 0, headersDistinct } = response;
      const warnings = (headersDistinct.warning ?? []).flatMap(warningIn);
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MAX_BODY) chunks.push(chunk);
        else {
          settle({ status, body: undefined, warnings, isTooLong: true });
          response.destroy();
        }
      });
      response.on('end', () => settle({ status, body: objectIn(Buffer.concat(chunks)), warnings }));
    });
    sending.on('error', reject);
    sending.end(patch);
  });
}

/** The text of a Warning header: `299 - "text"`. */
function warningIn(header: string): string[] {
  const [, text] = /^299 \S+ "(.*)"/s.exec(header) ?? [];
  return text === undefined ? [] : [text.replace(/\\(.)/gs, '$1')];
}

function objectIn(bytes: Buffer): ApiObject | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as ApiObject) : undefined;
  } catch {
    return undefined;
  }
}

function invalid(thing: string, problem: string, hint?: string): KsealError {
  return new KsealError('CONFIG_INVALID', problem, { thing, hint });
}
