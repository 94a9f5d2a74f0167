/**
 * Waits for `promise` for at most `milliseconds`, and returns undefined after that. `late` may
 * return something else, or throw.
 */
export function within<T, L = undefined>(
  milliseconds: number,
  promise: Promise<T>,
  late: () => L = () => undefined as L,
): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  return Promise.race([promise, end.then(late)]).finally(() => clearTimeout(timer));
}
