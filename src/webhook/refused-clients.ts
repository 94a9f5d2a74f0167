import type { RefusedClient } from './clients.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

const MINUTE = 60_000;

/**
 * Counts the clients that are refused, and tells why: whoever set up the API server or the
 * certificates looks for it in this log. Of each reason one is told a minute, for anybody may
 * knock. `now` gives milliseconds.
 */
export function refusedClients(
  { log, metrics }: { readonly log: Log; readonly metrics: Pick<Metrics, 'refusedClients'> },
  now = () => performance.now(),
): (client: RefusedClient) => void {
  const told = new Map<string, number>();
  return (client) => {
    metrics.refusedClients.inc();
    const isTold = (told.get(client.code) ?? Number.NEGATIVE_INFINITY) > now() - MINUTE;
    // Who only tries whether the port is open goes away without a word.
    if (isTold || client.code === 'ECONNRESET') return;
    told.set(client.code, now());
    log.write('warn', 'a client is refused', { ...client });
  };
}
