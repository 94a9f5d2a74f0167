import { expect, test, vi } from 'vitest';
import { KsealError } from '../../../src/errors.ts';
import type { KeyState, OpeningKey } from '../../../src/jwe/decrypt.ts';
import { keyringOf } from '../../../src/webhook/server/keyring.ts';

const none: ReadonlyMap<string, KeyState> = new Map();
const keyOf = (kid: string, state: KeyState = 'active'): OpeningKey => ({
  kid,
  modulusBytes: 256,
  state,
  decryptKey: async () => undefined,
});
const kidsOf = (keyring: { keys(): readonly OpeningKey[] }) =>
  keyring.keys().map(({ kid, state }) => `${kid} ${state}`);

test('W31: empty and neither read nor complete before the first reading, nor while it goes on', async () => {
  let answer = (_: readonly OpeningKey[]) => {};
  const load = () =>
    new Promise<readonly OpeningKey[]>((resolve) => {
      answer = resolve;
    });
  const keyring = keyringOf(['a'], load, none);
  const reading = keyring.refresh();
  expect([kidsOf(keyring), keyring.hasBeenRead(), keyring.isComplete()]).toEqual([
    [],
    false,
    false,
  ]);
  answer([keyOf('k1')]);
  expect(await reading).toEqual(new Map());
  expect([kidsOf(keyring), keyring.hasBeenRead(), keyring.isComplete()]).toEqual([
    ['k1 active'],
    true,
    true,
  ]);
});

test('W31: a reference that fails keeps its keys, and the others are read anew', async () => {
  const load = vi.fn(async (reference: string) => [keyOf(`${reference}1`)]);
  const keyring = keyringOf(['a', 'b'], load, none);
  await keyring.refresh();
  const failure = new KsealError('KEY_UNAVAILABLE', 'away');
  load.mockImplementation(async (reference) => {
    if (reference === 'a') throw failure;
    return [keyOf('b2')];
  });
  expect(await keyring.refresh()).toEqual(new Map([['a', failure]]));
  expect([kidsOf(keyring), keyring.hasBeenRead(), keyring.isComplete()]).toEqual([
    ['a1 active', 'b2 active'],
    true,
    false,
  ]);
  load.mockImplementation(async (reference) => [keyOf(`${reference}3`)]);
  await keyring.refresh();
  expect([kidsOf(keyring), keyring.isComplete()]).toEqual([['a3 active', 'b3 active'], true]);
});

test('a reference that has never been read leaves the keyring unread', async () => {
  const load = async (reference: string) => {
    if (reference === 'a') throw new Error('never');
    return [keyOf('b1')];
  };
  const keyring = keyringOf(['a', 'b'], load, none);
  await keyring.refresh();
  expect([kidsOf(keyring), keyring.hasBeenRead()]).toEqual([['b1 active'], false]);
});

test('the states that the server was given hold', async () => {
  const states = new Map<string, KeyState>([
    ['k1', 'revoked'],
    ['k2', 'deprecated'],
  ]);
  const keyring = keyringOf(['a'], async () => [keyOf('k1'), keyOf('k2'), keyOf('k3')], states);
  await keyring.refresh();
  expect(kidsOf(keyring)).toEqual(['k1 revoked', 'k2 deprecated', 'k3 active']);
});
