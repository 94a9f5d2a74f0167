import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** The text files below `folder` with one of these endings, by path from the root. */
function filesIn(folder: string, ending: RegExp): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => ending.test(path))
    .map((path) => join(folder, path));
}

const sources = filesIn('src', /\.ts$/);
const tests = [
  ...filesIn('test', /\.(?:ts|mjs)$/),
  ...filesIn('fixtures', /\.(?:txtar|json)$/),
].filter((path) => !path.endsWith('language.test.ts'));
const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs']
  .filter((name) => existsSync(join(root, name)))
  .flatMap((name) => (name === 'docs' ? filesIn(name, /\.md$/) : [name]));

/** Phrases that no fluent writer of English uses, with what to write instead. */
const phrases: readonly (readonly [RegExp, string])[] = [
  [
    /(?<!\bthere )\b(?:is|are|was|were) (?:no|none)\b(?! (?:longer|more|less|later|greater))/i,
    'is not a …',
  ],
  [/\b(?:leave|leaves|left|leaving) (?:\w+ ){0,3}away\b/i, 'omit'],
  [/\banew\b/i, 'again'],
  [/\bwhoever\b/i, 'anyone who'],
  [/\b(?:is|are|was|were) (?:told|said)\b/i, 'is given, is printed'],
  [/\bstands? (?:in|at|on|under|behind|below|above|there|for)\b/i, 'is'],
  [
    /\bfor (?:it|they|he|she|there) (?:is|are|was|were|has|have|may|might|would|could)\b/i,
    'because',
  ],
  [/\bas it (?:stands|stood)\b/i, 'as it is'],
  [/\boctets?\b/i, 'bytes'],
];

/** Words that begin a sentence turned around: the subject comes first in English. */
const firstWords =
  /^(?:What|Of|Who|Whose|That|So|Those|Where|Whoever)\b(?! (?:is|are|if|about)\b.*\?)/;

/** Labels such as `(design)` and `X12:` refer to a list that the reader does not have. */
const label = /\(design\)|\b[SKLDW]\d{1,2}\b(?=:|-| and\b)/;

/** The pages that a text names, without a folder. */
function missingPages(text: string): readonly string[] {
  const names = [...text.matchAll(/\b([A-Za-z-]+\.md)\b/g)].map(([name]) => name);
  return names.filter((name) => !pages.some((page) => basename(page) === name));
}

/** The comments of a TypeScript text, each as one line. */
function commentsIn(text: string): readonly string[] {
  const blocks = text.matchAll(/\/\*\*?([\s\S]*?)\*\/|((?:^[ \t]*\/\/.*\n)+)/gm);
  return [...blocks].map(([, block, lines]) =>
    (block ?? lines ?? '')
      .replace(/^\s*(?:\*|\/\/) ?/gm, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  );
}

function sentencesIn(comment: string): readonly string[] {
  return comment.split(/(?<=[.:;]) (?=[A-Z])|(?:^| )@\w+ \w+ /).filter(Boolean);
}

test.each([...sources, ...tests, ...pages])('%s reads like English', (path) => {
  const text = readFileSync(join(root, path), 'utf8');
  const found = phrases.flatMap(([pattern, better]) =>
    text.split('\n').flatMap((line, index) => {
      const hit = pattern.exec(line);
      return hit === null || line.includes('RFC')
        ? []
        : [`${index + 1}: "${hit[0]}": write: ${better}`];
    }),
  );
  const starts = commentsIn(path.endsWith('.md') ? '' : text)
    .flatMap(sentencesIn)
    .filter((sentence) => firstWords.test(sentence))
    .map((sentence) => `begins with its object: ${sentence.slice(0, 60)}`);
  const outside = [...(label.exec(text) ?? []), ...missingPages(text)];
  expect([...found, ...starts, ...outside.map((name) => `refers to ${name}`)]).toEqual([]);
});
