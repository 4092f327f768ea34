// The Services of a Database. Those without selector have their Endpoints from Patroni: with one, the controller manager would
// write them too, and send writes to replicas.
import { Service, type Child } from "../../runtime/index.ts";
import { commonLabels, databaseSelector, labels, namesOf, ports } from "../names.ts";
import type { ResolvedDatabase } from "../resolve.ts";

// Without the label holdfast.dev/database: the controller manager copies a Service's labels to its Endpoints, and by that
// label Patroni takes Endpoints for its own.
const metadata = ({ name, namespace }: ResolvedDatabase, service: string) => ({
  name: service,
  namespace,
  labels: commonLabels(name),
});

const postgresPort = { name: "postgres", port: ports.postgres, targetPort: ports.postgres, protocol: "TCP" } as const;
const patroniPort = { name: "patroni", port: ports.patroni, targetPort: ports.patroni, protocol: "TCP" } as const;

/**
 * `orders`, read-write, and three that nobody calls: without a Service of its name the controller manager deletes Patroni's
 * Endpoints `…-config`, `…-sync` and `…-failover` when it starts.
 */
export const patroniServices = {
  kind: Service,
  absent: ["spec.selector"],
  whole: ["spec.ports"],
  // clusterIP cannot be changed.
  onImmutable: "recreate",
  desired: (database) => {
    const { service, patroniServices: others } = namesOf(database.name);
    return [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: metadata(database, service),
        spec: { type: "ClusterIP", ports: [postgresPort] },
      },
      ...others.map((other) => ({
        apiVersion: "v1" as const,
        kind: "Service" as const,
        metadata: metadata(database, other),
        spec: { clusterIP: "None" },
      })),
    ];
  },
} as const satisfies Child<ResolvedDatabase, Service>;

/** `orders-replicas`, read-only, by the label that Patroni writes; `orders-pods`, headless, for the names of Pods. */
export const podServices = {
  kind: Service,
  whole: ["spec.ports"],
  onImmutable: "recreate",
  desired: (database) => {
    const { replicasService, podsService } = namesOf(database.name);
    const selector = databaseSelector(database.name);
    return [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: metadata(database, replicasService),
        spec: { type: "ClusterIP", selector: { ...selector, [labels.role]: "replica" }, ports: [postgresPort] },
      },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: metadata(database, podsService),
        // An instance must find the others also while they start.
        spec: { clusterIP: "None", publishNotReadyAddresses: true, selector, ports: [postgresPort, patroniPort] },
      },
    ];
  },
} as const satisfies Child<ResolvedDatabase, Service>;
