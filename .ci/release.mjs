// Prepares the pages for a release, and reads its notes from them:
//   node .ci/release.mjs check                  fails if there is nothing to release
//   node .ci/release.mjs pages                  writes the version of package.json into the pages
//   node .ci/release.mjs notes TAG REPOSITORY   prints the changes of a version for its release page
// `npm version` runs the first before it changes a file, and then the second. The release workflow runs
// the third, which fails unless the tag, package.json, package-lock.json and CHANGELOG.md agree.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const text = readFileSync('CHANGELOG.md', 'utf8');
const { version, repository } = JSON.parse(readFileSync('package.json', 'utf8'));

/** A version of kseal in a page: of the package, a file, the image, or a tag. */
const ownVersion = /(?<=\bkseal[@:-]|refs\/tags\/v|--branch v)\d+\.\d+\.\d+/g;

function fail(problem, hint) {
  process.stderr.write(`${problem}\nhint: ${hint}\n`);
  process.exit(1);
}

/** The text below the heading of a version, up to the next version; undefined without a heading. */
function sectionOf(name) {
  const section = text.split(/^## /m).find((part) => part.split(/[ \n]/, 1)[0] === name);
  return section?.slice(section.indexOf('\n')).trim();
}

function check() {
  if (!sectionOf('Unreleased'))
    fail('CHANGELOG.md: nothing under "## Unreleased"', 'describe what changes for users');
}

/** Names the unreleased changes after the version, and has readers download this version. */
function pages() {
  const today = new Date().toISOString().slice(0, 10);
  const headings = `## Unreleased\n\n## ${version} - ${today}`;
  writeFileSync('CHANGELOG.md', text.replace('## Unreleased', headings));
  const guides = readdirSync('docs').filter((name) => name.endsWith('.md'));
  for (const path of ['README.md', 'SECURITY.md', ...guides.map((name) => `docs/${name}`)]) {
    const page = readFileSync(path, 'utf8');
    writeFileSync(path, page.replaceAll(ownVersion, version));
  }
}

function notes(tag, name) {
  const release = 'npm version NEW-VERSION';
  if (tag !== `v${version}`) fail(`${tag}: the tag for package.json is v${version}`, release);
  const locked = JSON.parse(readFileSync('package-lock.json', 'utf8')).version;
  if (locked !== version) fail(`${tag}: package-lock.json has version ${locked}`, release);
  const section = sectionOf(version);
  if (!section) fail(`${tag}: CHANGELOG.md has nothing under "## ${version}"`, release);
  // npm accepts provenance only from the repository that the package names.
  const url = `git+https://github.com/${name}.git`;
  if (repository?.url !== url)
    fail(
      'package.json: does not name this repository',
      `npm pkg set repository.type=git repository.url=${url}`,
    );
  process.stdout.write(`${section}\n`);
}

const [verb, ...args] = process.argv.slice(2);
({ check, pages, notes })[verb](...args);
