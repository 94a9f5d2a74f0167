import { looksSealed } from '../jwe/detect.ts';
import type { SecretDocument } from './manifest.ts';

const names = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'kubecfg.ksonnet.io/last-applied-configuration',
];

/** The last-applied annotations of `secret` that hold a value in plaintext, or cannot be read. */
export function plaintextAnnotations({ annotations }: SecretDocument): readonly string[] {
  return names.filter((name) => {
    const text = annotations.get(name);
    return text !== undefined && !isSealedThroughout(text);
  });
}

function isSealedThroughout(text: string): boolean {
  const members = membersOf(text);
  if (members === undefined) return false;
  return Object.entries(members).every(([field, values]) => {
    const encoding = encodings.get(field.toLowerCase());
    if (encoding === undefined || values === null) return true;
    return Object.values(values).every((value) => {
      return typeof value === 'string' && looksSealed(Buffer.from(value, encoding));
    });
  });
}

const encodings = new Map<string, BufferEncoding>([
  ['data', 'base64'],
  ['stringdata', 'utf8'],
]);

/** The members of a JSON object; undefined for any other text. */
function membersOf(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined; // The message of JSON.parse quotes the text.
  }
}
