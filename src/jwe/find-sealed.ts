/** What looks like a sealed value, somewhere in a text. */
export interface FoundValue {
  readonly offset: number;
  /** The compact JWE, also where it was base64-encoded once more. */
  readonly jwe: string;
  /** As its header says; undefined where that cannot be read. */
  readonly kid: string | undefined;
}

// The prefixes of looks-sealed.ts. The base64 of a JWE may be folded, as `base64 -w 76` does.
const sealed =
  /(?<=^|[^\w-]|\\[nrt])(?:eyJ(?:hbGciOiJSU0E|lbmMiOiJB)[\w-]*(?:\.[\w-]*){4}|ZXlK(?:aGJHY2lPaUpTVT|bGJtTWlPaUp)[A-Za-z0-9]+(?:(?:\\n|\r?\n[ \t]*)[A-Za-z0-9]+(?![^\s"'\\=]))*={0,2})/g;

/**
 * All that looks like a sealed value in a text of any kind: also in Helm values, in a template,
 * or in what is no YAML at all.
 */
export function findSealed(text: string): readonly FoundValue[] {
  return [...text.matchAll(sealed)].map(({ index, 0: found }) => {
    const bare = found.replace(/\\n|\s/g, '');
    const jwe = bare.startsWith('eyJ')
      ? bare
      : Buffer.from(bare, 'base64').toString('latin1').trim();
    return { offset: index, jwe, kid: kidIn(jwe) };
  });
}

function kidIn(jwe: string): string | undefined {
  const [header = ''] = jwe.split('.', 1);
  try {
    const { kid }: { kid?: unknown } = JSON.parse(Buffer.from(header, 'base64url').toString());
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined; // What is damaged opens with no key.
  }
}
