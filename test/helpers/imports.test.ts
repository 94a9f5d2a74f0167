import { describe, expect, test } from 'vitest';
import { importsOf, withoutComments } from './imports.ts';

describe('the reader of imports', () => {
  test.each([
    ["import a from 'a';", ['a']],
    ['import { type A,\n  b } from \'./b.ts\';\nimport type { C } from "c";', ['./b.ts', 'c']],
    ["import 'side-effect';\nimport * as d from 'd';", ['side-effect', 'd']],
    ["const e = () => import('./e.ts');\nawait import(\n  `f`)", ['./e.ts', 'f']],
    ["type G = import('./g.ts').G;\nexport { h } from './h.ts';", ['./g.ts', './h.ts']],
    ["export const text = 'not an import';\nexport function from() {}", []],
  ])('reads %j', (code, imports) => {
    expect(importsOf(code)).toEqual(imports);
  });

  test('skips comments, but not what follows a URL', () => {
    const text = "/* import 'a' */ // import 'b'\nconst u = 'https://x'; import('./c.ts');";
    expect(importsOf(withoutComments(text))).toEqual(['./c.ts']);
  });
});
