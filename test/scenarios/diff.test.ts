// The promise of diff.ts, held against the real API server: never "the same" where an apply would change the object, and nothing
// left to say once an apply has been answered. Random histories of applies by us and of applies and edits by somebody else.
import { randomUUID } from "node:crypto";
import jsonPatch from "fast-json-patch";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { JsonPatch } from "../../src/runtime/kube/client.ts";
import { isRefused } from "../../src/runtime/kube/errors.ts";
import { createHttpClient, type HttpClient } from "../../src/runtime/kube/http-client.ts";
import { kubeconfigConnection } from "../../src/runtime/kube/kubeconfig.ts";
import {
  ConfigMap,
  Namespace,
  PersistentVolumeClaim,
  PodDisruptionBudget,
  Secret,
  Service,
  StatefulSet,
} from "../../src/runtime/kube/kinds.ts";
import { type Kind, type KubeObject, refTo } from "../../src/runtime/kube/object.ts";
import { diff } from "../../src/runtime/reconcile/diff.ts";
import { intentOf } from "../../src/runtime/reconcile/intent.ts";
import { isRecord } from "../../src/runtime/reconcile/paths.ts";
import { type Content, contents } from "../support/desired-objects.ts";
import { testSeed } from "../support/test-seed.ts";

const us = "holdfast";
const namespace = `shop-${randomUUID().slice(0, 8)}`;
const seed = Number(process.env["DIFF_SEED"] ?? testSeed(2 ** 31));
const runs = Number(process.env["DIFF_RUNS"] ?? 25);
let client: HttpClient;

beforeAll(async () => {
  const path = inject("apiServer").adminKubeconfigPath;
  client = createHttpClient({ connection: await kubeconfigConnection({ path }), userAgent: "diff-test" });
  await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  console.log(`diff against the API server: DIFF_SEED=${seed} DIFF_RUNS=${runs}`);
});
afterAll(() => client.close());

/** "ours": what our controller wants from now on. "apply", "edit": what somebody else does with kubectl. */
interface Step {
  readonly by: "ours" | "apply" | "edit";
  readonly content: Content;
  /** Which single change towards the content is made to what was wanted before; undefined: all of them. */
  readonly only: number | undefined;
}

const kinds: readonly { kind: Kind<any>; of: fc.Arbitrary<Content> }[] = [
  { kind: ConfigMap, of: contents.configMap },
  { kind: Secret, of: contents.secret },
  { kind: Service, of: contents.service },
  { kind: StatefulSet, of: contents.statefulSet },
  { kind: PersistentVolumeClaim, of: contents.persistentVolumeClaim },
  { kind: PodDisruptionBudget, of: contents.podDisruptionBudget },
];

describe("against the real API server", () => {
  test.for(kinds)(
    "$kind.kind: no difference means that an apply changes nothing, and none is left after an apply",
    async ({ kind, of }) => {
      const tally = { same: 0, changed: 0, withoutEffect: 0, refused: 0 };
      const only = fc.option(fc.nat(), { nil: undefined, freq: 4 });
      const step = fc.record<Step>({ by: fc.constantFrom("ours", "ours", "apply", "edit"), content: of, only });
      const history = fc.tuple(of, fc.array(step, { minLength: 1, maxLength: 6 }), of);

      await fc.assert(
        fc.asyncProperty(history, async ([first, steps, last]) => {
          const name = `orders-${randomUUID().slice(0, 8)}`;
          let wanted = first;
          const live: KubeObject = await client.apply(kind, intentOf(objectOf(kind, name, wanted)), {
            fieldManager: us,
          });
          expect(diff(objectOf(kind, name, wanted), live, us)).toEqual([]);
          for (const { by, content, only } of [...steps, { by: "ours", content: last, only: undefined } as const]) {
            const next = only === undefined ? content : withOne(wanted, content, only);
            if (by === "ours") wanted = next;
            else await disturb(kind, by, objectOf(kind, name, next));
            await converge(kind, objectOf(kind, name, wanted), tally);
          }
        }),
        { seed, numRuns: runs, endOnFailure: false },
      );
      console.log(`${kind.kind}: ${JSON.stringify(tally)}`);
      expect(tally.same).toBeGreaterThan(0);
      expect(tally.changed).toBeGreaterThan(0);
    },
  );
});

/** `before` with one single change towards `content`, the `choice`th of all that there are, counted round. */
function withOne(before: Content, content: Content, choice: number): Content {
  const plain = JSON.parse(JSON.stringify([before, content])) as [Content, Content];
  const all = variants(...plain) as Content[];
  return all[choice % all.length] ?? before;
}

/** All that one change makes of `before`: a value replaced, a field set or dropped, a list turned round, an item more or less. */
function variants(before: unknown, content: unknown): unknown[] {
  if (Array.isArray(before) && Array.isArray(content)) {
    const added = content.filter((item) => !before.some((other) => nameOf(other) === nameOf(item))).slice(0, 1);
    const within = before.flatMap((item, index) => {
      const counterpart = content.find((other) => nameOf(other) === nameOf(item)) as unknown;
      return counterpart === undefined ? [] : variants(item, counterpart).map((changed) => before.with(index, changed));
    });
    return [before.toReversed(), before.slice(1), [...before, ...added], ...within];
  }
  if (!isRecord(before) || !isRecord(content)) return before === content ? [] : [content];
  return [...new Set([...Object.keys(before), ...Object.keys(content)])].flatMap((name) => {
    const { [name]: value, ...rest } = before;
    if (!Object.hasOwn(content, name)) return [rest];
    if (!Object.hasOwn(before, name)) return [{ ...before, [name]: content[name] }];
    return variants(value, content[name]).map((changed) => ({ ...before, [name]: changed }));
  });
}

function nameOf(item: unknown): unknown {
  return isRecord(item) ? (item["name"] ?? JSON.stringify(item)) : item;
}

async function converge(
  kind: Kind,
  wanted: KubeObject,
  tally: Record<"same" | "changed" | "withoutEffect" | "refused", number>,
): Promise<void> {
  const before = await client.get(kind, refTo(wanted));
  if (before === undefined) throw new Error("gone");
  const differences = diff(wanted, before, us);
  let after: KubeObject;
  try {
    after = await client.apply(kind, intentOf(wanted), { fieldManager: us });
  } catch (error) {
    if (!isRefused(error)) throw error;
    tally.refused += 1;
    return;
  }
  const hasChanged = JSON.stringify(essence(after)) !== JSON.stringify(essence(before));
  if (differences.length === 0) {
    tally.same += 1;
    const exactly = !JSON.stringify(wanted).includes("[]");
    expect(essence(after, exactly)).toEqual(essence(before, exactly));
  } else {
    tally[hasChanged ? "changed" : "withoutEffect"] += 1;
  }
  expect(diff(wanted, after, us)).toEqual([]);
}

async function disturb(kind: Kind, by: "apply" | "edit", theirs: KubeObject): Promise<void> {
  try {
    if (by === "apply") {
      await client.apply(kind, intentOf(theirs), { fieldManager: "kubectl", force: true });
      return;
    }
    const live = await client.get(kind, refTo(theirs));
    if (live === undefined) throw new Error("gone");
    const { managedFields: _, ...metadata } = live.metadata;
    const intent = intentOf(theirs);
    // What `kubectl edit` does: fields of the live object replaced, some of them dropped.
    const edited = { ...live, ...intent, metadata: { ...metadata, ...intent.metadata } } as KubeObject & {
      spec?: object;
    };
    if ("spec" in live) edited.spec = { ...(live.spec as object), ...edited.spec };
    const patch = jsonPatch.compare({ ...live, metadata }, edited).filter(({ path }) => !path.startsWith("/status"));
    await client.patch(kind, refTo(theirs), patch as JsonPatch, { fieldManager: "kubectl-edit" });
  } catch (error) {
    if (!isRefused(error)) throw error;
  }
}

/**
 * What an apply of ours can change: all but status and what the server counts, and who owns what as far as it is us. That is
 * left out where lists are empty: diff.ts asks for no apply that would claim nothing but an empty list.
 */
function essence(object: KubeObject, withOwnership = true): unknown {
  const { status: _, ...rest } = object as KubeObject & { status?: unknown };
  const { managedFields, resourceVersion: __, finalizers, ...metadata } = object.metadata;
  const ours = managedFields?.find(({ manager, operation }) => manager === us && operation === "Apply");
  return {
    ...rest,
    metadata,
    // The controller manager puts this one back whenever it likes.
    finalizers: finalizers?.filter((name) => name !== "kubernetes.io/pvc-protection") ?? [],
    ours: withOwnership ? ours?.fieldsV1 : undefined,
  };
}

function objectOf(kind: Kind, name: string, content: Content): KubeObject {
  const { metadata, ...rest } = content;
  const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
  return { apiVersion, kind: kind.kind, metadata: { ...metadata, name, namespace }, ...rest };
}
