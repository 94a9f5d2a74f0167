import { shellWord } from '../text.ts';

/** What to do with a value that stands in a template. */
export const sealInTemplate =
  'put what kseal seal NAME -n NAMESPACE --prompt KEY --raw prints into values.yaml, and {{ .Values.… }} here';

/** The command that seals what is in plaintext in a file. */
export function sealCommand(path: string): string {
  return path === '-' ? 'kseal seal -f -' : `kseal seal -f ${shellWord(path)} -i`;
}
