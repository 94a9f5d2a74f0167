import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { defaultLimits } from '../../src/keys/gcpkms/call.ts';
import { startKmsEmulator } from '../kms-emulator/emulator.ts';
import { cekOf, jwesIn } from './jwe.ts';
import { type Main, runScript } from './script.ts';

// The commands on a Cloud KMS: a script with a wrong count or an unknown name fails.

const keys = inject('keys');
const name = 'projects/p/locations/l/keyRings/r/cryptoKeys/hr';
const version = `${name}/cryptoKeyVersions/1`;

/** Runs a script that starts the KMS, seals and opens a value with it, and runs `commands`. */
function run(commands: string, program: Main = main) {
  const lines = [
    'kms kms.json',
    `kseal fetch-pubkey gcpkms://${version} -o hr.pub`,
    'kseal seal db -n hr -k hr.pub --from-file one -o db.yaml',
    'kseal seal other -n hr -k hr.pub --from-file one -o other.yaml',
    'kms-calls GetPublicKey=1',
    `kseal decrypt db.yaml -k gcpkms://${version}`,
  ];
  const files = `-- one --\nCANARY-one\n-- kms.json --\n{"${name}": [{}]}\n`;
  const text = `${[...lines, commands].join('\n')}\n${files}`;
  return runScript({ main: program, text, path: 'x.txtar', keys });
}

test.each([
  [
    'a wrong count',
    'kms-calls GetPublicKey=1',
    /the calls were: AsymmetricDecrypt=1 GetPublicKey=1/,
  ],
  ['unexpected calls', 'kms-calls', /the calls were: AsymmetricDecrypt=1/],
  ['other encrypted keys', `kms-decrypted ${version} other.yaml`, /not these 1/],
  ['more encrypted keys', `kms-decrypted ${version} db.yaml other.yaml`, /expected 2/],
  ['another version', `kms-decrypted ${name}/cryptoKeyVersions/2 db.yaml`, /not these 0/],
  ['an unknown fault', 'kms-fault GetPublicKey hangs', /unknown fault of the kms: hangs/],
  ['an unknown method', 'kms-fault GetPublicKeys hang', /unknown method of the kms: GetPublicKeys/],
  ['an unknown version', `kms-state ${name} DISABLED`, /the emulator has no /],
])('a script fails for %s', async (_, commands, message) => {
  await expect(run(commands)).rejects.toThrow(message);
});

test('a script fails for the CEK of a value that only the KMS opens', async () => {
  // All emulators in a process have the same keys.
  const emulator = await startKmsEmulator({ keys: { [name]: [{}] } });
  onTestFinished(() => emulator.stop());
  const pem = emulator.version(version)?.privateKey?.export({ type: 'pkcs8', format: 'pem' });
  const leaky: Main = async (argv, io) => {
    if (argv[0] !== 'leak') return main(argv, io);
    const [jwe = ''] = jwesIn(readFileSync(join(io.cwd, 'db.yaml'), 'latin1'));
    io.stdout.write(cekOf(jwe, `${pem}`)?.toString('hex'));
    return 0;
  };
  await expect(run('kseal leak', leaky)).rejects.toThrow(
    /stdout shows the CEK [0-9a-f]{64} as hex/,
  );
});

test('a script passes, and restores the limits and stops the KMS at its end', async () => {
  const before = { ...defaultLimits };
  const script = await run(
    [
      `kms-decrypted ${version} db.yaml`,
      'kms-calls AsymmetricDecrypt=1 GetPublicKey=1',
      'kms-limits 60000 200',
      'kms-fault GetPublicKey hang',
      `fails KEY_DEADLINE kseal decrypt db.yaml -k gcpkms://${version}`,
      'kms-fault',
      'kms-forget',
      'kms-calls',
    ].join('\n'),
  );
  expect(defaultLimits).toEqual(before);
  const gone = await runScript({
    main,
    text: `env KSEAL_KMS_ENDPOINT=${script.env.KSEAL_KMS_ENDPOINT}\nfails KEY_UNAVAILABLE kseal fetch-pubkey gcpkms://${version}\n`,
    path: 'x.txtar',
    keys,
  });
  expect(gone.runs).toHaveLength(1);
});
