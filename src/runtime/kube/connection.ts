// How to reach an API server and as whom, as an interface: in-cluster.ts and kubeconfig.ts make one, transport.ts uses it.
import type { Agent } from "node:http";

/** What one request needs. Two answers with equal TLS material may share connections. */
export interface Access {
  /** Authorization, Impersonate-User. */
  readonly headers: Readonly<Record<string, string>>;
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  readonly pfx?: string | Buffer | undefined;
  readonly passphrase?: string | undefined;
  /** The name that the server's certificate must bear, where it is not the host of the URL. */
  readonly servername?: string | undefined;
  /** false: any certificate will do. */
  readonly rejectUnauthorized?: boolean | undefined;
  /** Connects in another way than directly (a proxy). Absent: our own pools. */
  readonly agent?: Agent | undefined;
}

/** A cluster and an identity. */
export interface Connection {
  /** The API server's URL, e.g. "https://10.0.0.1:443"; a path in it is kept. */
  readonly server: string;
  /** The namespace that this identity lives or works in. */
  readonly namespace: string;
  /**
   * Called before every request, so it answers from memory most of the time.
   * `refresh` is set after the API server answered 401: read tokens and certificates again now.
   */
  access(options?: { readonly refresh?: boolean }): Promise<Access>;
}
