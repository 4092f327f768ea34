import { describe, expect, test } from "vitest";
import type { KubeClient, ListOptions } from "../../../src/runtime/kube/client.ts";
import { ApiError } from "../../../src/runtime/kube/errors.ts";
import { ConfigMap } from "../../../src/runtime/kube/kinds.ts";
import { listAll } from "../../../src/runtime/kube/snapshot.ts";

const object = (name: string): ConfigMap => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } });

/** Answers one object a page, `pages` times; `fail` says what a page meets instead. */
function paged(pages: number, fail: (page: number) => Error | undefined = () => undefined) {
  const asked: Omit<ListOptions, "signal">[] = [];
  const client: Pick<KubeClient, "list"> = {
    list: async (_, options = {}) => {
      asked.push(options);
      const page = Number(options.continue ?? 0);
      const error = fail(page);
      if (error !== undefined) throw error;
      const more = page + 1 < pages ? { continue: String(page + 1) } : {};
      return { items: [object(`orders-${page}`)] as never, resourceVersion: "9", ...more };
    },
  };
  return { asked, client };
}

describe("a collection in pages", () => {
  test("rule 28: is read to its end, however many they are", async () => {
    const { client, asked } = paged(60);
    const { items, resourceVersion } = await listAll(client, ConfigMap, { namespace: "shop" }, 1);
    expect(items.map(({ metadata }) => metadata.name)).toEqual(Array.from({ length: 60 }, (_, i) => `orders-${i}`));
    expect(resourceVersion).toBe("9");
    expect(asked[0]).toEqual({ namespace: "shop", limit: 1 });
    expect(asked[59]).toEqual({ namespace: "shop", limit: 1, continue: "59" });
  });

  test("rule 28: is not put together from two snapshots: a token that expired fails all of it", async () => {
    const expired = new ApiError("too old", { status: 410, reason: "Expired" });
    const { client, asked } = paged(3, (page) => (page === 2 ? expired : undefined));
    await expect(listAll(client, ConfigMap, {}, 1)).rejects.toBe(expired);
    expect(asked).toHaveLength(3);
  });

  test("may be one page, and rule 25: no version is asked for, so it is the most recent one", async () => {
    const { client, asked } = paged(1);
    await listAll(client, ConfigMap, { labels: "app=orders" }, 0);
    expect(asked).toEqual([{ labels: "app=orders" }]);
  });
});
