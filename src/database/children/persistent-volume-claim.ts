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
    instances.flatMap(({ volume, ...instance }) =>
      volume === undefined
        ? []
        : [
            {
              apiVersion: "v1" as const,
              kind: "PersistentVolumeClaim" as const,
              metadata: {
                name: instance.name,
                namespace,
                labels: instanceLabels(name, instance.name),
                // Absent where none was ever set: such a mark cannot be missed (resolve.ts). "false" where one is: it may have
                // been set by the deletion of an earlier Database, or by hand, and leaving it out would not take it away.
                ...(instance.lastPrimary || instance.marked === true
                  ? { annotations: { [annotations.lastPrimary]: String(instance.lastPrimary) } }
                  : {}),
              },
              spec: {
                accessModes: ["ReadWriteOnce"],
                resources: { requests: { storage: volume.size } },
                ...(volume.storageClass === undefined ? {} : { storageClassName: volume.storageClass }),
              },
            },
          ],
    ),
} as const satisfies Child<ResolvedDatabase, PersistentVolumeClaim>;
