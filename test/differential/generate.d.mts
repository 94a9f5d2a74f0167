export declare function generate(
  seed: number,
  sources: { readonly sealed: readonly string[]; readonly corpus: readonly string[] },
): string;
