import { load } from "js-yaml";
import { describe, expect, test } from "vitest";
import { hba } from "../../src/postgres/hba.ts";
import { dynamicConfiguration, patroniConfig, renderPatroniConfig } from "../../src/postgres/patroni-config.ts";

const cluster = {
  name: "orders",
  version: "17",
  labels: { "app.kubernetes.io/instance": "orders" },
  scopeLabel: "holdfast.dev/database",
  roleLabel: "holdfast.dev/role",
  ports: { postgres: 5432, patroni: 8008 },
};

test("the static file of a new cluster", () => {
  expect(patroniConfig(cluster, {})).toEqual({
    scope: "orders",
    log: { level: "INFO", format: "%(asctime)s %(levelname)s: %(message)s" },
    restapi: { listen: "*:8008", authentication: { username: "holdfast" } },
    kubernetes: {
      use_endpoints: true,
      bypass_api_service: false,
      labels: { "app.kubernetes.io/instance": "orders" },
      scope_label: "holdfast.dev/database",
      role_label: "holdfast.dev/role",
      leader_label_value: "primary",
      follower_label_value: "replica",
      standby_leader_label_value: "primary",
      ports: [{ name: "postgres", port: 5432 }],
    },
    bootstrap: {
      dcs: dynamicConfiguration({}),
      initdb: [
        { encoding: "UTF8" },
        { locale: "C.UTF-8" },
        "data-checksums",
        { "auth-host": "scram-sha-256" },
        { "auth-local": "peer" },
      ],
    },
    postgresql: {
      listen: "*:5432",
      data_dir: "/var/lib/postgresql/data/pgdata",
      bin_dir: "/usr/lib/postgresql/17/bin",
      pgpass: "/run/postgresql/pgpass",
      basebackup: [{ checkpoint: "fast" }],
      use_unix_socket: true,
      use_unix_socket_repl: true,
      authentication: {
        superuser: { username: "postgres" },
        replication: { username: "holdfast_replication" },
        rewind: { username: "holdfast_rewind" },
      },
      parameters: { unix_socket_directories: "/run/postgresql" },
    },
    watchdog: { mode: "off" },
  });
});

test("what is rendered is YAML of the same meaning", () => {
  const config = patroniConfig(cluster, { search_path: '"$user", public', jit: "off", x: "1e3" });
  expect(load(renderPatroniConfig(config))).toEqual(config);
});

describe("the dynamic configuration", () => {
  test("leaves the leader key alive for two retries and a loop", () => {
    const { ttl, loop_wait: loop, retry_timeout: retry } = dynamicConfiguration({});
    expect(ttl).toBeGreaterThanOrEqual(Number(loop) + 2 * Number(retry));
    // https://github.com/patroni/patroni/blob/v4.0.7/patroni/validator.py: the least that Patroni takes
    expect([ttl, loop, retry].map(Number).every((value, index) => value >= [20, 1, 3][index]!)).toBe(true);
  });

  test.each<{ given: Record<string, string>; name: string; value: string; because: string }>([
    { given: { work_mem: "16MB" }, name: "work_mem", value: "16MB", because: "the user's own" },
    { given: { max_connections: "300" }, name: "max_connections", value: "300", because: "it goes before the default" },
    { given: {}, name: "max_connections", value: "100", because: "a default" },
    {
      given: { password_encryption: "md5" },
      name: "password_encryption",
      value: "scram-sha-256",
      because: "ours goes first",
    },
  ])("has $name = $value: $because", ({ given, name, value }) => {
    const { postgresql } = dynamicConfiguration(given) as { postgresql: { parameters: Record<string, string> } };
    expect(postgresql.parameters[name]).toBe(value);
  });
});

describe("pg_hba.conf", () => {
  test("trusts nobody", () => {
    expect(hba.filter((line) => /\b(trust|md5|password|ident)\b/.test(line))).toEqual([]);
  });

  test("lets nobody in over the network but with SCRAM", () => {
    const methods = hba.filter((line) => line.startsWith("host")).map((line) => line.split(/\s+/).at(-1));
    expect(new Set(methods)).toEqual(new Set(["scram-sha-256", "reject"]));
  });
});
