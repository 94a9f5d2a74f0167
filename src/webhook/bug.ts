/**
 * What may be told of an error that nobody foresaw: its kind, and the line it comes from. Its
 * message may quote a value.
 */
export function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return 'a bug in kseal: something was thrown that is no error';
  const [place = ''] = error.stack?.match(/^ {4}at .*$/m) ?? [];
  return `a bug in kseal: ${error.name} ${place.trim()}`.trimEnd();
}
