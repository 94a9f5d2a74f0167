declare const KSEAL_VERSION: string;

/** The version of package.json, put in when kseal is built. */
export const version: string = KSEAL_VERSION;
