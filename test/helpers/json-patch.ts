// JSON Patch (RFC 6902), independent of src/.

export interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

/** Applies a patch that has only `replace` operations. */
export function applyPatch(document: unknown, operations: readonly Operation[]): unknown {
  return operations.reduce((before, { op, path, value }) => {
    if (op !== 'replace') throw new Error(`unexpected operation ${op}`);
    return replaced(before, tokensOf(path), value);
  }, document);
}

/** RFC 6901 §4: "first transforming any occurrence of '~1' to '/', then '~0' to '~'". */
function tokensOf(pointer: string): string[] {
  if (!/^(?:\/(?:[^~/]|~[01])*)*$/.test(pointer)) throw new Error(`not a JSON pointer: ${pointer}`);
  const tokens = pointer.split('/').slice(1);
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function replaced(target: unknown, [token, ...rest]: readonly string[], value: unknown): unknown {
  if (token === undefined) return value;
  // RFC 6902 §4.3: "The target location MUST exist for the operation to be successful."
  if (typeof target !== 'object' || target === null || !Object.hasOwn(target, token)) {
    throw new Error(`missing: ${token}`);
  }
  const members = Object.entries(target).map(([name, member]) => [
    name,
    name === token ? replaced(member, rest, value) : member,
  ]);
  return Object.fromEntries(members);
}
