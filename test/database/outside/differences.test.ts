import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import { configurationDifferences, patchedPaths } from "../../../src/database/outside/differences.ts";
import type { DynamicConfiguration } from "../../../src/database/outside/patroni.ts";
import { patchConfiguration } from "../../support/patroni-stub.ts";

describe("the patch for Patroni's dynamic configuration", () => {
  test.each<{
    wished: DynamicConfiguration;
    live: DynamicConfiguration;
    patch: DynamicConfiguration | undefined;
    because: string;
  }>([
    { wished: {}, live: { ttl: 30 }, patch: undefined, because: "what is not declared is left alone" },
    { wished: { ttl: 20 }, live: { ttl: 20, loop_wait: 5 }, patch: undefined, because: "it is as declared" },
    { wished: { ttl: 20 }, live: {}, patch: { ttl: 20 }, because: "it is absent" },
    { wished: { ttl: 20 }, live: { ttl: 30 }, patch: { ttl: 20 }, because: "it is another" },
    { wished: { pause: null }, live: { pause: true }, patch: { pause: null }, because: "it must not be set" },
    { wished: { pause: null }, live: { pause: null }, patch: undefined, because: "null is not set" },
    {
      wished: { postgresql: { parameters: { max_connections: "100" } } },
      live: { postgresql: { parameters: { max_connections: 100 } } },
      patch: undefined,
      because: "Patroni would not change 100 to its text, and we would patch for ever",
    },
    {
      wished: { postgresql: { parameters: { seq_page_cost: "1.0" } } },
      live: { postgresql: { parameters: { seq_page_cost: 1 } } },
      patch: undefined,
      because: "1.0 in its store reaches us as 1",
    },
    {
      wished: { postgresql: { parameters: { jit: "off" } } },
      live: { postgresql: { parameters: { jit: false } } },
      patch: { postgresql: { parameters: { jit: "off" } } },
      because: "words for the same boolean are not compared: the patch settles it",
    },
    {
      wished: { postgresql: { parameters: {} } },
      live: { postgresql: { parameters: { work_mem: "1GB" }, use_pg_rewind: true } },
      patch: { postgresql: { parameters: { work_mem: null } } },
      because: "a parameter that was taken out of the spec goes; what stands beside the parameters stays",
    },
    {
      wished: { postgresql: { parameters: { jit: null } } },
      live: {},
      patch: { postgresql: { parameters: {} } },
      because: "a map that is new would be stored with its nulls",
    },
    {
      wished: { postgresql: { parameters: { jit: "on" } } },
      live: { postgresql: "nonsense" },
      patch: { postgresql: { parameters: { jit: "on" } } },
      because: "a value where a map belongs is replaced",
    },
    {
      wished: { postgresql: { pg_hba: ["a", "b"] } },
      live: { postgresql: { pg_hba: ["b", "a"] } },
      patch: { postgresql: { pg_hba: ["a", "b"] } },
      because: "lists are compared as a whole, in order",
    },
  ])("$wished over $live: $because", ({ wished, live, patch }) => {
    expect(configurationDifferences(wished, live)).toEqual(patch);
  });

  test("names its paths without the values", () => {
    expect(patchedPaths({ ttl: 20, postgresql: { parameters: { work_mem: null, jit: "off" }, pg_hba: [] } })).toEqual([
      "ttl",
      "postgresql.parameters.work_mem",
      "postgresql.parameters.jit",
      "postgresql.pg_hba",
    ]);
  });

  const scalar = fc.oneof(
    fc.integer(),
    fc.boolean(),
    fc.stringMatching(/^[a-z0-9.]{0,3}$/),
    fc.integer({ min: 0, max: 3 }).map(String),
    fc.constant(null),
    fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 2 }),
  );
  const parameters = fc.dictionary(fc.constantFrom("a", "b", "c"), scalar);
  const configuration = fc.record(
    {
      ttl: scalar,
      pause: scalar,
      postgresql: fc.oneof(scalar, fc.record({ parameters, other: scalar }, { requiredKeys: [] })),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<DynamicConfiguration>;

  test("is enough: after Patroni merged it nothing differs (property)", () => {
    fc.assert(
      fc.property(configuration, configuration, (wished, live) => {
        const patch = configurationDifferences(wished, live);
        if (patch === undefined) return;
        const { configuration: after } = patchConfiguration(live, patch);
        expect(configurationDifferences(wished, after)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });

  test("is no larger than it has to be: Patroni finds a change in every part of it (property)", () => {
    fc.assert(
      fc.property(configuration, configuration, (wished, live) => {
        for (const [key, value] of Object.entries(configurationDifferences(wished, live) ?? {})) {
          expect(patchConfiguration(live, { [key]: value }).changed).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("leaves alone what is not declared (property)", () => {
    fc.assert(
      fc.property(configuration, (live) => {
        expect(configurationDifferences({}, live)).toBeUndefined();
      }),
    );
  });
});
