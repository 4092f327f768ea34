// One request to an API server: for the cluster's own tools, which must not need the operator's code.
import { request } from "node:https";
import type { KeyPair } from "./certificates.ts";

export interface ApiConnection {
  readonly url: string;
  readonly caPem: string;
  readonly credential: KeyPair | { readonly token: string };
}

export interface ApiAnswer {
  readonly status: number;
  /** The parsed JSON, or the text where it is none. */
  readonly body: unknown;
}

/** Sends `body` as JSON. Resolves with any status; rejects only when no answer came (in time: 10 s by default). */
export function apiRequest(
  connection: ApiConnection,
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
  options: { contentType?: string; accept?: string; timeoutMs?: number } = {},
): Promise<ApiAnswer> {
  const { credential } = connection;
  const headers: Record<string, string> = {};
  if (options.accept !== undefined) headers["accept"] = options.accept;
  if (body !== undefined) headers["content-type"] = options.contentType ?? "application/json";
  if ("token" in credential) headers["authorization"] = `Bearer ${credential.token}`;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      connection.url + path,
      {
        method,
        ca: connection.caPem,
        ...("token" in credential ? {} : { cert: credential.certificatePem, key: credential.privateKeyPem }),
        agent: false,
        signal: AbortSignal.timeout(options.timeoutMs ?? 10_000),
        headers,
      },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (chunk: string) => (text += chunk));
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, body: parseBody(text) }));
        incoming.on("error", reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Like `apiRequest`, for requests that must succeed. @throws Error with the server's message on a status from 400 on. */
export async function apiCall<T>(...[connection, method, path, ...rest]: Parameters<typeof apiRequest>): Promise<T> {
  const { status, body } = await apiRequest(connection, method, path, ...rest);
  if (status < 400) return body as T;
  throw new Error(`${method} ${path} was answered with ${status}: ${messageOf(body)}`);
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function messageOf(body: unknown): string {
  return typeof body === "object" && body !== null && "message" in body ? String(body.message) : JSON.stringify(body);
}
