#!/usr/bin/env node
import { systemIO } from '../dist/io.js';
import { main } from '../dist/main.js';

// A handler lets a write that has begun end before the process does. A server has its own.
process.on('SIGINT', () => {
  if (process.listenerCount('SIGINT') === 1) process.exit(130);
});
process.exitCode = await main(process.argv.slice(2), systemIO());
// All is written. A socket that hangs, of a token service say, must not keep the process waiting.
setTimeout(() => process.exit(), 1000).unref();
