import { createInterface } from 'node:readline/promises';
import { KsealError } from '../errors.ts';
import { describeKid, parseKid } from '../jwe/thumbprint.ts';
import { knownKeysPath, knownKid, rememberKey } from '../keys/known-keys.ts';
import { checkPin } from '../keys/resolve.ts';
import type { IO } from './io.ts';
import { say } from './print.ts';

/** A configured key that is about to be sealed to. */
export interface NamedKey {
  readonly name: string;
  readonly kid: string;
  /** What tells this repository from others that have a key of the same name. */
  readonly repository: string;
}

/** Reads `--pin`. Throws USAGE for what is no fingerprint. */
export function pinOf(text: string | undefined): string | undefined {
  const pin = text === undefined ? undefined : parseKid(text);
  if (text === undefined || pin !== undefined) return pin;
  throw new KsealError('USAGE', '--pin takes a kid of 43 characters or 64 hex digits', {
    hint: 'put it in quotes if it has spaces',
  });
}

/**
 * Lets a configured key pass if this user has confirmed it before, and asks the first time.
 * `pin` is the user's word that it is the right one. Throws KEY_MISMATCH for a key that has
 * changed, or that nobody confirms.
 */
export async function trustKey(
  io: IO,
  { name, kid, repository }: NamedKey,
  pin: string | undefined,
): Promise<void> {
  const path = knownKeysPath(io.env);
  const known = path && knownKid(path, name, repository);
  if (known === kid) return;
  if (pin === undefined && known !== undefined) throw changed(name, known, kid);
  if (pin === undefined) await confirm(io, name, kid);
  else checkPin(kid, pin, `key ${name}`);
  if (path === undefined) return;
  rememberKey(path, { kid, name, repository });
  say(io, 'note', `remembered key ${name} in ${path}`);
}

function changed(name: string, known: string, kid: string): KsealError {
  return new KsealError(
    'KEY_MISMATCH',
    `key ${name} is not the one you sealed to before: it was ${describeKid(known)}, and is ${describeKid(kid)} now`,
    {
      hint: 'ask the KMS manager; if it was changed on purpose, give the new fingerprint: --pin FINGERPRINT',
    },
  );
}

async function confirm(io: IO, name: string, kid: string): Promise<void> {
  const terminal = io.openTerminal();
  if (terminal === undefined) {
    throw new KsealError(
      'KEY_MISMATCH',
      `key ${name} is new to you, and there is no terminal to confirm it on`,
      {
        hint: 'give the fingerprint that the KMS manager told you: --pin FINGERPRINT',
      },
    );
  }
  const question = `You have not sealed to key ${name} before. Its fingerprint is\n  ${describeKid(kid)}\nIs that what the KMS manager told you, yes or no? `;
  const lines = createInterface(terminal);
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      const interrupt = () => reject(new KsealError('INTERRUPTED', 'interrupted'));
      for (const event of ['SIGINT', 'close']) lines.on(event, interrupt);
      lines.question(question).then(resolve, interrupt);
    });
    if (/^y(?:es)?$/i.test(answer.trim())) return;
  } finally {
    lines.close();
    terminal.close();
  }
  throw new KsealError('KEY_MISMATCH', `key ${name} was not confirmed`, {
    hint: 'ask the KMS manager for the fingerprint, then run this again',
  });
}
