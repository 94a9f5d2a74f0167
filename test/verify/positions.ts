import { gzipSync } from 'node:zlib';
import { base64, manifest, sealedValue, withValue } from './values.ts';

/** Manifests with a text anywhere but in the names that findings show. */
export const positions: Record<string, (canary: string) => string> = {
  'a value of stringData': (c) => manifest(`stringData:\n  a: ${c}`),
  'a value of data': (c) => manifest(`data:\n  a: ${base64(c)}`),
  'a value of data that is not base64': (c) => manifest(`data:\n  a: ${c}`),
  'a block scalar': (c) => manifest(`stringData:\n  a: |\n    ${c}\n    # kseal-ignore ${c}: ${c}`),
  'a value that is not a string': (c) => manifest(`stringData:\n  a: [${c}]\n  b: { ${c}: ${c} }`),
  'a value with an anchor': (c) => manifest(`stringData:\n  a: &${c} ${c}\n  b: *${c}`),
  'a value with a tag': (c) => manifest(`stringData:\n  a: !${c} ${c}`),
  'an alias without an anchor': (c) => manifest(`stringData:\n  a: *${c}`),
  'a line without a colon': (c) => manifest(`stringData:\n  ${c}`),
  'a flow mapping without a value': (c) => manifest(`stringData: { ${c} }`),
  'an illegal data key': (c) => manifest(`stringData:\n  "${c} ${c}": x`),
  'a scalar in place of a mapping': (c) => manifest(`stringData: ${c}\ndata: ${c}`),
  'a field of the Secret': (c) => manifest(`${c}: ${c}\npassword: ${c}\nData: { a: ${c} }`),
  'a field of the metadata': (c) =>
    manifest('', `{ name: db, namespace: hr, ${c}: ${c}, data: ${c} }`),
  'an annotation': (c) =>
    manifest(
      '',
      `{ name: db, annotations: { kubectl.kubernetes.io/last-applied-configuration: '{"data":{"a":"${c}"}}' } }`,
    ),
  'an annotation that is not JSON': (c) =>
    manifest(
      '',
      `{ name: db, annotations: { kubectl.kubernetes.io/last-applied-configuration: ${c} } }`,
    ),
  'a comment': (c) => manifest(`# ${c}\n# kseal-ignore ${c}\n# kseal-ignore ${c}, ${c}: r`),
  'a text that is not YAML': (c) => manifest(`stringData:\n  a: "${c}\n  b: ${c}: ${c}\n ${c}`),
  'a template': (c) => manifest(`stringData:\n  a: {{ ${c} }}\n  b: "{{ ${c} }}"\n  c: {{ ${c}`),
  'a document of another kind': (c) =>
    `apiVersion: v1\nKind: Secret\ndata: { a: ${c} }\n---\n${c}\n`,
  'a SOPS file': (c) => manifest(`stringData: { a: ${c} }\nsops: { mac: ${c}, ${c}: ${c} }`),
  'the kid of another tool': (c) => withValue(sealedValue({ kseal: undefined, kid: c })),
  'the header of a JWE': (c) => withValue(sealedValue({ [c]: c, kseal: { scope: c } })),
  'the algorithm of a JWE': (c) => withValue(sealedValue({ alg: `RSA-${c}` })),
  'characters after a JWE': (c) => withValue(`${sealedValue()}${c}`),
  'a JWE in JSON': (c) => withValue(`{"protected":"eyJhbGciOiJSU0E","ciphertext":"${c}"}`),
  'a bare JWE under data': (c) => manifest(`data:\n  a: eyJhbGciOiJSU0E.${c}`),
  JSON: (c) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      data: { a: c },
      [c]: c,
      stringData: { [`${c} `]: c },
    }),
  'a docker configuration': (c) =>
    manifest(`type: kubernetes.io/dockercfg\nstringData: { .dockercfg: ${c} }`),
  'a comment beside a copy in base64': (c) =>
    manifest(`stringData:\n  # ${base64(c)}\n  a: "${c}" # was ${c}`),
  'an anchor, as a value without quotes that begins with &': (c) =>
    manifest(`stringData:\n  a: &${c}`),
  'a tag, as a value without quotes that begins with !': (c) => manifest(`stringData:\n  a: !${c}`),
  'the rest of a line': (c) => manifest(`stringData:\n  a: x #${c}\n  b: #${c}`),
  'the name of an annotation with a copy': (c) =>
    annotated(`"was ${c}"`, `"${c}"`, `stringData: { a: "${c}" }`),
  'the name of an annotation with a Secret': (c) =>
    annotated(`"was ${c}"`, JSON.stringify(manifest(`stringData: { a: ${c} }`)), ''),
  'the name of an annotation that kseal removes': (c) =>
    annotated(`"${c} x/last-applied-configuration"`, `'{"data":{"a":"${base64(c)}"}}'`, ''),
  'an annotation in gzip': (c) =>
    annotated(
      'objectset.rio.cattle.io/applied',
      gzipSync(manifest(`stringData: { a: ${c} }`)).toString('base64'),
      '',
    ),
  'the name of a label': (c) =>
    manifest(
      `stringData: { a: "${c}" }`,
      `{ name: db, namespace: hr, labels: { "was ${c}": "${c}" } }`,
    ),
  'another document': (c) =>
    `${manifest(`stringData: { a: "${c}" }`)}---\nkind: ConfigMap\napiVersion: v1\nmetadata: { name: x }\ndata: { a: "is ${c}" }\n`,
  'a data key that an action makes': (c) =>
    manifest(`stringData:\n  "${c} \${x}": ${c}\n  {{ "${c}" }}: ${c}\n  b: {{ .b }}`),
  'a merge conflict': (c) =>
    manifest(`stringData:\n<<<<<<< ${c}\n  a: ${c}\n=======\n  a: x${c}\n>>>>>>> ${c}`),
  'a List': (c) => `apiVersion: v1\nkind: SecretList\nitems:\n- ${c}\n- stringData: { a: ${c} }\n`,
  'a placeholder with text': (c) =>
    manifest(`stringData:\n  a: "<path:x#y> ${c}"\n  b: ref+echo://${c}\n  c: "\${P:-${c}}"`),
  'a Secret inside another object': (c) =>
    inTemplate(`stringData:\n    a: "${c}"\n    "${c} \${x}": "${c}"\n  data: { b: "${c} " }`),
  'a field of a Secret inside another object': (c) =>
    inTemplate(`${c}: ${c}\n  stringData: { a: ${c} }`),
  'a string that is a manifest': (c) =>
    configMap(`# ${c}\n${manifest(`stringData: { a: "${c}" }`)}`),
  'a string that is a template': (c) =>
    configMap(manifest(`stringData:\n  a: {{ .a | default "${c}" }}\n  b: "${c}"`)),
  'a string that is not YAML': (c) =>
    `${manifest(`stringData: { a: "${c}" }`)}---\n${configMap(manifest(`stringData: { a: "${c}`))}`,
  'a literal of kustomize': (c) =>
    `kind: Kustomization\nsecretGenerator:\n- name: db\n  literals:\n  - "password=${c}"\n  - "${c} x=${c}"\n`,
  'an operation of a JSON patch': (c) =>
    `kind: Kustomization\npatches:\n- target: { kind: Secret }\n  patch: |\n    - op: add\n      path: /data/a\n      value: "${c}"\n`,
  'a PEM key': (c) =>
    manifest(
      `stringData:\n  a: "-----BEGIN PRIVATE KEY-----\\\\n${c}\\\\n-----END PRIVATE KEY-----"`,
    ),
  'a value with defects': (c) =>
    manifest(`stringData:\n  a: "${c}\\n"\n  b: " ${c}\\u00ad"\n  c: "'${c}'"\n  d: ${base64(c)}`),
  'a registry of a docker configuration': (c) =>
    manifest(
      `type: kubernetes.io/dockerconfigjson\nstringData: { .dockerconfigjson: '{"auths":{"${c}":{"password":"${c}"}}}' }`,
    ),
};

const annotated = (name: string, value: string, rest: string) =>
  `apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: hr\n  annotations:\n    ${name}: ${value}\n${rest}\n`;

const inTemplate = (rest: string) =>
  `kind: Template\napiVersion: template.openshift.io/v1\nobjects:\n- apiVersion: v1\n  kind: Secret\n  metadata: { name: db }\n  ${rest}\n`;

const configMap = (text: string) =>
  `kind: ConfigMap\napiVersion: v1\nmetadata: { name: x }\ndata:\n  a: |\n${text.replace(/^(?=.)/gm, '    ')}`;
