// A client that dies: from then on nothing reaches the API server through it, as for a process that got SIGKILL.
import { ApiError, type HttpClient, type KubeClient } from "../../src/runtime/index.ts";

export interface MortalClient {
  readonly client: KubeClient;
  /** What is under way is cut off, and nothing is sent any more: no lease released, no Event flushed. */
  kill(): void;
}

export function mortalClient(http: HttpClient): MortalClient {
  let dead = false;
  const assertAlive = (): void => {
    if (dead) throw new ApiError("the process is dead", { status: 0, reason: "NoAnswer" });
  };
  return {
    client: {
      get: async (...call) => (assertAlive(), http.get(...call)),
      list: async (...call) => (assertAlive(), http.list(...call)),
      watch: (...call) => (assertAlive(), http.watch(...call)),
      podLog: async (...call) => (assertAlive(), http.podLog(...call)),
      create: async (...call) => (assertAlive(), http.create(...call)),
      apply: async (...call) => (assertAlive(), http.apply(...call)),
      applyStatus: async (...call) => (assertAlive(), http.applyStatus(...call)),
      patch: async (...call) => (assertAlive(), http.patch(...call)),
      delete: async (...call) => (assertAlive(), http.delete(...call)),
    },
    kill: () => {
      dead = true;
      http.close();
    },
  };
}
