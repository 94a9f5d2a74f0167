// Where in a text something is, found by halving: a text may have a great many of all things.

/** Offsets or lines, `end` exclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The index of the last of ascending numbers that is at most `limit`; -1 if none is. */
export function lastAtMost(ascending: readonly number[], limit: number): number {
  let [low, high] = [-1, ascending.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) <= limit) low = middle;
    else high = middle;
  }
  return low;
}

/** Finds among ranges in order the one that holds a place. */
export function rangesAt<T extends Range>(ranges: readonly T[]): (at: number) => T | undefined {
  const starts = ranges.map(({ start }) => start);
  return (at) => {
    const found = ranges[lastAtMost(starts, at)];
    return found !== undefined && at < found.end ? found : undefined;
  };
}
