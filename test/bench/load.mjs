// A light process that loads the webhook, so that the server has the other cores:
//   node test/bench/load.mjs '{"port": 8443, "ca": "PEM", "review": "…", "count": 100, "parallel": 8}'
// It posts one review again and again over as many kept connections as run in parallel, and
// prints the milliseconds that took. Every answer must have opened all values.
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';

const { port, ca, review, count, parallel } = JSON.parse(readFileSync(0, 'utf8'));
const agent = new Agent({ ca, keepAlive: true, maxSockets: parallel });

function post() {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        agent,
        path: '/mutate?timeout=30s',
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(review),
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => {
          if (text.includes('"patch":')) resolve();
          else reject(new Error(text));
        });
      },
    );
    sent.on('error', reject);
    sent.end(review);
  });
}

let left = count;
async function client() {
  while (left-- > 0) await post();
}

// The first on each connection pays for its handshake.
await Promise.all(Array.from({ length: parallel }, post));
const begun = performance.now();
await Promise.all(Array.from({ length: parallel }, client));
process.stdout.write(`${performance.now() - begun}\n`);
agent.destroy();
