import type { Writable } from 'node:stream';
import { pino } from 'pino';
import type { KsealError } from '../../errors.ts';
import { shortened } from '../denial.ts';
import type { LogLevel } from './settings.ts';

/** All fields that a log line may have besides its message. None holds a value of a Secret. */
export interface LogFields {
  readonly uid?: string;
  readonly namespace?: string;
  readonly name?: string | undefined;
  readonly operation?: string;
  readonly dryRun?: boolean;
  readonly user?: string | undefined;
  /** The data keys of the opened values. */
  readonly opened?: readonly string[];
  readonly result?: string;
  readonly errors?: readonly LoggedError[];
  readonly milliseconds?: number;
  readonly reference?: string;
  readonly code?: string;
  /** The address of a caller, and the common name of its certificate. */
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

/** The longest user name of a service account; names in a request may be longer. */
const MAX_NAME = 'system:serviceaccount::'.length + 63 + 253;
const MAX_MESSAGE = 1000;
const MAX_ITEMS = 300;

/** A log of JSON lines on `stream`. Texts are shortened, and their control characters escaped. */
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
      logger[at](cleaned(fields), shortened(message, MAX_MESSAGE)),
  };
}

function cleaned(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, clean(value)]));
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return shortened(value, MAX_NAME);
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(clean);
  if (typeof value !== 'object' || value === null) return value;
  const { message, ...rest } = value as Record<string, unknown>;
  const short = typeof message === 'string' ? { message: shortened(message, MAX_MESSAGE) } : {};
  return { ...cleaned(rest), ...short };
}

/** An expected error as a log field: the messages of kseal quote no values. */
export function loggedError({ code, message }: KsealError, key?: string): LoggedError {
  return { ...(key === undefined ? {} : { key }), code, message };
}

/** An unexpected error by its name and its place, without its message, which may quote a value. */
export function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return 'a bug in kseal: something other than an Error was thrown';
  const { name, message, stack = '' } = error;
  const start = stack.indexOf(message);
  const frames = start < 0 ? '' : stack.slice(start + message.length);
  const [place = ''] = /^ {4}at .*$/m.exec(frames) ?? [];
  return `a bug in kseal: ${name} ${place.trim()}`.trimEnd();
}
