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

/** The HTTPS server with a given answer. */
export interface Mutating extends Target, Pick<Mutate, 'server' | 'use'> {
  readonly authority: Authority;
  readonly refused: readonly RefusedClient[];
  /** The requests that reached `answer`. */
  readonly posted: Posted[];
}

export interface MutatingOptions extends Partial<Omit<MutateOptions, 'times' | 'tls'>> {
  readonly times?: Partial<Times>;
  /** The CAs of clients; PEM. */
  readonly ca?: string;
}

const authority = makeAuthority();

/** Starts a server that ends with the test. */
export async function startMutating(options: MutatingOptions = {}): Promise<Mutating> {
  const { times, ca, answer = async () => 'ok', ...more } = options;
  const { cert: serverCa, issue } = await authority;
  const { cert, key } = await issue({ hosts: ['127.0.0.1'] });
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
  return { port, ca: serverCa, authority: await authority, server, use, refused, posted };
}
