import { Document } from 'yaml';
import { printable } from '../text.ts';

/**
 * Prints plain data as one YAML document after `comment`. Strings that a reader of YAML 1.1
 * (kubectl) would parse as another type are quoted.
 */
export function printYaml(value: unknown, comment = ''): string {
  const document = new Document(value, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  // Readers of YAML 1.1 end a comment at more characters than LF; printable() escapes these.
  const lines = comment.split('\n').map((line) => ` ${printable(line)}`);
  if (comment !== '') document.commentBefore = lines.join('\n');
  return document.toString({ lineWidth: 0 });
}
