import { randomBytes } from 'node:crypto';

/** The start of every sealed plaintext, so that leaks can be found. */
const canary = `canary-${randomBytes(6).toString('hex')}`;

/** The plaintext for a word. */
export const plaintext = (word) => `${canary} ${word}`;

/** Reports whether a text contains a plaintext, or the base64 of one. */
export function leaks(text) {
  return text.includes(canary) || text.includes(Buffer.from(canary).toString('base64', 0, 18));
}

/** A Secret with these values. */
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

/** A Secret with the plaintexts for these words as values. */
export function confidential(namespace, name, words, more) {
  const values = Object.entries(words).map(([key, word]) => [key, plaintext(word)]);
  return secret(namespace, name, Object.fromEntries(values), more);
}

/** Repeats a value under `count` different data keys. */
export function many(count, text) {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, text]));
}

/** Reports whether a value is still sealed. */
export const isSealed = (text) => text.startsWith('eyJ');
