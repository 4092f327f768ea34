// Connections to one API server under one TLS identity. Requests and watches have pools of their own, since a dozen watches would
// starve one.
import type { Access } from "../connection.ts";
import { dialer, isSameTls, type Target } from "./dial.ts";
import { Pool } from "./pool.ts";

export interface Pools {
  readonly requests: Pool;
  readonly watches: Pool;
  /** Whether connections of this access may be taken from here. */
  serves(access: Access): boolean;
  /** Keeps no connection any more; what is under way finishes. */
  retire(): void;
  /** Ends all connections, in use or not. */
  destroy(): void;
}

export function createPools(access: Access, target: Target, maxConnections: number): Pools {
  const dial = dialer(access, target);
  const requests = new Pool(dial, { most: maxConnections });
  const watches = new Pool(dial);
  return {
    requests,
    watches,
    serves: (other) => isSameTls(access, other),
    retire() {
      requests.retire();
      watches.retire();
    },
    destroy() {
      requests.destroy();
      watches.destroy();
    },
  };
}

/** Whether both are the same user over the same kind of connection. */
export function isSameIdentity(one: Access, other: Access): boolean {
  return isSameTls(one, other) && JSON.stringify(one.headers) === JSON.stringify(other.headers);
}
