import { Document } from 'yaml';
import { printable } from '../text.ts';

/**
 * Prints plain data as one YAML document, under a comment. What readers of YAML 1.1 (kubectl)
 * would take for anything but a string stands in quotes.
 */
export function printYaml(value: unknown, comment = ''): string {
  const document = new Document(value, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  if (comment !== '') document.commentBefore = commentOf(comment);
  return document.toString({ lineWidth: 0 });
}

/** A comment that ends where its line ends, to readers of YAML 1.1 as well. */
function commentOf(text: string): string {
  const lines = text.split('\n').map((line) => ` ${printable(line)}`);
  return lines.join('\n');
}
