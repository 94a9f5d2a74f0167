// Puts load on the webhook, in a process with little work of its own. Reads from stdin:
//   {"port": 8443, "ca": "PEM", "review": "…", "count": 100, "parallel": 8}
// Posts the review `count` times over `parallel` connections, and prints the duration in
// milliseconds. Fails unless every answer has a patch.
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';

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
      async (response) => {
        const answer = await text(response).catch(reject);
        if (answer?.includes('"patch":')) resolve();
        else reject(new Error(answer));
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

// The handshakes are not measured.
await Promise.all(Array.from({ length: parallel }, post));
const begun = performance.now();
await Promise.all(Array.from({ length: parallel }, client));
process.stdout.write(`${performance.now() - begun}\n`);
agent.destroy();
