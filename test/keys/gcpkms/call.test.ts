import { expect, test } from 'vitest';
import { crc32c } from '../../../src/keys/gcpkms/call.ts';

const counting = Uint8Array.from({ length: 32 }, (_, i) => i);

/** An iSCSI SCSI Read (10) command, the last example of RFC 3720 B.4. */
const command = Buffer.from(
  '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' +
    '0200000000000000',
  'hex',
);

// RFC 3720 B.4 lists the bytes as they are sent, least significant first.
test.each([
  ['32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes, counting up', counting, 0x46dd794e],
  ['32 bytes, counting down', counting.toReversed(), 0x113fdb5c],
  ['an iSCSI command', command, 0xd9963a56],
  ['the check value of the CRC catalogue', Buffer.from('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(0), 0],
])('CRC32C of %s', (_, bytes, checksum) => {
  expect(crc32c(bytes)).toBe(checksum);
});
