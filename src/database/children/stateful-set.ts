// StatefulSet `orders-1` …: one for each instance, so that any one can go and be replaced. OnDelete: a changed
// template waits until its Pod is deleted. Removed only by a planned act.
import { StatefulSet, type Child } from "../../runtime/index.ts";
import { annotations, instanceLabels, instanceSelector, namesOf } from "../names.ts";
import { podTemplate } from "../pod-template.ts";
import type { ResolvedDatabase } from "../resolve.ts";

export const statefulSets = {
  kind: StatefulSet,
  prune: "never",
  // A Pod that starts before one of these exists would fail, or find rights and leader key missing.
  needs: ["internalSecret", "configMap", "serviceAccount", "roleBinding", "patroniServices"],
  // Its own volume, and no other instance's: one that cannot be made must not keep the others from what is declared.
  needsNamesake: "persistentVolumeClaims",
  desired: (database) =>
    database.instances.map(({ name: instance }) => ({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: {
        name: instance,
        namespace: database.namespace,
        labels: instanceLabels(database.name, instance),
        ...(database.imageFromCatalogue ? { annotations: { [annotations.catalogueVersion]: database.version } } : {}),
      },
      spec: {
        replicas: 1,
        serviceName: namesOf(database.name).podsService,
        selector: { matchLabels: instanceSelector(database.name, instance) },
        updateStrategy: { type: "OnDelete" },
        template: podTemplate(database, instance),
      },
    })),
} as const satisfies Child<ResolvedDatabase, StatefulSet>;
