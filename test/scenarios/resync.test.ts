// What lives outside of Kubernetes cannot be watched: it is looked at again now and then, and mended.
import { expect, test } from "vitest";
import { ConfigMap } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import type { FakeCluster } from "../support/fake-postgres.ts";
import { eventsOf, passes, untilIdle } from "../support/observations.ts";
import { eventually, openScenario } from "../support/scenario.ts";

const damages: readonly { because: string; damage: (cluster: FakeCluster) => void; note: string }[] = [
  {
    because: "the role was dropped",
    damage: (cluster) => cluster.roles.delete("orders"),
    note: "role orders: does not exist",
  },
  {
    because: "the role's password was changed",
    damage: (cluster) => (cluster.roles.get("orders")!.password = "guessed"),
    note: "role orders: has another password",
  },
  {
    because: "the role was made a superuser",
    damage: (cluster) => cluster.roles.get("orders")!.privileges.push("SUPERUSER"),
    note: "role orders: has SUPERUSER",
  },
  {
    because: "the database was opened to everybody",
    damage: (cluster) => (cluster.databases.get("orders")!.openToPublic = true),
    note: "database orders: is open to PUBLIC",
  },
  {
    because: "a setting of Patroni's was changed",
    damage: (cluster) => (cluster.configuration = { ...cluster.configuration, ttl: 600 }),
    note: "configuration: ttl",
  },
  {
    because: "a parameter that nobody declared was added",
    damage: (cluster) => {
      const postgresql = cluster.configuration["postgresql"] as { parameters: object };
      const parameters = { ...postgresql.parameters, fsync: "off" };
      cluster.configuration = { ...cluster.configuration, postgresql: { ...postgresql, parameters } };
    },
    note: "configuration: postgresql.parameters.fsync",
  },
];

/** How the cluster is, without what counts. */
function stateOf({ roles, databases, configuration }: FakeCluster): object {
  return structuredClone({ roles, databases, configuration });
}

test("what was changed in PostgreSQL or in Patroni's configuration by hand is mended within a resync, and told", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "resync");
  await scenario.start({ resyncEveryMs: 2_000 });
  await scenario.apply({ parameters: { work_mem: "8MB" } });
  await scenario.ready();
  const cluster = scenario.postgres.cluster(`${scenario.namespace}/orders`);
  const before = stateOf(cluster);
  const since = performance.now();
  const { observations } = cluster;
  for (const { because, damage, note } of damages) {
    damage(cluster);
    await eventually(`${because}: mended`, async () => {
      expect(stateOf(cluster)).toEqual(before);
      return true;
    });
    await eventually(`${because}: told`, async () =>
      (await eventsOf(scenario)).find((event) => event.note.includes(note)),
    );
  }
  // Three looks a resync, three after mending: more would be polling. No resync comes before 0.8 of its time.
  const resyncs = (performance.now() - since) / 1_600 + 1;
  expect(cluster.observations - observations).toBeLessThanOrEqual(3 * resyncs + 3 * damages.length);
});

test("between two resyncs nothing is looked at without cause", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "no-cause");
  const { admin, namespace } = scenario;
  const operator = await scenario.start();
  await scenario.apply();
  await scenario.ready();
  const cluster = scenario.postgres.cluster(`${namespace}/orders`);
  const passed = await untilIdle(operator);
  const { observations } = cluster;

  const ref = { namespace, name: "orders-patroni" };
  await admin.patch(ConfigMap, ref, [{ op: "replace", path: "/data/patroni.yml", value: "scope: other" }]);
  await eventually("a pass for another cause", async () => ((await passes(operator)) > passed ? true : undefined));
  await untilIdle(operator);
  expect(cluster.observations).toBe(observations);

  await scenario.apply({ parameters: { work_mem: "16MB" } });
  await eventually("a look for a changed spec", async () => (cluster.observations > observations ? true : undefined));
});
