/**
 * `value` as JSON that can be shown: control and direction characters are escapes, which any
 * reader of JSON undoes.
 */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value, null, 2).replace(
    /[\u007F-\u009F\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => character.split('').map(escapeOf).join(''),
  );
  return `${text}\n`;
}

function escapeOf(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
