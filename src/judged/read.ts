import { readManifest } from '../manifest/read.ts';
import type { Manifest } from '../manifest/types.ts';
import { type Position, rangesAt } from '../yaml/node.ts';
import { actionIn, legibleIn } from './legible.ts';
import { restored } from './restore.ts';
import { type TemplateDocument, templatesIn } from './template.ts';

export interface ReadText {
  readonly manifest: Manifest;
  readonly templates: readonly TemplateDocument[];
}

/** Reads a text, and of one that is no YAML yet what is left without its template actions. */
export function readTemplates(source: string, path: string): ReadText {
  const manifest = readManifest(source, path);
  const isBroken = manifest.roots.length === 0 && manifest.problems.length > 0;
  if (!isBroken || actionIn(source) === undefined)
    return { manifest, templates: templatesIn(manifest, source, []) };
  const legible = legibleIn(source);
  const rest = restored(readManifest(legible.source, path), source);
  return { manifest: rest, templates: templatesIn(rest, source, legible.parts) };
}

/** Whether a position stands in one of them. */
export function isWithin(templates: readonly TemplateDocument[]): (position: Position) => boolean {
  const templateAt = rangesAt(templates);
  return ({ line }) => templateAt(line) !== undefined;
}
