import { generateKeyPair } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { KsealError } from '../errors.ts';
import { checkWritable, removeFile, writeFile } from '../fs/write.ts';
import { describeKid, kidOf } from '../jwe/thumbprint.ts';
import { MAX_BITS, MIN_BITS, WEAK_BITS } from '../keys/key-file.ts';
import { shellWord } from '../text.ts';
import type { IO } from './io.ts';
import { say, warn } from './print.ts';

export function configure(command: Command, io: IO): void {
  command
    .requiredOption('-o, --output <prefix>', 'write PREFIX.pem (private, mode 0600) and PREFIX.pub')
    .option('--bits <n>', 'length of the RSA modulus', '4096')
    .action(({ output, bits }) => keygen(io, output, bits));
}

async function keygen(io: IO, prefix: string, bitsText: string): Promise<void> {
  if (/(^|[\\/])$/.test(prefix)) {
    throw new KsealError('USAGE', '-o takes the beginning of the file names', {
      hint: '-o prod makes prod.pem and prod.pub',
    });
  }
  const bits = Number(bitsText);
  if (!Number.isInteger(bits) || bits < MIN_BITS || bits > MAX_BITS || bits % 8 !== 0) {
    throw new KsealError(
      'USAGE',
      `--bits must be a multiple of 8 from ${MIN_BITS} to ${MAX_BITS}`,
      {
        hint: '--bits 4096',
      },
    );
  }
  const [pem, pub] = [`${prefix}.pem`, `${prefix}.pub`];
  for (const path of [pem, pub]) {
    if (existsSync(resolve(io.cwd, path))) throw exists(path);
    checkWritable(resolve(io.cwd, path), path);
  }
  if (bits < WEAK_BITS) warn(io, { message: `${bits} bits are few; 3072 or more are advised` });
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: bits,
    publicExponent: 65537,
  });
  const texts = [
    [pem, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), true],
    [pub, pair.publicKey.export({ type: 'spki', format: 'pem' }), false],
  ] as const;
  const written: string[] = [];
  try {
    for (const [path, text, confidential] of texts) {
      writeFile(resolve(io.cwd, path), path, Buffer.from(text), { force: false, confidential });
      written.push(path);
    }
  } catch (error) {
    // Half a pair is of no use to anyone.
    for (const path of written) removeFile(resolve(io.cwd, path));
    throw error;
  }
  say(io, 'note', `wrote ${pem} (private: keep it out of Git) and ${pub}`);
  say(io, 'note', `key ${describeKid(await kidOf(pair.publicKey))}, RSA-${bits}`);
}

function exists(path: string): KsealError {
  return new KsealError(
    'OUTPUT_EXISTS',
    `${path}: exists already, and a key is never overwritten`,
    {
      hint: `choose another name: kseal keygen -o ${shellWord(`${path.replace(/\.\w+$/, '')}-2`)}`,
    },
  );
}
