#!/usr/bin/env node
const { main } = require('../dist/main.cjs');

// A handler, unlike the default action, lets a write finish first, and restores the terminal. A server
// and a question add their own handlers.
for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(code);
  });
}
main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
  // Node would first take down its heap.
  if (process.stdout.writableLength + process.stderr.writableLength === 0) process.exit();
  // An open socket, for example to a token service, must not delay the exit.
  setTimeout(() => process.exit(), 1000).unref();
});
