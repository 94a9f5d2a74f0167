import { generateKeyPair, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { KsealError } from '../errors.ts';
import { checkWritable, replaceFiles } from '../fs/write.ts';
import { MAX_BITS, MIN_BITS } from '../jwe/compact.ts';
import { describeKid, kidOf } from '../jwe/thumbprint.ts';
import { publicKeyText } from '../keys/key-file.ts';
import type { IO } from './io.ts';
import { commandLine, warnAboutKey } from './options.ts';
import { say } from './print.ts';

export function configure(command: Command, io: IO): void {
  command
    .requiredOption('-o, --output <prefix>', 'write PREFIX.pem (private, mode 0600) and PREFIX.pub')
    .option('--bits <n>', 'the size of the RSA key in bits', DEFAULT_BITS)
    .action(({ output, bits }) => keygen(io, output, bits));
}

const DEFAULT_BITS = '4096';

function commandFor(prefix: string, bits: string): string {
  return commandLine('kseal keygen', {
    '-o': prefix,
    '--bits': bits === DEFAULT_BITS ? undefined : bits,
  });
}

async function keygen(io: IO, prefix: string, bitsText: string): Promise<void> {
  if (/(^|[\\/])$/.test(prefix)) {
    throw new KsealError('USAGE', '-o takes a prefix for the names of two files', {
      hint: commandFor(`${prefix}prod`, bitsText),
    });
  }
  const bits = Number(bitsText);
  if (!Number.isInteger(bits) || bits < MIN_BITS || bits > MAX_BITS || bits % 8 !== 0) {
    throw new KsealError(
      'USAGE',
      `--bits must be a multiple of 8 from ${MIN_BITS} to ${MAX_BITS}`,
      { hint: commandFor(prefix, DEFAULT_BITS) },
    );
  }
  const [pem, pub] = [`${prefix}.pem`, `${prefix}.pub`];
  for (const path of [pem, pub]) {
    if (existsSync(resolve(io.cwd, path))) throw exists(path, prefix, bitsText);
    checkWritable(resolve(io.cwd, path), path);
  }
  warnAboutKey(io, { bits }, pub);
  const { publicKey, pem: privatePem, kid } = await makeKeyPair(bits);
  const file = (shown: string, text: string, confidential: boolean) => ({
    path: resolve(io.cwd, shown),
    shown,
    bytes: Buffer.from(text),
    confidential,
  });
  await replaceFiles([
    file(pem, privatePem, true),
    file(pub, publicKeyText({ key: publicKey, kid }, 'pem'), false),
  ]);
  say(io, 'note', `wrote ${pem} (private: keep it out of Git) and ${pub}`);
  say(io, 'note', `key ${describeKid(kid)}, RSA-${bits}`);
}

/** Generates an RSA key pair; `pem` is the private key as PKCS#8. */
export async function makeKeyPair(
  bits: number,
): Promise<{ readonly publicKey: KeyObject; readonly pem: string; readonly kid: string }> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: bits,
    publicExponent: 65537,
  });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { publicKey, pem, kid: kidOf(publicKey) };
}

function exists(thing: string, prefix: string, bits: string): KsealError {
  return new KsealError('OUTPUT_EXISTS', 'already exists, and keys are never overwritten', {
    thing,
    hint: `choose another name: ${commandFor(`${prefix}-2`, bits)}`,
  });
}
