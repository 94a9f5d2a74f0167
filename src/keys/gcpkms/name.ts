import { KsealError } from '../../errors.ts';

const FORM = 'gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/N]';

/** The resource name of a crypto key or of one of its versions. */
const NAME =
  /projects\/(?:[a-z0-9.-]+:)?[a-z0-9-]{1,63}\/locations\/[a-z0-9-]{1,63}\/keyRings\/[\w-]{1,63}\/cryptoKeys\/[\w-]{1,63}(?:\/cryptoKeyVersions\/[1-9]\d{0,14})?/;

const REFERENCE = new RegExp(`^gcpkms://(${NAME.source})$`, 'i');
const WHOLE_NAME = new RegExp(`^${NAME.source}$`);
/** A name inside of more: a URL of Google's, or one with something behind it. */
const MEANT = new RegExp(`${NAME.source}(?=[/?#]|\\s*$)`);

/** A reference to Cloud KMS: a crypto key, or one version of it. */
export interface KmsName {
  /** The full resource name, as Cloud KMS knows it. */
  readonly name: string;
  readonly project: string;
  /** Whether it names a version, and not a crypto key with all its versions. */
  readonly isVersion: boolean;
}

/** Reads a `gcpkms://` reference. Throws KEY_REFERENCE_INVALID. */
export function parseKmsReference(reference: string): KmsName {
  const name = REFERENCE.exec(reference)?.[1] ?? '';
  if (WHOLE_NAME.test(name)) {
    const isVersion = versionNumber(name) !== undefined;
    return { name, project: partsOf(name).project, isVersion };
  }
  const meant = MEANT.exec(reference)?.[0];
  throw new KsealError('KEY_REFERENCE_INVALID', `not a key of Cloud KMS: ${reference}`, {
    hint: meant === undefined ? `the form is ${FORM}` : `did you mean 'gcpkms://${meant}'?`,
  });
}

/** The number of a version; undefined for the name of a crypto key. */
export function versionNumber(name: string): number | undefined {
  const number = /\/cryptoKeyVersions\/([1-9]\d{0,14})$/.exec(name)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** A gcloud command on the crypto key behind a name: `gcloud kms keys list …`. */
export function gcloudKeys(command: string, name: string): string {
  const { project, location, keyRing } = partsOf(name);
  return `gcloud kms keys ${command} --keyring ${keyRing} --location ${location} --project ${project}`;
}

/** A gcloud command on the version behind a name, or on all versions of the crypto key. */
export function gcloudVersions(command: string, name: string): string {
  const { cryptoKey, version } = partsOf(name);
  const target = version === undefined ? '' : ` ${version}`;
  return gcloudKeys(`versions ${command}${target} --key ${cryptoKey}`, name);
}

/** A gcloud command that grants a role on the crypto key behind a name. */
export function gcloudGrant(role: string, name: string): string {
  const command = `add-iam-policy-binding ${partsOf(name).cryptoKey}`;
  return `${gcloudKeys(command, name)} --member user:YOU --role ${role}`;
}

function partsOf(name: string) {
  const [, project = '', , location = '', , keyRing = '', , cryptoKey = '', , version] =
    name.split('/');
  return { project, location, keyRing, cryptoKey, version };
}
