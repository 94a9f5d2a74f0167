import { expected, KsealError } from '../errors.ts';
import { entryNamed } from '../manifest/nodes.ts';
import { sealedKeysIn, secretAt } from '../manifest/place.ts';
import { decodeManifest, readManifest } from '../manifest/read.ts';
import { type Present, progressOf } from '../request/answer.ts';
import { isRequest, readRequest, type Target } from '../request/request.ts';
import { decodeUtf8 } from '../text.ts';
import { positionsIn } from '../yaml/node.ts';
import { parseYaml } from '../yaml/parse.ts';
import type { JudgedRequest } from './rule.ts';

/** A file that a request names: its bytes, undefined if it is missing, or the error of reading it. */
type ReadBeside = (name: string) => Uint8Array | KsealError | undefined;

/**
 * Reads a request, and what its targets have; undefined for any other text. Never throws.
 *
 * @param path the path for a command line
 */
export function judgeRequest(
  content: Uint8Array | KsealError,
  path: string,
  beside: ReadBeside,
): JudgedRequest | undefined {
  const source = content instanceof KsealError ? undefined : decodeUtf8(content);
  if (source === undefined || !isRequest(source)) return undefined;
  const { request, problems } = readRequest(source);
  if (request === undefined) {
    const position = { line: 1, column: 1 };
    return { path, position, problems, progress: undefined, targets: [] };
  }
  const positionOf = positionsIn(source);
  const [root] = parseYaml(source).roots;
  const position = positionOf(root?.start ?? 0);
  const list = root?.kind === 'map' ? entryNamed(root, 'targets')?.value : undefined;
  const items = list?.kind === 'seq' ? list.items : [];
  const found = request.targets.map((target) => presentIn(target, beside));
  return {
    path,
    position,
    problems,
    progress: progressOf(
      request,
      found.map((one) => (one instanceof KsealError ? undefined : one)),
    ),
    targets: found.map((one, index) => ({
      position: positionOf(items[index]?.start ?? 0),
      error: one instanceof KsealError ? one : undefined,
    })),
  };
}

function presentIn(target: Target, beside: ReadBeside): Present | KsealError {
  const content = beside(target.file);
  if (content === undefined || content instanceof KsealError) return content;
  try {
    const text = decodeManifest(content, target.file);
    const secret = secretAt(readManifest(text, target.file), target);
    return secret && sealedKeysIn(secret);
  } catch (thrown) {
    return expected(thrown);
  }
}
