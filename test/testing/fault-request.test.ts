// What is asked, as the fault proxy understands it.
import { expect, test } from "vitest";
import { apiRequestOf, titleOf } from "../../testing/fault-request.ts";

const apply = "application/apply-patch+yaml";

test.for([
  { method: "GET", path: "/api/v1/namespaces/shop/pods/orders-1-0", is: "get pods shop/orders-1-0" },
  {
    method: "GET",
    path: "/api/v1/namespaces/shop/pods/orders-1-0/log?container=a",
    is: "get pods/log shop/orders-1-0",
  },
  { method: "GET", path: "/api/v1/namespaces/shop/pods?limit=500", is: "list pods shop" },
  { method: "GET", path: "/api/v1/pods?watch=true", is: "watch pods" },
  { method: "GET", path: "/apis/apps/v1/statefulsets?watch=1", is: "watch statefulsets.apps" },
  { method: "GET", path: "/api/v1/namespaces/shop", is: "get namespaces shop" },
  { method: "PUT", path: "/api/v1/namespaces/shop/finalize", is: "update namespaces/finalize shop" },
  {
    method: "PATCH",
    path: "/apis/apps/v1/namespaces/shop/statefulsets/a",
    type: apply,
    is: "apply statefulsets.apps shop/a",
  },
  { method: "PATCH", path: "/apis/apps/v1/namespaces/shop/statefulsets/a", is: "patch statefulsets.apps shop/a" },
  {
    method: "PATCH",
    path: "/apis/x.dev/v1/namespaces/shop/xs/a/status",
    type: apply,
    is: "apply xs.x.dev/status shop/a",
  },
  { method: "DELETE", path: "/api/v1/namespaces/shop/secrets/a", is: "delete secrets shop/a" },
  { method: "DELETE", path: "/api/v1/namespaces/shop/secrets", is: "deletecollection secrets shop" },
  {
    method: "POST",
    path: "/api/v1/namespaces/shop/secrets",
    body: { metadata: { name: "b" } },
    is: "create secrets shop/b",
  },
])("$method $path is $is", ({ method, path, type, body, is }) => {
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const request = apiRequestOf(method, path, type, bytes);
  expect(request === undefined ? undefined : titleOf(request)).toBe(is);
});

test.for(["/version", "/apis", "/api/v1", "/readyz?verbose"])("%s is about no object", (path) => {
  expect(apiRequestOf("GET", path, undefined, undefined)).toBeUndefined();
});

test("a streaming list, a further page and the version that is asked for are told apart", () => {
  const of = (query: string) => apiRequestOf("GET", `/api/v1/pods?${query}`, undefined, undefined);
  expect(of("watch=true&sendInitialEvents=true")).toMatchObject({ streamsInitial: true });
  expect(of("watch=true&resourceVersion=7")).toMatchObject({ streamsInitial: false, resourceVersion: "7" });
  expect(of("limit=1&continue=abc")).toMatchObject({ verb: "list", continued: true });
});
