import { parseYaml } from '../yaml/parse.ts';

/** A document that is no YAML until a template is rendered. */
export interface TemplatePart {
  /** Offsets into the source, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** Whether it is YAML once its actions are taken out. */
  readonly readable: boolean;
}

export interface Legible {
  /**
   * The source as far as it is YAML: as long, and with the same lines. What actions put into a
   * value or a key is `x` in it, and what they put on a line of their own is blank.
   */
  readonly source: string;
  readonly parts: readonly TemplatePart[];
}

/** Makes of a text that is no YAML, since it is a template, as much YAML as it holds. */
export function legibleIn(source: string): Legible {
  const parts: TemplatePart[] = [];
  const texts: string[] = [];
  const documents = documentsIn(source);
  for (const { start, text } of documents) {
    // That the whole is none is known.
    if (actionIn(text) === undefined || (documents.length > 1 && isYaml(text))) {
      texts.push(text);
      continue;
    }
    const bare = withoutActions(text);
    const readable = bare !== undefined && isYaml(bare);
    texts.push(readable ? bare : text.replace(notLineBreak, ' '));
    parts.push({ start, end: start + text.length, readable });
  }
  return { source: texts.join(''), parts };
}

/** The offset of the first `{{` that stands in no comment. */
export function actionIn(text: string): number | undefined {
  let at = text.indexOf('{{');
  while (at >= 0) {
    if (!/^\s*#/.test(text.slice(text.lastIndexOf('\n', at) + 1, at))) return at;
    const end = text.indexOf('\n', at);
    at = end < 0 ? end : text.indexOf('{{', end);
  }
  return undefined;
}

/** A line of `---` ends a document wherever it stands, but for the comments of a template. */
function documentsIn(source: string): readonly { start: number; text: string }[] {
  const marks = [...source.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index);
  const starts = [0, ...marks.filter((mark) => mark > 0)];
  return starts.map((start, at) => ({ start, text: source.slice(start, starts[at + 1]) }));
}

function isYaml(text: string): boolean {
  return parseYaml(text).errors.every(({ code }) => code === 'DUPLICATE_KEY');
}

/** A lone CR is no line break, and in no YAML. */
const notLineBreak = /[^\r\n]|\r(?!\n)/g;

/** Stands for a character of an action until it is known what it is replaced by. */
const MARK = '\uE000';

/** Undefined where an action does not end. */
function withoutActions(text: string): string | undefined {
  const pieces: string[] = [];
  let from = 0;
  for (let at = text.indexOf('{{'); at >= 0; at = text.indexOf('{{', from)) {
    const end = endOfAction(text, at);
    if (end === undefined) return undefined;
    pieces.push(text.slice(from, at), text.slice(at, end).replace(notLineBreak, MARK));
    from = end;
  }
  const marked = pieces.join('') + text.slice(from);
  // Alone on a line, or all that stands behind `key:` or `-`, it may make up any structure.
  return marked
    .replace(/(?=\uE000)(?<=^[ \t]*|:[ \t]+|^[ \t]*-[ \t]+)\uE000[\uE000 \t]*(?=\r?$)/gm, (marks) =>
      ' '.repeat(marks.length),
    )
    .replaceAll(MARK, 'x');
}

/** Quotes in an action may hold `}}`, and its comments any quote. */
function endOfAction(text: string, start: number): number | undefined {
  if (/^\{\{-?\s*\/\*/.test(text.slice(start, start + 64))) {
    const end = text.indexOf('*/', start);
    return end < 0 ? undefined : after(text.indexOf('}}', end));
  }
  let quote = '';
  for (let at = start + 2; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === '') {
      if (character === '}' && text.charAt(at + 1) === '}') return at + 2;
      if ('"`\''.includes(character)) quote = character;
    } else if (character === quote) quote = '';
    else if (character === '\\' && quote !== '`') at++;
  }
  return undefined;
}

function after(end: number): number | undefined {
  return end < 0 ? undefined : end + 2;
}
