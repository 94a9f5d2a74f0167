/**
 * The result of `promise`, or of `late` if `promise` takes longer than `milliseconds`. `late` may
 * throw.
 */
export function within<T, L>(
  milliseconds: number,
  promise: Promise<T>,
  late: () => L,
): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  return Promise.race([promise, end.then(late)]).finally(() => clearTimeout(timer));
}
