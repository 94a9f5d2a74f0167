import type { Writable } from 'node:stream';
import { pino } from 'pino';
import type { KsealError } from '../../errors.ts';
import { shortened } from '../denial.ts';
import type { LogLevel } from './settings.ts';

/** Everything that a log line may say besides its message. No value has a field. */
export interface LogFields {
  readonly uid?: string;
  readonly namespace?: string;
  readonly name?: string | undefined;
  readonly operation?: string;
  readonly dryRun?: boolean;
  /** The data keys of the values that were opened. */
  readonly opened?: readonly string[];
  readonly result?: string;
  readonly errors?: readonly LoggedError[];
  readonly milliseconds?: number;
  readonly reference?: string;
  readonly code?: string;
  /** Who called, and by which name. */
  readonly address?: string | undefined;
  readonly client?: string;
  readonly kids?: readonly string[];
  readonly expires?: string;
  readonly signal?: string;
}

interface LoggedError {
  readonly key?: string;
  readonly code: string;
  readonly message: string;
}

export interface Log {
  write(level: LogLevel, message: string, fields?: LogFields): void;
}

/** The longest name of a Kubernetes object; in a request a name may be longer still. */
const MOST_NAME = 253;
const MOST_MESSAGE = 1000;
const MOST_ITEMS = 300;

/** A log of JSON lines on `stream`. What comes from a request is shortened and steers nothing. */
export function createLog(stream: Writable, level: LogLevel): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    write: (at, message, fields = {}) =>
      logger[at](cleaned(fields), shortened(message, MOST_MESSAGE)),
  };
}

function cleaned(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, clean(value)]));
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return shortened(value, MOST_NAME);
  if (Array.isArray(value)) return value.slice(0, MOST_ITEMS).map(clean);
  if (typeof value !== 'object' || value === null) return value;
  const { message, ...rest } = value as Record<string, unknown>;
  const said = typeof message !== 'string' ? {} : { message: shortened(message, MOST_MESSAGE) };
  return { ...cleaned(rest), ...said };
}

/** What a log says of an error that was foreseen: kseal's own words quote no value. */
export function loggedError({ code, message }: KsealError, key?: string): LoggedError {
  return { ...(key === undefined ? {} : { key }), code, message };
}

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
