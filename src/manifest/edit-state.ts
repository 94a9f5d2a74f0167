import type { Field, Manifest, SecretDocument } from './manifest.ts';

export type Edit =
  /** Gives a data key the value `octets`; a key that is new comes last. */
  | {
      readonly kind: 'set';
      readonly secret: SecretDocument;
      readonly field: Field;
      readonly key: string;
      readonly octets: Uint8Array;
    }
  | {
      readonly kind: 'remove';
      readonly secret: SecretDocument;
      readonly field: Field;
      readonly key: string;
    }
  /** Turns `stringData` into `data`, for a Secret without `data`; the other edits then say `data`. */
  | { readonly kind: 'rename-field'; readonly secret: SecretDocument }
  | {
      readonly kind: 'remove-annotation';
      readonly secret: SecretDocument;
      readonly annotation: string;
    };

/** What a Secret is to hold once it is edited. */
export interface State {
  readonly secret: SecretDocument;
  /** Whether `stringData` is to become `data`. */
  readonly renamed: boolean;
  readonly values: Readonly<Record<Field, ReadonlyMap<string, Uint8Array>>>;
  readonly annotations: ReadonlyMap<string, string>;
}

/** What the Secrets of `manifest` are to hold after `edits`, which are applied in their order. */
export function statesAfter({ secrets }: Manifest, edits: readonly Edit[]): readonly State[] {
  const grouped = new Map(secrets.map((secret) => [secret, [] as Edit[]]));
  for (const edit of edits) {
    const group = grouped.get(edit.secret);
    if (group === undefined) throw new Error('an edit of a Secret that is not in the manifest');
    group.push(edit);
  }
  return [...grouped].map(([secret, group]) => stateAfter(secret, group));
}

function stateAfter(secret: SecretDocument, edits: readonly Edit[]): State {
  const renamed = edits.some(({ kind }) => kind === 'rename-field');
  if (renamed && secret.fields.has('data'))
    throw new Error('stringData cannot become a second data');
  const annotations = new Map(secret.annotations);
  const values = { data: new Map<string, Uint8Array>(), stringData: new Map<string, Uint8Array>() };
  for (const { field, key, octets } of secret.entries)
    values[renamed ? 'data' : field].set(key, octets);
  for (const edit of edits) {
    if (edit.kind === 'set') values[edit.field].set(edit.key, edit.octets);
    if (edit.kind === 'remove') values[edit.field].delete(edit.key);
    if (edit.kind === 'remove-annotation') annotations.delete(edit.annotation);
  }
  return { secret, renamed, values, annotations };
}
