// Generates manifests that are hostile in the ways in which real files are: valid YAML or JSON that
// is written unusually, and text that an editor, a template or a merge has damaged.

/** Deterministic random choices (mulberry32). */
export class Choices {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 to 1. */
  number() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit) {
    return Math.floor(this.number() * limit);
  }

  chance(probability) {
    return this.number() < probability;
  }

  one(list) {
    return list[this.below(list.length)];
  }

  /** One of the names, each as likely as its weight. */
  weighted(weights) {
    const entries = Object.entries(weights);
    let left = this.number() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    return entries.find(([, weight]) => {
      left -= weight;
      return left < 0;
    })[0];
  }

  shuffled(list) {
    const rest = [...list];
    return list.map(() => rest.splice(this.below(rest.length), 1)[0]);
  }
}

/** Every plaintext contains it, also in base64. */
const PLAINTEXT = 'CANARY-hunter2';
const encoded = Buffer.from(PLAINTEXT).toString('base64');

/**
 * One text. `sealed` are values that kseal has sealed, in base64; `corpus` are manifests to damage.
 * `level` is the share of unusual notation.
 */
export function generate(seed, { sealed, corpus }) {
  const choose = new Choices(seed);
  const level = choose.one([0, 0.05, 0.15, 0.4]);
  let text = choose.chance(0.15)
    ? choose.one(corpus)
    : stream({ choose, level, sealed, anchors: new Map(), handle: undefined });
  const damages = choose.chance(0.5) ? 0 : 1 + choose.below(3);
  for (let i = 0; i < damages; i++) text = damaged(text, choose, corpus);
  if (choose.chance(0.06)) text = text.replace(/\r?\n/g, choose.one(['\r\n', '\r\n', '\r']));
  if (choose.chance(0.03)) text = `\uFEFF${text}`;
  return text;
}

// Objects: a mapping is a list of entries, because it may have a key twice.

function stream(context) {
  const { choose } = context;
  const documents = Array.from({ length: choose.one([1, 1, 1, 2, 3]) }, () => {
    context.anchors = new Map();
    context.hidden = undefined;
    const root = hiding(document(context), context);
    if (choose.chance(0.12)) return json(root, context);
    if (choose.chance(0.15)) return `${node(root, 0, context, true)}\n`;
    return block(root, 0, context);
  });
  let text = choose.chance(0.25) ? opening(context) : '';
  documents.forEach((one, at) => {
    if (at > 0) text += separator(context);
    text += one;
  });
  return text + (choose.chance(0.1) ? choose.one(['---\n', '...\n', '---', '# end', '\n\n']) : '');
}

/** Chooses one word of the identity that `scalar` writes in an unusual way, or a merge. */
function hiding(root, context) {
  const { choose } = context;
  if (!Array.isArray(root) || !choose.chance(0.4)) return root;
  const word = choose.one(['kind', 'kind', 'Secret', 'Secret', 'v1', 'apiVersion', ...moreWords]);
  const how = choose.one(['tag', 'alias', 'escape', 'merge']);
  context.hidden = { word, how };
  if (how !== 'alias') return root;
  const anchored = choose.one([
    `&t ${word}`,
    `&t '${word}'`,
    `!!str &t ${word}`,
    `{y: &t ${word}}`,
  ]);
  const anchor = [choose.one(['x', 'a', 'metadata']), { raw: anchored }];
  return choose.chance(0.9) ? [anchor, ...root] : [...root, anchor];
}

const moreWords = ['data', 'stringData', 'items', 'metadata', 'List', 'name', 'key0'];

function document(context) {
  const { choose } = context;
  const kind = choose.weighted({
    secret: 6,
    list: 3,
    secretList: 1,
    other: 1,
    nested: 0.5,
    text: 0.2,
  });
  if (kind === 'secret') return secret(context);
  if (kind === 'list') return list(context, 0);
  if (kind === 'secretList') return secretList(context);
  if (kind === 'nested')
    return [
      ['apiVersion', 'example.org/v1'],
      ['kind', 'Template'],
      ['objects', { items: [secret(context)] }],
    ];
  if (kind === 'text') return choose.one(['just text', 'Secret', '12', null]);
  return other(context);
}

function identity(kind, { choose, level }) {
  const twist = choose.chance(level / 2);
  const kinds = ['secret', 'Secrets', 'SECRET', ' Secret', 'Secret ', 'Secret\n', true, 12, null];
  return [
    ['apiVersion', twist && choose.chance(0.4) ? choose.one(['V1', 'v1 ', '1', 1, null]) : 'v1'],
    ['kind', twist && choose.chance(0.4) ? choose.one(kinds) : kind],
  ];
}

function metadata({ choose }) {
  const entries = [['name', choose.one(['db', 'api', 'a.b'])]];
  if (choose.chance(0.7)) entries.push(['namespace', 'hr']);
  if (choose.chance(0.2)) entries.push(['labels', [['app', 'db']]]);
  return entries;
}

function secret(context, typed = true) {
  const { choose, level } = context;
  const fields = [];
  if (choose.chance(0.75)) fields.push(['data', values('data', context)]);
  if (choose.chance(0.4)) fields.push(['stringData', values('stringData', context)]);
  if (choose.chance(0.2)) fields.push(['type', 'Opaque']);
  if (choose.chance(level / 4))
    fields.push(['items', { items: choose.one([[], [secret(context)]]) }]);
  const entries = [
    ...(typed ? identity('Secret', context) : []),
    ['metadata', metadata(context)],
    ...fields,
  ];
  return twisted(choose.chance(0.6) ? entries : choose.shuffled(entries), context);
}

function values(field, { choose, level, sealed }) {
  const count = choose.one([0, 1, 1, 1, 2, 3]);
  return Array.from({ length: count }, (_, i) => [
    choose.chance(level / 8) ? choose.one(['<<', 'a b', '', 'null', '~', 1]) : `key${i}`,
    choose.chance(0.55) ? plaintext(field, choose, level) : sealedValue(field, choose, sealed),
  ]);
}

function plaintext(field, choose, level) {
  if (choose.chance(level / 3))
    return choose.one([true, 12345678, null, '', 0.5, '{{ .pw }}', '$PW']);
  if (field === 'data' && choose.chance(0.9)) return encoded;
  return choose.one([PLAINTEXT, `${PLAINTEXT}\n`, `${PLAINTEXT}: x # y\nsecond`, ` ${PLAINTEXT} `]);
}

function sealedValue(field, choose, sealed) {
  const value = choose.one(sealed);
  return field === 'data' ? value : Buffer.from(value, 'base64').toString('latin1');
}

function list(context, depth) {
  const { choose } = context;
  const items = Array.from({ length: choose.one([0, 1, 1, 2, 3]) }, () => {
    if (depth < 2 && choose.chance(0.15)) return list(context, depth + 1);
    return choose.chance(0.75) ? secret(context) : other(context);
  });
  const entries = [...identity('List', context), ['items', { items }]];
  if (choose.chance(0.2)) entries.push(['metadata', []]);
  return twisted(choose.chance(0.6) ? entries : choose.shuffled(entries), context);
}

function secretList(context) {
  const { choose } = context;
  const items = Array.from({ length: 1 + choose.below(2) }, () =>
    secret(context, choose.chance(0.3)),
  );
  return twisted([...identity('SecretList', context), ['items', { items }]], context);
}

function other({ choose }) {
  return choose.one([
    [
      ['apiVersion', 'v1'],
      ['kind', 'ConfigMap'],
      ['metadata', [['name', 'c']]],
      ['data', [['a', 'b']]],
    ],
    [
      ['apiVersion', 'apps/v1'],
      ['kind', 'Deployment'],
      ['metadata', [['name', 'd']]],
    ],
    [
      ['replicas', 2],
      ['image', [['tag', 'v1']]],
      ['secretName', 'db'],
    ],
    [
      ['on', 'push'],
      ['jobs', [['kind', 'Secret scanning']]],
    ],
  ]);
}

/** Adds keys twice, in another case, or at another level. */
function twisted(entries, { choose, level }) {
  const result = [...entries];
  if (choose.chance(level / 2)) {
    const at = choose.below(result.length);
    const [key, value] = result[at];
    const action = choose.weighted({ again: 2, other: 2, case: 2, nothing: 1 });
    const others = { kind: 'ConfigMap', apiVersion: 'v2', metadata: [], items: { items: [] } };
    if (action === 'again') result.splice(choose.below(result.length + 1), 0, [key, value]);
    if (action === 'other')
      result.splice(choose.below(result.length + 1), 0, [key, others[key] ?? []]);
    if (action === 'case')
      result[at] = [choose.one([upper(key), key.toUpperCase(), key.toLowerCase()]), value];
    if (action === 'nothing') result[at] = [key, null];
  }
  return result;
}

const upper = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

// Notation.

/** Compact or indented JSON; a key may be there twice. */
function json(value, { choose, level }) {
  const indent = choose.chance(0.5);
  const print = (one, depth) => {
    const [open, close] = indent
      ? [`\n${'  '.repeat(depth + 1)}`, `\n${'  '.repeat(depth)}`]
      : ['', ''];
    const string = (text) => {
      const quoted = JSON.stringify(text);
      return choose.chance(level) ? quoted.replace(/[a-zA-Z](?=\w*"$)/, escapedJson) : quoted;
    };
    if (Array.isArray(one))
      return one.length === 0
        ? '{}'
        : `{${open}${one.map(([key, v]) => `${string(String(key))}:${indent ? ' ' : ''}${print(v, depth + 1)}`).join(`,${open}`)}${close}}`;
    if (isList(one)) return `[${one.items.map((item) => print(item, depth + 1)).join(',')}]`;
    return typeof one === 'string' ? string(one) : JSON.stringify(one?.raw ?? one);
  };
  return print(value, 0) + choose.one(['\n', '', '\n\n', ' ']);
}

const escapedJson = (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`;

const isList = (value) => value?.items !== undefined;

/** A node in block style; ends with a line break. */
function block(value, indent, context) {
  const { choose, level } = context;
  const space = ' '.repeat(indent);
  if (Array.isArray(value)) {
    if (value.length === 0) return `${space}{}\n`;
    return merged(value, context)
      .map(([key, one]) => `${noise(space, context)}${entry(key, one, indent, context)}`)
      .join('');
  }
  if (isList(value)) {
    if (value.items.length === 0) return `${space}[]\n`;
    return value.items
      .map((item) => {
        if (choose.chance(0.1 + level / 2))
          return `${space}- ${node(item, indent + 2, context, true)}\n`;
        return `${space}-${choose.one([' ', ' ', ' ', '   '])}${block(item, indent + 2, context).trimStart()}`.replace(
          /^( *-) {3}/,
          '$1 ',
        );
      })
      .join('');
  }
  return `${space}${node(value, indent, context)}\n`;
}

function entry(key, value, indent, context) {
  const { choose, level } = context;
  const isCollection = Array.isArray(value) || isList(value);
  const isEmpty = isCollection && (value.items ?? value).length === 0;
  const space = ' '.repeat(indent);
  const colon = choose.chance(level / 6) ? choose.one([' :', '  :']) : ':';
  const name = keyText(key, indent, context);
  const head = choose.chance(level / 6) ? `? ${name}\n${space}` : name;
  if (!isCollection || isEmpty || choose.chance(0.05 + level / 4)) {
    const text = node(value, indent + 2, context, isCollection);
    const gap = choose.chance(level / 8) ? `\n${space}  ` : ' ';
    return `${head}${colon}${text && gap + text}${rest(context)}\n`;
  }
  const properties = choose.chance(level / 6) ? ` ${property(value, context)}` : '';
  const deeper = Array.isArray(value)
    ? indent + choose.one([2, 2, 2, 4, 1])
    : indent + choose.one([0, 2]);
  return `${head}${colon}${properties}${rest(context)}\n${block(value, deeper, context)}`;
}

function keyText(key, indent, context, flow = false) {
  return key?.raw ?? scalar(String(key), indent, context, { key: true, flow });
}

/** A tag or an anchor of a collection. */
function property(value, { choose }) {
  const tag = Array.isArray(value) ? '!!map' : '!!seq';
  return choose.one([
    '&a',
    '&b',
    tag,
    '!foo',
    `!<tag:yaml.org,2002:${tag.slice(2)}>`,
    '!',
    '!!omap',
    '!!set',
  ]);
}

/** Moves entries into a merge. */
function merged(entries, context) {
  const { choose, level, hidden } = context;
  const isChosen = hidden?.how === 'merge' && entries.some((one) => one.includes(hidden.word));
  if (entries.length < 2 || !(isChosen || choose.chance(level / 8))) return entries;
  const from = choose.below(entries.length);
  const to = from + choose.one([1, 1, 2]);
  const taken = entries.slice(from, to);
  const others = choose.chance(0.3) ? entries : [...entries.slice(0, from), ...entries.slice(to)];
  if (choose.chance(0.3))
    taken.push(
      choose.one([
        ['apiVersion', 'a/b'],
        ['kind', 'ConfigMap'],
        ['kind', 'Secret'],
      ]),
    );
  context.hidden = undefined;
  const body = node(taken, 0, context, true).replace(/\n/g, ' ');
  const key = choose.one([
    '<<',
    '<<',
    '<<',
    '"<<"',
    '!!merge <<',
    "!!merge '<<'",
    '!!str <<',
    '? <<\n',
  ]);
  const value = choose.one([
    body,
    body,
    `[${body}]`,
    `[${body}, {kind: ConfigMap}]`,
    `&m ${body}`,
    '*m',
  ]);
  const merge = [{ raw: key }, { raw: value }];
  const all = choose.chance(0.5) ? [merge, ...others] : [...others, merge];
  return value === '*m' ? [['m', { raw: `&m ${body}` }], ...all] : all;
}

/** A node on one line, unless a scalar has several: in flow style if it is a collection. */
function node(value, indent, context, flow = false) {
  const { choose } = context;
  if (value?.raw !== undefined) return value.raw;
  if (Array.isArray(value)) {
    const separators = choose.chance(context.level / 4) ? `,\n${' '.repeat(indent + 1)}` : ', ';
    const parts = merged(value, context).map(([key, one]) => {
      const name = keyText(key, indent, context, true).replace(/\n$/, '');
      const colon = name.endsWith('"') && choose.chance(0.3) ? ':' : ': ';
      return `${name}${colon}${node(one, indent, context, true)}`;
    });
    return `{${parts.join(separators)}${choose.chance(context.level / 8) ? ',' : ''}}`;
  }
  if (isList(value))
    return `[${value.items.map((item) => node(item, indent, context, true)).join(', ')}]`;
  if (typeof value === 'string') return scalar(value, indent, context, { flow });
  if (value === null) return choose.one(['null', '~', '', 'Null']);
  return String(value);
}

const isPlain = (text) =>
  /^[A-Za-z0-9_/+.$<-][\w /+.=$<-]*$/.test(text) && !/^(?:-|\.)|[ =]$|^ /.test(text);
const isTyped = (text) => /^(?:~|null|true|false|yes|no|on|off|y|n|[-+.\d].*)?$/i.test(text);

const tags = [
  ...['!!str', '!!str', '!', '!foo', '!<tag:yaml.org,2002:str>', '!!binary', '!!binary'],
  ...[
    '!<tag:yaml.org,2002:binary>',
    '!<!foo>',
    '!!int',
    '!!null',
    '!!float',
    '!!bool',
    '!!timestamp',
  ],
];

/** A scalar in one of its notations. A key is on one line. */
function scalar(text, indent, context, { key = false, flow = false } = {}) {
  const { choose, level, anchors } = context;
  const hidden = context.hidden?.word === text ? context.hidden.how : undefined;
  if (hidden === 'alias') return `*t${key ? ' ' : ''}`;
  let before = '';
  if (choose.chance(level / 10)) {
    const known = [...anchors].find(([, one]) => one === text);
    if (known !== undefined && choose.chance(0.7)) return `*${known[0]}${key ? ' ' : ''}`;
    const name = `x${anchors.size}`;
    anchors.set(name, text);
    before += `&${name} `;
  }
  if (hidden === 'tag' || choose.chance(level / 10)) {
    const tag = choose.one(context.handle ? [...tags, `${context.handle}str`] : tags);
    before += `${tag} `;
    if (tag.endsWith('binary') && choose.chance(0.7))
      return before + Buffer.from(text).toString('base64');
  }
  if (hidden === 'escape')
    return before + quoted(text, { choose, level: 1 }, key ? undefined : indent);
  const styles = { double: 1 + 2 * level, single: 1 };
  if (isPlain(text) && (!isTyped(text) || choose.chance(0.1))) styles.plain = 8;
  if (!key && !flow)
    Object.assign(styles, { literal: 0.5 + level, folded: 0.2 + level, lines: level });
  const style = choose.weighted(styles);
  if (style === 'plain') return before + text;
  if (style === 'single' && !/[\n\r]/.test(text)) return `${before}'${text.replaceAll("'", "''")}'`;
  if (style === 'literal' || style === 'folded')
    return before + blockScalar(text, style, indent, choose);
  if (style === 'lines' && isPlain(text) && text.includes(' '))
    return before + text.replace(' ', `\n${' '.repeat(indent + 1)}`);
  return before + quoted(text, context, key ? undefined : indent);
}

function quoted(text, { choose, level }, indent) {
  const letters = [...text].map((character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    if (character === '\n') return '\\n';
    if (character === '\r') return '\\r';
    const code = character.codePointAt(0).toString(16);
    if (!choose.chance(level / 12)) return character;
    const forms = [
      `\\x${code.padStart(2, '0')}`,
      `\\u${code.padStart(4, '0')}`,
      `\\U${code.padStart(8, '0')}`,
    ];
    return code.length > 2 ? character : choose.one(forms);
  });
  if (indent !== undefined && choose.chance(level / 4)) {
    const at = 1 + choose.below(letters.length + 1);
    letters.splice(at, 0, `\\\n${' '.repeat(indent)}`);
  }
  return `"${letters.join('')}"`;
}

function blockScalar(text, style, indent, choose) {
  const space = ' '.repeat(indent);
  const lines = text.replace(/\n$/, '').split('\n');
  const leading = /^[ \n]/.test(text) ? String(Math.max(indent, 1)) : '';
  const chomp = text.endsWith('\n') ? '' : '-';
  const comment = choose.chance(0.1) ? ' # text' : '';
  const join = style === 'folded' ? `\n\n${space}` : `\n${space}`;
  return `${style === 'folded' ? '>' : '|'}${leading}${chomp}${comment}\n${space}${lines.join(join)}`;
}

/** Text after a value on its line. */
function rest({ choose, level }) {
  if (!choose.chance(level / 5)) return '';
  return choose.one([' # note', ' # {{ note }}', '  ', ' #', '\t', ' # "', ' # kind: Secret']);
}

/** Text before a line. */
function noise(space, { choose, level }) {
  if (!choose.chance(level / 10)) return space;
  return (
    choose.one(['\n', `${space}# note\n`, '# note\n', `${space}# {{ note }}\n`, '  \n', '\t\n']) +
    space
  );
}

function separator({ choose, level }) {
  if (!choose.chance(level + 0.05)) return '---\n';
  return choose.one([
    ...['--- # note\n', '---\t\n', '---  \n', '\n---\n\n', '...\n---\n', '...\n', '--- {}\n---\n'],
    ...[
      '---\n---\n',
      '',
      '\n',
      ' ---\n',
      '---#note\n',
      '--- ',
      '---\n# note\n',
      '---\n%YAML 1.2\n---\n',
    ],
    ...[
      '---\r\n',
      '--- |\n  text\n---\n',
      '--- text\n---\n',
      '---\u00A0\n',
      '---\u2028',
      '-- -\n',
      '----\n',
    ],
    ...['---\n...\n---\n', '--- !!map\n', '--- &a\n', '--- >\n  a\n...\n'],
  ]);
}

function opening(context) {
  const { choose } = context;
  const text = choose.one([
    ...[
      '---\n',
      '---\n',
      '# note\n',
      '\n',
      '--- ',
      '--- # note\n',
      '%YAML 1.1\n---\n',
      '%YAML 1.2\n---\n',
    ],
    ...[
      '%TAG !e! tag:yaml.org,2002:\n---\n',
      '%TAG ! tag:yaml.org,2002:\n---\n',
      '%FOO\n---\n',
      '--- !!map\n',
    ],
    ...[
      '...\n',
      '{}\n---\n',
      '# {{ note }}\n',
      '---\n---\n',
      '\t\n',
      ' \n',
      '%YAML 1.1\n',
      '--- !foo\n',
    ],
  ]);
  if (text.startsWith('%TAG !e!')) context.handle = '!e!';
  if (text.startsWith('%TAG ! ')) context.handle = '!';
  return text;
}

// Damage.

const inserts = [
  ...[
    '\u2028',
    '\u2029',
    '\u0085',
    '\u00A0',
    '\u200B',
    '\uFEFF',
    '\t',
    '\r',
    '\0',
    '\u3000',
    '\u00AD',
  ],
  ...[
    '{{ .Values.x }}',
    '{{',
    '}}',
    '${',
    '{{/* note */}}',
    '# ',
    ' #',
    '"',
    "'",
    '\\',
    '&a ',
    '*a',
    '!!str ',
  ],
  ...[
    '!!binary ',
    '<<: *a\n',
    '? ',
    ': ',
    '- ',
    '{',
    '}',
    '[',
    ']',
    ',',
    '|',
    '>',
    '%',
    '@',
    '`',
    '---',
    '\n',
  ],
  ...[
    '\n---\n',
    '\n...\n',
    '\n\n',
    ' ',
    '  ',
    '\n{{- if .x }}\n',
    '\n{{- end }}\n',
    '\n<<<<<<< HEAD\n',
  ],
  ...[
    '\n=======\n',
    '\n>>>>>>> main\n',
    'kind: ConfigMap\n',
    'kind: Secret\n',
    '~',
    'null',
    '\n# note\n',
  ],
];

function damaged(text, choose, corpus) {
  const lines = text.split('\n');
  const at = choose.below(text.length + 1);
  const line = choose.below(lines.length);
  const withLines = (...changed) =>
    [...lines.slice(0, line), ...changed, ...lines.slice(line + 1)].join('\n');
  const own = lines[line];
  switch (
    choose.weighted({
      insert: 8,
      cut: 2,
      swap: 1,
      copy: 1,
      indent: 2,
      tab: 1,
      quote: 1,
      upper: 1,
      end: 0.5,
      start: 0.5,
      splice: 1,
      lineStart: 3,
      kind: 2,
    })
  ) {
    case 'insert':
      return text.slice(0, at) + choose.one(inserts) + text.slice(at);
    case 'lineStart':
      return withLines(
        own.replace(
          /^( *)(.*)$/s,
          choose.one([
            `$1${choose.one(inserts).replace('$', '$$$$')}$2`,
            `${choose.one(inserts).replace('$', '$$$$')}$1$2`,
          ]),
        ),
      );
    case 'cut':
      return text.slice(0, at) + text.slice(at + 1 + choose.below(3));
    case 'swap':
      return withLines(...(line + 1 < lines.length ? [lines[line + 1], own] : [own]));
    case 'copy':
      return withLines(own, own);
    case 'indent':
      return withLines(choose.chance(0.5) ? ` ${own}` : own.replace(/^ /, ''));
    case 'tab':
      return withLines(own.replace(/ +/, '\t'));
    case 'quote':
      return withLines(own.replace(/["']/, ''));
    case 'upper':
      return withLines(
        own.replace(/\w/, (letter) =>
          choose.chance(0.5) ? letter.toUpperCase() : letter.toLowerCase(),
        ),
      );
    case 'end':
      return text.slice(0, at);
    case 'start':
      return text.slice(at);
    case 'splice': {
      const others = choose.one(corpus).split('\n');
      const from = choose.below(others.length);
      return withLines(own, ...others.slice(from, from + 1 + choose.below(6)));
    }
    default:
      return text.replace(
        /\bSecret\b/,
        choose.one([
          'Sec\\\n    ret',
          'Secret ',
          '"Secret"',
          'Secret\u2028',
          '!!binary U2VjcmV0',
          '&k Secret',
          'S\\x65cret',
          '"S\\x65cret"',
          '"Sec\\\n  ret"',
          '>-\n  Secret',
          '|-\n  Secret',
          'Secret # x',
          '"Secret" # {{',
          '!!str Secret',
          '*k',
        ]),
      );
  }
}
