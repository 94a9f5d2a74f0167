import { Certificate, Issuer } from '@kubernetes-models/cert-manager/cert-manager.io/v1';
import * as admission from 'kubernetes-models/admissionregistration.k8s.io/v1';
import { Deployment } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Namespace, Secret, Service, ServiceAccount } from 'kubernetes-models/v1';

/** The schemas that Kubernetes and cert-manager publish. */
const models: Record<string, new (object: never) => { validate(): void }> = {
  ...{ Namespace, ServiceAccount, Service, ConfigMap, Secret },
  ...{ Deployment, PodDisruptionBudget, HorizontalPodAutoscaler, NetworkPolicy },
  ...{ Issuer, Certificate },
  MutatingWebhookConfiguration: admission.MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy: admission.ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding: admission.ValidatingAdmissionPolicyBinding,
};

/**
 * Throws unless the schema of its kind accepts an object. A schema ignores unknown fields, so a
 * field that the validation never read is an error too.
 */
export function checkSchema(object: { readonly kind: string }): void {
  const Model = models[object.kind];
  if (Model === undefined) throw new Error(`no model of ${object.kind}`);
  const read = new Set<string>();
  // The constructor reads every field, so watching begins after it.
  const model = new Model(object as never);
  for (const [name, field] of Object.entries(object)) {
    Object.assign(model, { [name]: watched(field, `/${name}`, read) });
    read.add(`/${name}`);
  }
  model.validate();
  const unknown = fieldsOf(object, '').filter((path) => !read.has(path));
  if (unknown.length > 0) throw new Error(`unknown to its schema: ${unknown.join(', ')}`);
}

/** The same value, which records the paths of the fields that are read. */
function watched(value: unknown, path: string, read: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, name, receiver) {
      if (typeof name === 'symbol') return Reflect.get(target, name, receiver);
      read.add(`${path}/${name}`);
      return watched(Reflect.get(target, name, receiver), `${path}/${name}`, read);
    },
  });
}

function fieldsOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, field]) => [
    `${path}/${name}`,
    ...fieldsOf(field, `${path}/${name}`),
  ]);
}
