// Writes onto each Namespace how many Pods it has. Informers, a queue and a loop: that is all that a controller is.
import {
  Informer,
  Namespace,
  Pod,
  WorkQueue,
  type Kind,
  type KubeClient,
  type KubeObject,
  type Log,
} from "holdfast/runtime";

export const annotation = "pod-controller.example.org/pods";

export interface PodControllerOptions {
  readonly client: KubeClient;
  readonly log: Log;
  /** How many Namespaces are counted side by side. Default 2. */
  readonly workers?: number;
}

/** Runs until `signal` aborts; resolves when all that was begun has ended. */
export async function runPodController(options: PodControllerOptions, signal: AbortSignal): Promise<void> {
  const { client, log, workers = 2 } = options;
  const follow = <T extends KubeObject>(kind: Kind<T>): Informer<T> =>
    new Informer({
      client,
      kind,
      onError: (error, { type }) => log.warn({ err: error, kind: kind.kind, type }, "the cache may be behind"),
    });
  const namespaces = follow(Namespace);
  const pods = follow(Pod);

  // Which Namespace is to be looked at, never why: a hundred Pods that come at once are counted once.
  const queue = new WorkQueue();
  namespaces.subscribe(({ object }) => queue.add(object.metadata.name));
  pods.subscribe(({ object }) => queue.add(object.metadata.namespace ?? ""));

  async function reconcile(name: string): Promise<void> {
    const namespace = namespaces.store.get({ name });
    if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return;
    const count = String(pods.store.list({ namespace: name }).length);
    if (namespace.metadata.annotations?.[annotation] === count) return;
    const metadata = { name, uid: namespace.metadata.uid, annotations: { [annotation]: count } };
    const body = { apiVersion: "v1", kind: "Namespace", metadata };
    await client.apply(Namespace, body as Namespace, { fieldManager: "pod-controller" });
    log.info({ namespace: name, pods: count }, "counted");
  }

  async function work(): Promise<void> {
    for (let turn = await queue.take(signal); turn !== undefined; turn = await queue.take(signal)) {
      const { key, failures } = turn;
      try {
        await reconcile(key);
        queue.done(key, { type: "idle" });
      } catch (error) {
        log.warn({ err: error, namespace: key, failures: failures + 1 }, "tried again later");
        queue.done(key, { type: "backoff" });
      }
    }
  }

  const following = [namespaces.run(signal), pods.run(signal)];
  // Workers come last: half of the Pods would be counted as all of them. Settled, since a stop before that rejects.
  await Promise.allSettled([namespaces.synced, pods.synced]);
  await Promise.all(Array.from({ length: workers }, work));
  // What waits to be tried again would keep the process alive.
  await queue.close();
  await Promise.all(following);
}
