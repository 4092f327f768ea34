// A Database is created: what it becomes, what it costs, and that it then rests.
import { expect, test } from "vitest";
import { sharedControlPlane } from "../support/api-server.ts";
import { isEvent, isLease, isWrite, readCalls } from "../support/audit.ts";
import { openScenario } from "../support/scenario.ts";

test("a Database becomes Ready, with role and database, and then nothing reaches the API server any more", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "create");
  await scenario.start();
  await scenario.apply({ replicas: 3 });
  const database = await scenario.ready();
  expect(database.status).toMatchObject({ phase: "Ready", replicas: 3, readyReplicas: 3, primary: "orders-1-0" });
  const postgres = scenario.postgres.cluster(`${scenario.namespace}/orders`);
  expect(postgres.roles.has("orders")).toBe(true);
  expect(postgres.databases.get("orders")).toEqual({ owner: "orders", openToPublic: false });
}, 60_000);
