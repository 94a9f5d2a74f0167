import type { FastifyReply, FastifyRequest } from 'fastify';
import { MAX_REVIEW_OCTETS } from './admission.ts';

/** What the bodies that are under way may add up to; a 503 for the rest keeps memory bounded. */
const MAX_OCTETS_UNDER_WAY = 64 * 1024 * 1024;
/** What a request counts for at least, with its connection and its review. */
const LEAST_OCTETS = 32 * 1024;

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** The requests that are under way. */
export interface Bodies {
  /** Lets a request in, until its answer is given, or refuses it before its body is read. */
  readonly admit: Hook;
  /** Fulfilled as soon as none is under way. */
  readonly none: () => Promise<void>;
}

/** Counts a body as long as it says it is, and one that does not say as the longest there may be. */
export function bodiesUnderWay(): Bodies {
  let octets = 0;
  let waiting: (() => void)[] = [];
  const leave = (weight: number) => {
    octets -= weight;
    if (octets > 0) return;
    for (const tell of waiting) tell();
    waiting = [];
  };
  return {
    async admit({ headers }, reply) {
      const length = Number(headers['content-length'] ?? MAX_REVIEW_OCTETS);
      if (length > MAX_REVIEW_OCTETS) {
        return reply.code(413).send({ error: 'the body is too large' });
      }
      const weight = Math.max(length, LEAST_OCTETS);
      if (octets + weight > MAX_OCTETS_UNDER_WAY) {
        return reply.code(503).header('retry-after', 1).send({ error: 'too much at once' });
      }
      octets += weight;
      reply.raw.once('close', () => leave(weight));
    },
    none: async () => {
      if (octets > 0) await new Promise<void>((tell) => waiting.push(tell));
    },
  };
}

export const refuseEncoded: Hook = async ({ headers }, reply) => {
  if ((headers['content-encoding'] ?? 'identity') === 'identity') return;
  return reply.code(415).send({ error: 'the body must not be encoded' });
};
