// What a release changes in the pages, and takes from them:
//   node .ci/release.mjs pages                  writes the version of package.json into the pages
//   node .ci/release.mjs notes TAG REPOSITORY   prints the changes of a version for its release page
// `npm version` runs the first, and the release workflow the second, which fails unless the tag,
// package.json, package-lock.json and CHANGELOG.md agree.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const text = readFileSync('CHANGELOG.md', 'utf8');
const { version, repository } = JSON.parse(readFileSync('package.json', 'utf8'));

function fail(problem, hint) {
  process.stderr.write(`${problem}\nhint: ${hint}\n`);
  process.exit(1);
}

/** The text below the heading of a version, up to the next version; undefined without a heading. */
function sectionOf(name) {
  const section = text.split(/^## /m).find((part) => part.split(/[ \n]/, 1)[0] === name);
  return section?.slice(section.indexOf('\n')).trim();
}

/** Names the unreleased changes after the version, and has readers install this version. */
function pages() {
  if (!sectionOf('Unreleased'))
    fail('CHANGELOG.md: nothing under "## Unreleased"', 'describe what changes for users');
  const today = new Date().toISOString().slice(0, 10);
  const headings = `## Unreleased\n\n## ${version} - ${today}`;
  writeFileSync('CHANGELOG.md', text.replace('## Unreleased', headings));
  const guides = readdirSync('docs').filter((name) => name.endsWith('.md'));
  for (const path of ['README.md', 'SECURITY.md', ...guides.map((name) => `docs/${name}`)]) {
    const page = readFileSync(path, 'utf8');
    writeFileSync(path, page.replaceAll(/\bkseal@\d+\.\d+\.\d+/g, `kseal@${version}`));
  }
}

function notes(tag, name) {
  const release = 'npm version NEW-VERSION';
  if (tag !== `v${version}`) fail(`${tag}: package.json has version ${version}`, release);
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
({ pages, notes })[verb](...args);
