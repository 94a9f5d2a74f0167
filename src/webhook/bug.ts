/**
 * What may be told of an error that nobody foresaw: its kind, and the line it comes from. Its
 * message may quote a value.
 */
export function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return 'a bug in kseal: something was thrown that is no error';
  const { name, message, stack = '' } = error;
  const said = stack.indexOf(message);
  const behind = said < 0 ? '' : stack.slice(said + message.length);
  const [place = ''] = /^ {4}at .*$/m.exec(behind) ?? [];
  return `a bug in kseal: ${name} ${place.trim()}`.trimEnd();
}
