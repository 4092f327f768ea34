// The connection of a Pod: service account token, CA and namespace from mounted files, which kubelet replaces in place.
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { type Clock, systemClock } from "../clock.ts";
import type { Access, Connection } from "./connection.ts";

export interface InClusterOptions {
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
  readonly host: string;
  readonly port: string | number;
  /** Holds `token`, `ca.crt` and `namespace`. Default: where kubelet mounts a service account. */
  readonly directory?: string;
  /** How long a token and a CA that were read are used. Kubelet renews them at 80% of their life. Default 60 s. */
  readonly rereadAfterMs?: number;
  readonly clock?: Clock;
}

/** @throws Error when the files cannot be read at first. Later failures keep what was read last. */
export async function inClusterConnection(options: InClusterOptions): Promise<Connection> {
  const { directory = "/var/run/secrets/kubernetes.io/serviceaccount", rereadAfterMs = 60_000 } = options;
  const clock = options.clock ?? systemClock;

  const read = async (): Promise<Access> => {
    const [token, ca] = await Promise.all([
      readFile(join(directory, "token"), "utf8"),
      readFile(join(directory, "ca.crt"), "utf8"),
    ]);
    return { headers: { Authorization: `Bearer ${token.trim()}` }, ca };
  };

  const namespace = (await readFile(join(directory, "namespace"), "utf8")).trim();
  let access = await read();
  let readAt = clock.now();
  let reading: Promise<void> | undefined;

  const reread = async (): Promise<void> => {
    try {
      access = await read();
    } catch {
      // Kubelet swaps a symlink, so a half-made directory is never seen; should it be, the old token still serves.
    }
    readAt = clock.now();
    reading = undefined;
  };

  return {
    server: `https://${isIPv6(options.host) ? `[${options.host}]` : options.host}:${options.port}`,
    namespace,
    async access({ refresh = false } = {}) {
      if (refresh || clock.now() - readAt >= rereadAfterMs) await (reading ??= reread());
      return access;
    },
  };
}
