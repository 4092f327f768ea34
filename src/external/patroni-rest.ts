// Adapter: Patroni's REST API over node:http, one connection a request, basic authentication.
import { request as httpRequest } from "node:http";
import type { Answered, DynamicConfiguration, Patroni } from "../database/outside/patroni.ts";
import { PortError, type PortReason } from "../database/outside/port-error.ts";
import type { ServerAddress } from "../database/outside/postgres.ts";
import { isMap, type Json } from "../postgres/json.ts";

/** An answer is a few kB. More is not Patroni's, and must not fill our memory. */
const maxAnswerBytes = 1024 * 1024;

export interface PatroniRestOptions {
  /** Once connected; a request without an answer by then failed. Patroni itself waits for the API server in some. */
  readonly answerTimeoutMs: number;
  /**
   * The same for a restart and a switchover, whose answer comes when they have ended. Long enough to hear a refusal, and how
   * most of them end; whoever waits does nothing else meanwhile.
   */
  readonly actTimeoutMs: number;
}

export const patroniRest: Patroni = createPatroniRest({ answerTimeoutMs: 10_000, actTimeoutMs: 5_000 });

export function createPatroniRest(options: PatroniRestOptions): Patroni {
  const patroni: Patroni = {
    async status(address, signal) {
      const answer = await call(address, { method: "GET", path: "/patroni" }, options, signal);
      const about = answer["patroni"];
      return {
        name: isMap(about) ? text(about["name"]) : "",
        state: text(answer["state"]),
        role: answer["role"] === "master" ? "primary" : text(answer["role"]),
        timeline: typeof answer["timeline"] === "number" ? answer["timeline"] : undefined,
        pendingRestart: answer["pending_restart"] === true,
        streaming: answer["replication_state"] === "streaming",
        version: isMap(about) ? text(about["version"]) : "",
      };
    },

    async configuration(address, signal) {
      // GET /config answers what the member's last HA loop saw, which can be older than what another member was told before.
      // GET /cluster makes it load its view anew. https://github.com/patroni/patroni/blob/v4.0.7/patroni/api.py (do_GET_config)
      await call(address, { method: "GET", path: "/cluster" }, options, signal);
      return call(address, { method: "GET", path: "/config" }, options, signal);
    },

    async configure(address, patch, signal) {
      // Patroni answers 400 to an empty patch.
      if (Object.keys(patch).length === 0) return patroni.configuration(address, signal);
      return call(address, { method: "PATCH", path: "/config", body: patch }, options, signal);
    },

    restart: (address, signal) =>
      order(address, { method: "POST", path: "/restart", body: { restart_pending: true } }, options, signal),

    reinitialize: (address, signal) =>
      order(address, { method: "POST", path: "/reinitialize", body: {} }, options, signal),

    switchover: (address, members, signal) =>
      order(address, { method: "POST", path: "/switchover", body: members }, options, signal),
  };
  return Object.freeze(patroni);
}

interface RestRequest {
  readonly method: "GET" | "PATCH" | "POST";
  readonly path: string;
  readonly body?: DynamicConfiguration;
}

type Failed = (what: string, about: { reason: PortReason; code?: string | undefined; cause?: unknown }) => PortError;

/** Who failed at what. */
const failing =
  ({ host, port }: ServerAddress, { method, path }: RestRequest): Failed =>
  (what, about) =>
    new PortError(`Patroni at ${host}:${port}: ${method} ${path}: ${what}`, about);

/** One request; every answer that we ask for is an object. */
async function call(
  address: ServerAddress,
  asked: RestRequest,
  options: PatroniRestOptions,
  signal: AbortSignal,
): Promise<DynamicConfiguration> {
  const failed = failing(address, asked);
  const answer = await exchanged(address, asked, options.answerTimeoutMs, signal);
  const code = String(answer.status);
  if (answer.status !== 200) throw failed(`HTTP ${code}`, { reason: reasonOf(answer.status), code });
  let parsed: Json;
  try {
    parsed = JSON.parse(answer.text) as Json;
  } catch (error) {
    throw failed("the answer is not JSON", { reason: "ProvisioningRefused", code, cause: error });
  }
  if (!isMap(parsed)) throw failed("the answer is not an object", { reason: "ProvisioningRefused", code });
  return parsed;
}

/** One request that something be done; the answer is a sentence. Patroni does it also when we do not wait for the answer. */
async function order(
  address: ServerAddress,
  asked: RestRequest,
  options: PatroniRestOptions,
  signal: AbortSignal,
): Promise<Answered> {
  let answer: Answer;
  try {
    answer = await exchanged(address, asked, options.actTimeoutMs, signal);
  } catch (error) {
    if (error instanceof PortError && error.cause instanceof AnswerTooLate) return "underWay";
    throw error;
  }
  if (answer.status === 200) return "done";
  if (answer.status === 503 && asked.path === "/reinitialize" && answer.text.trim() === refillRuns) return "underWay";
  const code = String(answer.status);
  const reason = refusesCredentials(answer.status) ? "CredentialsRefused" : "PatroniRefused";
  throw failing(address, asked)(`HTTP ${code}: ${sentenceOf(answer.text)}`, { reason, code });
}

/** https://github.com/patroni/patroni/blob/v4.0.7/patroni/ha.py (reinitialize) */
const refillRuns = "reinitialize already in progress";

/** For a condition: one line, not too long. */
const sentenceOf = (said: string): string => said.replaceAll(/\s+/g, " ").trim().slice(0, 200) || "no reason given";

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** @throws PortError when there is no answer, caused by AnswerTooLate if the request was sent and time ran out */
async function exchanged(
  address: ServerAddress,
  asked: RestRequest,
  answerTimeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  signal.throwIfAborted();
  const failed = failing(address, asked);
  try {
    return await exchange(address, asked, answerTimeoutMs, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AnswerTooLarge) throw failed(error.message, { reason: "ProvisioningRefused", cause: error });
    const { code, message } = error as NodeJS.ErrnoException;
    throw failed(`no answer (${message === "" ? (code ?? "no reason") : message})`, {
      reason: "Unreachable",
      code,
      cause: error,
    });
  }
}

const refusesCredentials = (status: number): boolean => status === 401 || status === 403;

function reasonOf(status: number): PortReason {
  if (refusesCredentials(status)) return "CredentialsRefused";
  // 409: another patch came between. 502, 503: no configuration yet, or the API server does not answer Patroni.
  return status === 409 || status >= 500 ? "Unreachable" : "ProvisioningRefused";
}

class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

class AnswerTooLate extends Error {
  override readonly name = "AnswerTooLate";
}

/** Over a connection of its own. Rejects with what node:http says, or with an Error about one of our limits. */
function exchange(
  address: ServerAddress,
  { method, path, body }: RestRequest,
  answerTimeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      host: address.host,
      port: address.port,
      method,
      path,
      agent: false,
      auth: `${address.user}:${address.password}`,
      headers: {
        accept: "application/json",
        // Patroni answers 411 without a length.
        ...(payload === undefined ? {} : { "content-type": "application/json", "content-length": payload.length }),
      },
      signal,
    });
    const { connectTimeoutMs } = address;
    let timer = setTimeout(
      () => outgoing.destroy(new Error(`no connection in ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    );
    outgoing.on("socket", (socket) =>
      socket.once("connect", () => {
        clearTimeout(timer);
        const tooLate = (): unknown => outgoing.destroy(new AnswerTooLate(`nothing in ${answerTimeoutMs} ms`));
        timer = setTimeout(tooLate, answerTimeoutMs);
      }),
    );
    outgoing.on("close", () => clearTimeout(timer));
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      let size = 0;
      incoming.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxAnswerBytes) incoming.destroy(new AnswerTooLarge("the answer is too large"));
        else chunks.push(chunk);
      });
      incoming.on("error", reject);
      incoming.on("end", () =>
        resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    outgoing.end(payload);
  });
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
