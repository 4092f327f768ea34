import { describe, expect, test } from "vitest";
import { primaryOf } from "../../../src/database/instances.ts";
import { handOverRequest, provisionRequest } from "../../../src/database/outside/wishes.ts";
import { instances, leading, orders, resolveOrders, streaming } from "../../support/orders.ts";

const hosts = (addresses: readonly { readonly host: string; readonly port: number }[]): readonly string[] =>
  addresses.map(({ host, port }) => `${host}:${port}`);

describe("with a primary", () => {
  const some = instances(
    1,
    { number: 1, patroni: { ...leading, pending_restart: true } },
    { number: 2, patroni: streaming },
    { number: 3, patroni: { ...streaming, replication_state: undefined } },
    { number: 4, ready: false },
  );
  const [one, two] = some.map(({ ip }) => ip);
  const resolved = resolveOrders({ parameters: { work_mem: "16MB" } }, some);
  const request = provisionRequest(orders(), resolved, primaryOf(some)!, some);

  test("its PostgreSQL and Patroni are asked, and the replicas that stream", () => {
    expect(hosts([request.postgres, request.patroni])).toEqual([`${one}:5432`, `${one}:8008`]);
    expect(request.pendingRestart).toBe(true);
    expect(hosts(request.replicas.map(({ postgres }) => postgres))).toEqual([`${two}:5432`]);
  });

  test("the parameters that should be in force are those that Patroni is given", () => {
    const { postgresql } = request.wishes.configuration as { postgresql: { parameters: object } };
    expect(request.wishes.parameters).toEqual(postgresql.parameters);
    expect(request.wishes.parameters).toMatchObject({ work_mem: "16MB", max_connections: "100" });
  });

  test("passwords go where they belong", () => {
    expect([request.postgres.password, request.patroni.password]).toEqual(["superuser-pw", "rest-pw"]);
    expect(request.replicas[0]?.postgres.password).toBe("superuser-pw");
    expect(request.wishes.password).toBe("application-pw");
  });
});

test("without one every Patroni is asked that has an address and stays", () => {
  const some = instances(
    undefined,
    { number: 1, ready: false, patroni: { role: "replica", state: "start failed" } },
    { number: 2, podDeleting: true },
    { number: 3, pod: false },
    { number: 4, ready: false, patroni: null },
  );
  const members = some.filter(({ number, ip }) => ip !== undefined && number !== 2).map(({ ip }) => `${ip}:8008`);
  const resolved = resolveOrders({}, some);
  const request = handOverRequest(resolved, some);
  expect(members).not.toEqual([]);
  expect(hosts(request.members)).toEqual(members);
  expect(request.configuration).toEqual(provisionRequest(orders(), resolved, some[0]!, some).wishes.configuration);
});
