/** Common kubectl commands. `run` runs kubectl, and resolves to `{ code, stdout, stderr }`. */
export function kubectlWith(run) {
  const on = (verb) => (manifest, flags) =>
    run([verb, '-f', '-', ...flags], { stdin: JSON.stringify(manifest) });
  const [apply, create, diff] = [on('apply'), on('create'), on('diff')];
  const get = async (kind, namespace, name) => {
    const flags = ['-n', namespace, '-o', 'json', '--show-managed-fields'];
    const { code, stdout, stderr } = await run(['get', kind, name, ...flags]);
    if (code !== 0) throw new Error(stderr.trim());
    return JSON.parse(stdout);
  };
  return {
    kubectl: (...args) => run(args),
    apply: (manifest, ...flags) => apply(manifest, flags),
    create: (manifest, ...flags) => create(manifest, flags),
    diff: (manifest) => diff(manifest, []),
    get,
    /** Resolves to the values of a Secret as texts. */
    values: async (namespace, name) => {
      const { data = {} } = await get('secret', namespace, name);
      const text = ([key, value]) => [key, Buffer.from(value, 'base64').toString()];
      return Object.fromEntries(Object.entries(data).map(text));
    },
    exists: async (namespace, name) => {
      const flags = ['-n', namespace, '-o', 'name', '--ignore-not-found'];
      const { code, stdout, stderr } = await run(['get', 'secret', name, ...flags]);
      if (code !== 0) throw new Error(stderr.trim());
      return stdout !== '';
    },
  };
}
