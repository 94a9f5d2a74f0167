#!/usr/bin/env node
import { systemIO } from '../dist/io.js';
import { main } from '../dist/main.js';

// A handler, unlike the default action, lets a write finish first. A server adds its own handler.
process.on('SIGINT', () => {
  if (process.listenerCount('SIGINT') === 1) process.exit(130);
});
process.exitCode = await main(process.argv.slice(2), systemIO());
// All output is written. An open socket, for example to a token service, must not delay the exit.
setTimeout(() => process.exit(), 1000).unref();
