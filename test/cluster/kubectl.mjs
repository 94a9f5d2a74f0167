/** What is done with kubectl; `run` takes its arguments, and resolves to `{ code, out, said }`. */
export function kubectlWith(run) {
  const on = (verb) => (manifest, flags) =>
    run([verb, '-f', '-', ...flags], { stdin: JSON.stringify(manifest) });
  const [apply, create, diff] = [on('apply'), on('create'), on('diff')];
  const get = async (kind, namespace, name) => {
    const flags = ['-n', namespace, '-o', 'json', '--show-managed-fields'];
    const { out, said, code } = await run(['get', kind, name, ...flags]);
    if (code !== 0) throw new Error(said.trim());
    return JSON.parse(out);
  };
  return {
    kubectl: (...args) => run(args),
    apply: (manifest, ...flags) => apply(manifest, flags),
    create: (manifest, ...flags) => create(manifest, flags),
    diff: (manifest) => diff(manifest, []),
    get,
    /** The values of a Secret, as texts. */
    values: async (namespace, name) => {
      const { data = {} } = await get('secret', namespace, name);
      const text = ([key, value]) => [key, Buffer.from(value, 'base64').toString()];
      return Object.fromEntries(Object.entries(data).map(text));
    },
    isThere: async (namespace, name) => {
      const flags = ['-n', namespace, '-o', 'name', '--ignore-not-found'];
      const { out, said, code } = await run(['get', 'secret', name, ...flags]);
      if (code !== 0) throw new Error(said.trim());
      return out !== '';
    },
  };
}
