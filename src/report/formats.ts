import { github } from './github.ts';
import { json } from './json.ts';
import { junit } from './junit.ts';
import type { Reporter } from './report.ts';
import { sarif } from './sarif.ts';
import { text } from './text.ts';

/** What `--format` takes. */
export const formats = { text, json, sarif, github, junit } as const satisfies Readonly<
  Record<string, Reporter>
>;

export type Format = keyof typeof formats;
