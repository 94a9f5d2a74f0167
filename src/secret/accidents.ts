import { decodeUtf8 } from '../text.ts';

/** Something about a value that is rarely meant; never the value itself. */
export interface Accident {
  readonly id: string;
  readonly message: string;
}

interface TextAccident extends Accident {
  readonly found: (text: string) => boolean;
}

const pattern = (re: RegExp) => (text: string) => re.test(text);

/** Accidents in values that are text. A value of several lines is a file: it ends in a newline. */
const textAccidents: readonly TextAccident[] = [
  { id: 'empty', message: 'is empty', found: (text) => text === '' },
  {
    id: 'trailing-newline',
    message: 'ends with a newline, which most programs take for part of the password',
    found: pattern(/^[^\n]*\r?\n$/),
  },
  {
    id: 'surrounding-space',
    message: 'begins or ends with white space',
    found: pattern(/^\s*[ \t]|^[ \t]|[ \t]\r?\n?$/),
  },
  {
    id: 'bom',
    message: 'begins with a byte order mark',
    found: (text) => text.startsWith('\uFEFF'),
  },
  { id: 'crlf', message: 'has Windows line ends (CR LF)', found: pattern(/\r\n/) },
  {
    id: 'invisible-space',
    message: 'holds a non-breaking or invisible space',
    found: pattern(/[\u00A0\u2007\u202F\u200B-\u200D\u2060]|.\uFEFF/),
  },
  { id: 'smart-quotes', message: 'holds typographic quotes', found: pattern(/[\u2018-\u201F]/) },
  {
    id: 'quoted',
    message: 'is in quotes, which will be part of the value',
    found: pattern(/^(["'])[^\n]*\1\n?$/),
  },
  { id: 'base64', message: 'is base64 already, and would be encoded twice', found: isBase64Text },
  {
    id: 'placeholder',
    message: 'looks like a placeholder',
    found: pattern(
      /^\s*(?:change[-_ ]?(?:me|it)|replace[-_ ]?me|(?:insert|your|my)[-_ ].*(?:password|secret|token|key|here)|todo|tbd|fixme|x{3,}|\*{3,}|\.{3,}|placeholder|dummy|example|<[^<>\n]*>|\$\{[^}\n]*\}|\{\{[^\n]*\}\})\s*$/i,
    ),
  },
];

/** What looks like an accident in a value, in the order of the table above. */
export function accidentsIn(octets: Uint8Array): readonly Accident[] {
  const [first, second] = octets;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return [{ id: 'utf-16', message: 'is UTF-16 text, as PowerShell writes it' }];
  }
  const text = decodeUtf8(octets);
  return text === undefined ? [] : textAccidents.filter(({ found }) => found(text));
}

/** The ids that `--allow` takes. */
export const accidentIds: readonly string[] = ['utf-16', ...textAccidents.map(({ id }) => id)];

/** Base64 of readable text: a random password that happens to be in the alphabet is not. */
function isBase64Text(text: string): boolean {
  const trimmed = text.trim();
  if (trimmed.length < 8 || trimmed.length % 4 !== 0) return false;
  const octets = Buffer.from(trimmed, 'base64');
  if (octets.toString('base64') !== trimmed) return false;
  const decoded = decodeUtf8(octets);
  return decoded !== undefined && !/[\u0000-\u0008\u000E-\u001F\u007F]/.test(decoded);
}
