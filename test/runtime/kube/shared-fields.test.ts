import { expect, test } from "vitest";
import { SharedFields } from "../../../src/runtime/kube/shared-fields.ts";

const fields = (uid: string) => ({
  "f:metadata": { "f:labels": { "f:app": {} }, "f:ownerReferences": { [`k:{"uid":"${uid}"}`]: {} } },
  "f:spec": { "f:replicas": {} },
});

test("what two objects have alike is held once, and each keeps what is its own", () => {
  const shared = new SharedFields();
  const [one, other] = [shared.share(fields("a")), shared.share(fields("b"))] as ReturnType<typeof fields>[];
  expect([one, other]).toEqual([fields("a"), fields("b")]);
  expect(other!["f:spec"]).toBe(one!["f:spec"]);
  expect(other!["f:metadata"]["f:labels"]).toBe(one!["f:metadata"]["f:labels"]);
});

test("fields that were shared and frozen before can be shared again", () => {
  const shared = new SharedFields();
  const first = shared.share(fields("a"));
  for (const part of Object.values(first)) Object.freeze(part);
  expect(shared.share(fields("a"))).toEqual(fields("a"));
});

test("what is alike in name alone is never taken for the same, however many there are", () => {
  const shared = new SharedFields();
  const various = (number: number) => ({
    "f:spec": { [`f:${number % 20}`]: {}, "f:replicas": number % 3 ? {} : null },
  });
  for (let number = 0; number < 60; number++) expect(shared.share(various(number))).toEqual(various(number));
});
