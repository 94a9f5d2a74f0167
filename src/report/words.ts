import type { Finding } from '../rules/rule.ts';
import { printable as oneLine } from '../text.ts';
import { type Report, tallyOf } from './report.ts';

/** What is wrong, and in what: `Secret hr/db, data key "password": the value is not sealed`. */
export function sentenceOf({ secret, key, message }: Finding): string {
  const place = [
    secret === undefined ? [] : [`Secret ${secret}`],
    key === undefined ? [] : [`data key "${key}"`],
  ].flat();
  return place.length === 0 ? message : `${place.join(', ')}: ${message}`;
}

/** `deploy/db.yaml:11:13`. */
export function placeOf({ path, position }: Finding): string {
  return `${path}:${position.line}:${position.column}`;
}

/** `text` as one line that steers neither a terminal nor GitHub's runner, which obeys `##[command]`. */
export function printable(text: string): string {
  return oneLine(text).replaceAll('##[', '#\\u{23}[');
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `3 errors, 1 warning in 2 of 40 files; 120 of 121 values are sealed`. */
export function summaryOf(report: Report): string {
  const { errors, warnings, faulty, files } = tallyOf(report);
  const kinds = [
    errors === 0 ? [] : [counted(errors, 'error')],
    warnings === 0 ? [] : [counted(warnings, 'warning')],
  ].flat();
  const { hidden, suppressed } = report;
  return [
    kinds.length === 0
      ? `no findings in ${counted(files, 'file')}`
      : `${kinds.join(', ')} in ${faulty} of ${counted(files, 'file')}`,
    hidden.length === 0 ? [] : `${hidden.length} of these not shown`,
    sealedPart(report),
    suppressed.length === 0 ? [] : `${counted(suppressed.length, 'finding')} suppressed`,
  ]
    .flat()
    .join('; ');
}

function sealedPart({ secrets, values, sealed }: Report): string {
  if (values === 0)
    return secrets === 0 ? 'no Secrets' : `no values in ${counted(secrets, 'Secret')}`;
  if (values === 1)
    return sealed === 1 ? 'the only value is sealed' : 'the only value is not sealed';
  return `${sealed === values ? 'all' : `${sealed} of`} ${values} values are sealed`;
}
