// A client that looks at each write of an operator on its way, in every scenario, and tells what it never may have done.
import type { JsonPatch, KubeClient } from "../../src/runtime/index.ts";
import { keyOf, refTo, resourceName, type Kind, type KubeObject } from "../../src/runtime/kube/object.ts";
import { gather, Told, type Evidence, type Write } from "./invariants-evidence.ts";
import { releases, rules } from "./invariants-rules.ts";

/**
 * @param world sees everything; where it does not answer, a write is not judged
 * @param violations each is added as a sentence
 */
export function watchfulClient(
  inner: KubeClient,
  world: Pick<KubeClient, "get" | "list">,
  violations: string[],
): KubeClient {
  const told = new Told();

  async function judged<T>(write: Write, send: () => Promise<T>): Promise<T> {
    if (write.kind.plural === "events" || write.kind.plural === "leases") return send();
    const evidence = await gather(write, world, told).catch(() => undefined);
    violations.push(...violationsOf(evidence ?? { ...nothing, write }, true));
    const answer = await send();
    if (evidence === undefined) return answer;
    violations.push(...violationsOf(evidence, false));
    if (releases(evidence)) told.released.add(evidence.before?.metadata.uid ?? "");
    return answer;
  }

  return {
    ...inner,
    list: async (kind, options) => {
      const answer = await inner.list(kind, options);
      for (const item of answer.items) told.learn(kind, "ADDED", item);
      return answer;
    },
    watch: (kind, options) => overheard(inner.watch(kind, options), kind, told),
    create: (kind, body, options) =>
      judged({ verb: "create", kind, ref: refTo(body), body }, () => inner.create(kind, body, options)),
    apply: (kind, body, options) =>
      judged({ verb: "apply", kind, ref: refTo(body), body }, () => inner.apply(kind, body, options)),
    patch: (kind, ref, patch: JsonPatch, options) =>
      judged({ verb: "patch", kind, ref, patch }, () => inner.patch(kind, ref, patch, options)),
    delete: (kind, ref, options) => {
      const { uid, resourceVersion } = options;
      return judged({ verb: "delete", kind, ref, uid, resourceVersion }, () => inner.delete(kind, ref, options));
    },
  };
}

/** @param attempts only the rules that concern also what came to nothing; or only the others */
export function violationsOf(evidence: Evidence, attempts: boolean): readonly string[] {
  const { kind, ref } = evidence.write;
  return rules
    .filter(({ ofAttempts = false }) => ofAttempts === attempts)
    .flatMap(({ name, judge }) => {
      const wrong = judge(evidence);
      return wrong === undefined ? [] : [`${name}: ${resourceName(kind)} ${keyOf(ref)} ${wrong}`];
    });
}

const nothing = { databases: [], volumes: [], statefulSets: [], absent: [], released: false } as const;

async function* overheard<T extends KubeObject>(
  frames: ReturnType<KubeClient["watch"]>,
  kind: Kind<T>,
  told: Told,
): AsyncGenerator<any> {
  for await (const frame of frames) {
    if (frame.type !== "ERROR") told.learn(kind, frame.type, frame.object);
    yield frame;
  }
}
