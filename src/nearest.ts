/** The candidate that `word` is most likely a slip of: at most a third of its letters differ. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const distances = candidates.map((candidate) =>
    distance(word.toLowerCase(), candidate.toLowerCase()),
  );
  const least = Math.min(...distances);
  return least <= Math.max(1, word.length / 3) ? candidates[distances.indexOf(least)] : undefined;
}

/** Levenshtein distance: insertions, removals and replacements of one letter. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (letter === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
