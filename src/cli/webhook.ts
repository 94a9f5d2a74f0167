import type { Command } from 'commander';
import type { IO } from './io.ts';
import { configure as configureManifests } from './webhook-manifests.ts';
import { configure as configureServe } from './webhook-serve.ts';

/** A group: its commands load what is heavy when they run. */
export function configure(command: Command, io: IO): void {
  configureServe(command.command('serve').description('serve the admission webhook'), io);
  configureManifests(
    command.command('manifests').description('print the YAML that installs the webhook'),
    io,
  );
}
