import type { Manifest } from '../manifest/manifest.ts';
import type { Fault } from '../rules/rule.ts';
import { type Position, positionsIn, type YamlNode } from '../yaml-node.ts';

// A default within it may be the plaintext itself: `${PW:-hunter2}`, `{{ .pw | default "hunter2" }}`.
const action = /\{\{[^"'`]*?\}\}|\$\{\w+\}/g;
const MAX_PLACEHOLDER = 4096;

/** Whether a value is nothing but `{{ … }}` or `${…}`: another tool puts the value in. */
export function isPlaceholder(octets: Uint8Array): boolean {
  if (octets.length > MAX_PLACEHOLDER || !octets.includes(0x7b)) return false;
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('utf8');
  return text.trim() !== '' && /^[\s"']*$/.test(text.replace(action, ''));
}

/** Whether `text` holds something that another tool replaces. */
export function holdsAction(text: string | undefined): boolean {
  return text?.includes('{{') || text?.includes('${') || false;
}

/**
 * Where a text that is to be rendered before it is YAML shows it; undefined for a text that is
 * none, or that shows no sign of a Secret. Most texts with `{{` are sound YAML: alerting rules,
 * workflows, a comment. A template is one where it makes up the structure or the name of a Secret.
 */
export function templateIn(manifest: Manifest): Position | undefined {
  const { source, roots, secrets } = manifest;
  const position = (offset: number) => positionsIn(source)(offset);
  const named = secrets.some(({ name, namespace, generateName, type }) =>
    [name, namespace, generateName, type].some(holdsAction),
  );
  if (named) return position(source.search(/\{\{|\$\{/));
  if (!source.includes('{{') || !mayHoldSecret(source)) return undefined;
  if (isUnparsedTemplate(manifest)) return position(source.indexOf('{{'));
  const node = roots.map((root) => bracesIn(root, source)).find((found) => found !== undefined);
  return node && position(node.start);
}

/** Whether a text is no YAML, and holds `{{` elsewhere than in comments. */
export function isUnparsedTemplate({ source, roots, problems }: Manifest): boolean {
  if (roots.length > 0 || problems.length === 0) return false;
  return source.split('\n').some((line) => line.includes('{{') && !/^\s*#/.test(line));
}

/** A text that names no kind at all may include a Secret from elsewhere. */
function mayHoldSecret(source: string): boolean {
  const sign = /\bkind["']?[ \t]*:[ \t]*["']?(?:Secret(?:List)?\b|\{\{)/;
  return sign.test(source) || !/\bkind["']?[ \t]*:/.test(source);
}

/** The first flow mapping that is really `{{ … }}`: `{{ .x }}` is YAML for a map in a map. */
function bracesIn(node: YamlNode, source: string): YamlNode | undefined {
  if (node.kind === 'map' && node.flow && source.startsWith('{{', node.start)) return node;
  const children =
    node.kind === 'map'
      ? node.entries.flatMap(({ key, value }) => [key, value])
      : node.kind === 'seq'
        ? node.items
        : [];
  for (const child of children) {
    const found = bracesIn(child, source);
    if (found !== undefined) return found;
  }
  return undefined;
}

const hint = 'render it first, and verify that: helm template . | kseal verify -';

/** What is said of a value, or whatever else, that another tool puts in. */
export function placeholderFault(at: Pick<Fault, 'position' | 'secret' | 'key'>): Fault {
  const message = 'another tool puts something in here, so it cannot be judged';
  return { ...at, rule: 'template', message, hint };
}

/** What is said of a template as a whole. */
export function templateFault(position: Position): Fault {
  const message = 'is a template, which cannot be judged before it is rendered';
  return { rule: 'template', position, message, hint };
}
