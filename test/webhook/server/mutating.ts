import { onTestFinished } from 'vitest';
import type { Posted } from '../../../src/webhook/server/handler.ts';
import {
  type Mutate,
  type MutateOptions,
  mutateServer,
  type RefusedClient,
} from '../../../src/webhook/server/https.ts';
import { listen } from '../../../src/webhook/server/serve.ts';
import { defaultTimes, type Times } from '../../../src/webhook/server/settings.ts';
import { type Authority, makeAuthority } from '../../helpers/certificates.ts';
import type { Target } from './https.ts';

/** The HTTPS server alone, with an answer of the test's. */
export interface Mutating extends Target, Pick<Mutate, 'server' | 'use'> {
  readonly authority: Authority;
  readonly refused: readonly RefusedClient[];
  /** The bodies that came through. */
  readonly posted: Posted[];
}

export interface MutatingOptions extends Partial<Omit<MutateOptions, 'times' | 'tls'>> {
  readonly times?: Partial<Times>;
  /** The authorities of clients; PEM. */
  readonly ca?: string;
}

/** A promise, and what fulfils it. */
export function gate() {
  let finish = () => {};
  const promise = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return { promise, finish };
}

/** Starts one that is ended when the test is over. */
export async function startMutating(options: MutatingOptions = {}): Promise<Mutating> {
  const { times, ca, answer = async () => 'ok', ...more } = options;
  const authority = await makeAuthority();
  const { cert, key } = await authority.issue({ hosts: ['127.0.0.1'] });
  const posted: Posted[] = [];
  const refused: RefusedClient[] = [];
  const { server, use } = await mutateServer({
    tls: {
      cert: Buffer.from(cert),
      key: Buffer.from(key),
      ca: ca === undefined ? undefined : Buffer.from(ca),
      notAfter: Date.now() + 86_400_000,
    },
    clientNames: undefined,
    onRefusedClient: (client) => void refused.push(client),
    isDraining: () => false,
    answer: (review) => {
      posted.push(review);
      return answer(review);
    },
    times: { ...defaultTimes, ...times },
    ...more,
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const onError = (code: string) => {
    throw new Error(code);
  };
  const port = await listen(server, { host: '127.0.0.1', port: 0, onError }, '--port');
  return {
    port,
    ca: authority.cert,
    authority,
    server,
    use,
    refused,
    posted,
  };
}
