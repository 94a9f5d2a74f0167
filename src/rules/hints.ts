import { shellWord } from '../errors.ts';

/** The command that seals what is in plaintext in a file. */
export function sealCommand(path: string): string {
  return path === '-' ? 'kseal seal -f -' : `kseal seal -f ${shellWord(path)} -i`;
}
