import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';

/**
 * Returns a function that checks a JSON text against a published schema: it returns the violations,
 * and the members that the schema does not describe.
 */
export function faultsBy(name: string): (output: string) => unknown[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8');
  const strict = { strict: true, strictTypes: false, strictRequired: false };
  const validate = new Ajv(strict).compile(JSON.parse(text));
  const documented = new Set<string>();
  JSON.parse(text, (key, value) => {
    if (key === 'properties') for (const member of Object.keys(value)) documented.add(member);
    return value;
  });
  return (output) => {
    const unknown: string[] = [];
    const value = JSON.parse(output, (key, member) => {
      if (Number.isNaN(Number(key)) && !documented.has(key)) unknown.push(key);
      return member;
    });
    return [...(validate(value) ? [] : (validate.errors ?? [])), ...unknown];
  };
}
