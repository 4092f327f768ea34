// The wordings are those of the API server 1.36 (test/scenarios/children.test.ts meets some of them).
import { expect, test } from "vitest";
import { ApiError } from "../../../src/runtime/kube/errors.ts";
import { immutableFields, isImmutable } from "../../../src/runtime/reconcile/immutable.ts";

const refused = (...causes: { field: string; message: string }[]): ApiError =>
  new ApiError("is invalid", { status: 422, reason: "Invalid", details: { causes } });
const statefulSet = {
  field: "spec",
  message: "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template' are forbidden",
};
const claim = {
  field: "spec",
  message: "Forbidden: spec is immutable after creation except resources.requests\n@@ -1,6 +1,6 @@\n",
};
const roleRef = { field: "roleRef", message: 'Invalid value: {"Name":"edit"}: cannot change roleRef' };
const wrong = { field: "spec.replicas", message: "Invalid value: -1: must be greater than or equal to 0" };

test.for([
  [refused(statefulSet), true, "a StatefulSet says so"],
  [refused(claim), true, "a PersistentVolumeClaim says so"],
  [refused(roleRef), true, "a RoleBinding says so"],
  [refused(statefulSet, roleRef), true, "all causes say so"],
  [refused(statefulSet, wrong), false, "its successor would be refused as well"],
  [refused(wrong), false, "it is wrong, not changed"],
  [refused(), false, "nothing is said"],
  [new ApiError("field is immutable", { status: 409, reason: "Conflict" }), false, "it is no refusal of the body"],
  [new Error("field is immutable"), false, "it did not come from the API server"],
] as const)("%# %s: %s, because %s", ([error, expected]) => {
  expect(isImmutable(error)).toBe(expected);
});

test("the fields are named without the server's diff of the values", () => {
  expect(immutableFields(refused(claim))).toBe(
    "spec: Forbidden: spec is immutable after creation except resources.requests",
  );
});
