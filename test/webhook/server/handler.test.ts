import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KsealError } from '../../../src/errors.ts';
import { createReviewer, reviewDeadline } from '../../../src/webhook/server/handler.ts';
import { keyringOf } from '../../../src/webhook/server/keyring.ts';
import { createLog } from '../../../src/webhook/server/log.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import { Capture } from '../../helpers/io.ts';
import { askedKey, keys } from '../keys.ts';
import { creation, sealedValues } from '../reviews.ts';

describe('the deadline of a review', () => {
  test.each([
    ['1s', 500],
    ['2s', 500],
    ['3s', 1500],
    ['5s', 3500],
    ['10s', 8500],
    ['30s', 28_500],
    ['0m30s', 28_500],
  ])('for a timeout of %s is %d ms', (timeout, deadline) => {
    expect(reviewDeadline(timeout)).toBe(deadline);
  });

  test.each([
    undefined,
    '',
    '0s',
    '-1s',
    '-1',
    '1',
    '10',
    '31s',
    '1m0s',
    '1h',
    '1h0m0s',
    '99s',
    '999999s',
    'x',
    '1.5s',
    '1e1s',
    '10s10s',
    ' 10s',
    '10s\n',
    '１０s',
    '500ms',
    '1m',
    'Infinity',
    'NaN',
    '0x5s',
  ])('for %j, which no API server sends, is that of 10 s', (timeout) => {
    expect(reviewDeadline(timeout)).toBe(8_500);
  });

  test('is before the API server gives up, for any timeout', () => {
    const durations = fc.stringMatching(/^(?:\d{1,3}m)?\d{1,3}s$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), durations), (timeout) => {
        const deadline = reviewDeadline(timeout);
        return deadline >= 500 && deadline <= 28_500;
      }),
    );
    for (let seconds = 1; seconds <= 30; seconds++) {
      // The API server may have rounded it up by almost a second.
      const wait = Math.max(seconds - 1, 0.75) * 1000;
      expect(reviewDeadline(`${seconds}s`)).toBeLessThan(wait);
    }
  });
});

describe('a refusal while the KMS is down', () => {
  async function answerAfter(milliseconds: number) {
    const decryptKey = async () => {
      throw new KsealError('KEY_UNAVAILABLE', 'unavailable');
    };
    const { kid, modulusBytes, state } = askedKey('small');
    const key = { kid, modulusBytes, state, decryptKey };
    const keyring = keyringOf(['a'], async () => [key], new Map());
    await keyring.refresh();
    const answer = createReviewer(
      { acceptUnbound: [], maxScope: 'strict', useCache: false, kmsTimeout: undefined },
      { keyring, metrics: createMetrics(), log: createLog(new Capture(), 'info') },
    );
    const body = Buffer.from(creation(sealedValues(1, keys.publicPem('small'))));
    const begun = performance.now() - milliseconds;
    return JSON.parse(await answer({ body, timeout: '30s', begun })).response.status;
  }

  test('asks the client to retry if it came at once', async () => {
    // A minute ahead, so that a slow machine does not count.
    expect(await answerAfter(-60_000)).toMatchObject({
      code: 503,
      details: { retryAfterSeconds: 1 },
    });
  });

  test('is final if it took seconds, because each retry would too', async () => {
    const status = await answerAfter(3_001);
    expect(status.code).toBe(503);
    expect(status.details).toBeUndefined();
  });
});
