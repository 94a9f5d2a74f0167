import { randomBytes } from 'node:crypto';

/** Every plaintext that is sealed begins with it, so that it is known wherever it turns up. */
const canary = `canary-${randomBytes(6).toString('hex')}`;

/** The plaintext for a word. */
export const plaintext = (word) => `${canary} ${word}`;

/** Whether a text holds a plaintext, or the base64 of one. */
export function leaks(text) {
  return text.includes(canary) || text.includes(Buffer.from(canary).toString('base64', 0, 18));
}

/** An ordinary Secret with these texts as its values. */
export function secret(namespace, name, values, { type = 'Opaque', ...metadata } = {}) {
  const base64 = ([key, text]) => [key, Buffer.from(text).toString('base64')];
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, ...metadata },
    type,
    data: Object.fromEntries(Object.entries(values).map(base64)),
  };
}

/** The same, with the plaintexts for these words. */
export function confidential(namespace, name, words, more) {
  const values = Object.entries(words).map(([key, word]) => [key, plaintext(word)]);
  return secret(namespace, name, Object.fromEntries(values), more);
}

/** As many values as that, each under a key of its own. */
export function many(count, text) {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, text]));
}

/** Whether a value is still sealed. */
export const isSealed = (text) => text.startsWith('eyJ');
