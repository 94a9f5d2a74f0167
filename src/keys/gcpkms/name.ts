import { KsealError } from '../../errors.ts';

const FORM = 'gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/N]';

/** The resource name of a crypto key or of a version of it. */
const NAME =
  /projects\/(?:[a-z0-9.-]+:)?[a-z0-9-]{1,63}\/locations\/[a-z0-9-]{1,63}\/keyRings\/[\w-]{1,63}\/cryptoKeys\/[\w-]{1,63}(?:\/cryptoKeyVersions\/[1-9]\d{0,14})?/;

const REFERENCE = new RegExp(`^gcpkms://(${NAME.source})$`, 'i');
const WHOLE_NAME = new RegExp(`^${NAME.source}$`);
/** A name inside a longer text, such as a Google URL. */
const MEANT = new RegExp(`${NAME.source}(?=[/?#]|\\s*$)`);

export interface KmsName {
  /** The full resource name in Cloud KMS, of a crypto key or of a version. */
  readonly name: string;
  readonly project: string;
  readonly isVersion: boolean;
}

/** Parses a `gcpkms://` reference. Throws KEY_REFERENCE_INVALID. */
export function parseKmsReference(reference: string): KmsName {
  const name = REFERENCE.exec(reference)?.[1] ?? '';
  if (WHOLE_NAME.test(name)) {
    const isVersion = versionNumber(name) !== undefined;
    return { name, project: partsOf(name).project, isVersion };
  }
  const meant = MEANT.exec(reference)?.[0];
  throw new KsealError('KEY_REFERENCE_INVALID', 'not a Cloud KMS key', {
    thing: reference,
    hint: meant === undefined ? `use ${FORM}` : `did you mean 'gcpkms://${meant}'?`,
    meant: meant === undefined ? undefined : [reference, `gcpkms://${meant}`],
  });
}

/** The number of a version; undefined for the name of a crypto key. */
export function versionNumber(name: string): number | undefined {
  const number = /\/cryptoKeyVersions\/([1-9]\d{0,14})$/.exec(name)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** A gcloud command on the crypto key of a name: `gcloud kms keys list …`. */
export function gcloudKeys(command: string, name: string): string {
  const { project, location, keyRing } = partsOf(name);
  return `gcloud kms keys ${command} --keyring ${keyRing} --location ${location} --project ${project}`;
}

/** A gcloud command on the version that is named, or on all versions of the crypto key. */
export function gcloudVersions(command: string, name: string): string {
  const { cryptoKey, version } = partsOf(name);
  const target = version === undefined ? '' : ` ${version}`;
  return gcloudKeys(`versions ${command}${target} --key ${cryptoKey}`, name);
}

/** A gcloud command that grants a role on the crypto key of a name. */
export function gcloudGrant(role: string, name: string): string {
  const command = `add-iam-policy-binding ${partsOf(name).cryptoKey}`;
  return `${gcloudKeys(command, name)} --member user:YOU --role ${role}`;
}

function partsOf(name: string) {
  const [, project = '', , location = '', , keyRing = '', , cryptoKey = '', , version] =
    name.split('/');
  return { project, location, keyRing, cryptoKey, version };
}
