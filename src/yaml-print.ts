import { Document } from 'yaml';

/**
 * Prints plain data as one YAML document, under a comment. What readers of YAML 1.1 (kubectl)
 * would take for anything but a string stands in quotes.
 */
export function printYaml(value: unknown, comment = ''): string {
  const document = new Document(value, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  if (comment !== '') document.commentBefore = comment.replace(/^/gm, ' ');
  return document.toString({ lineWidth: 0 });
}
