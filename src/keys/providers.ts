import type { Provider } from './provider.ts';

/** Where keys live, by the scheme of their reference. A provider is loaded when it is used. */
export const providers: ReadonlyMap<string, () => Promise<Provider>> = new Map([
  ['gcpkms', () => import('./gcpkms.ts')],
  ['git+https', () => import('./git-key.ts')],
  ['git+ssh', () => import('./git-key.ts')],
  ['git+file', () => import('./git-key.ts')],
]);
