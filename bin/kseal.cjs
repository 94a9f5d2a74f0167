#!/usr/bin/env node
const { systemIO } = require('../dist/io.cjs');
const { main } = require('../dist/main.cjs');

// A handler, unlike the default action, lets a write finish first, and restores the terminal. A server
// and a question add their own handlers.
for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(code);
  });
}
main(process.argv.slice(2), systemIO()).then((code) => {
  process.exitCode = code;
  // All output is written. An open socket, for example to a token service, must not delay the exit.
  setTimeout(() => process.exit(), 1000).unref();
});
