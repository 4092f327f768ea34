// PersistentVolumeClaim `orders-1` …: the data of one instance. Outlives its StatefulSet and, by policy, its Database; it goes
// only by a planned act.
import { PersistentVolumeClaim, type Child } from "../../runtime/index.ts";
import { annotations, instanceLabels } from "../names.ts";
import type { ResolvedDatabase } from "../resolve.ts";

export const persistentVolumeClaims = {
  kind: PersistentVolumeClaim,
  prune: "never",
  // A volume whose passwords were never stored could not be opened.
  needs: ["internalSecret"],
  // Foreground deletion of the Database would take what it owns.
  ownership: "annotation",
  desired: ({ name, namespace, instances }) =>
    instances.map((instance) => ({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: {
        name: instance.name,
        namespace,
        labels: instanceLabels(name, instance.name),
        // Absent, not "false": a mark that was never set cannot be missed (resolve.ts).
        ...(instance.lastPrimary ? { annotations: { [annotations.lastPrimary]: "true" } } : {}),
      },
      spec: {
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: instance.volume.size } },
        ...(instance.volume.storageClass === undefined ? {} : { storageClassName: instance.volume.storageClass }),
      },
    })),
} as const satisfies Child<ResolvedDatabase, PersistentVolumeClaim>;
