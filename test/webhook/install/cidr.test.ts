import { expect, test } from 'vitest';
import { isCidr } from '../../../src/webhook/install/network.ts';

test.each([
  '10.0.0.0/8',
  '0.0.0.0/0',
  '255.255.255.255/32',
  'fd00::/64',
  '::1/128',
  '::ffff:1.2.3.4/120',
])('%s is a range of addresses', (text) => {
  expect(isCidr(text)).toBe(true);
});

test.each([
  '',
  '10.0.0.1',
  '10.0.0.0/33',
  '10.0.0.256/32',
  '10.0.0/8',
  '10.0.0.0/08',
  '010.0.0.0/8',
  '10.0.0.0/8 ',
  'fd00::/129',
  'fd00:::/64',
  'g::/64',
  '[::1]/64',
  'host/8',
  '10.0.0.0/-1',
])('%j is none', (text) => {
  expect(isCidr(text)).toBe(false);
});
