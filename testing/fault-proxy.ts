// A proxy between a client and a real API server, which makes go wrong what a plan says. The client keeps its identity.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "../src/runtime/index.ts";
import { statusOf, versionIn, withLimit } from "./fault-answers.ts";
import type { FaultPlan, RequestFault } from "./fault-plan.ts";
import { changedAnything, VersionsSeen, type ProxiedCall } from "./fault-record.ts";
import { apiRequestOf, isWrite, type ApiRequest } from "./fault-request.ts";
import { FaultRules } from "./fault-rules.ts";
import { FaultStream } from "./fault-stream.ts";
import { createUpstream, headersBeyondHop, wholeAnswer, type Forwarded, type WholeAnswer } from "./fault-upstream.ts";

export interface FaultProxyOptions {
  /** Where the real API server is, and as whom it is asked. */
  readonly connection: Connection;
  /** Acts from the start. Default: nothing goes wrong. */
  readonly plan?: FaultPlan;
  /** What a rule may call by name. */
  readonly hooks?: Readonly<Record<string, () => Promise<void> | void>>;
}

export interface FaultProxy extends AsyncDisposable {
  /** For the client under test, in place of the real one: the same identity, over plain HTTP on loopback. */
  readonly connection: Connection;
  /** Every call since the start that is about objects, oldest first. */
  readonly calls: readonly ProxiedCall[];
  /** Which faults have acted since the plan began: "reset apply statefulsets.apps shop/orders-1". */
  readonly fired: readonly string[];
  /** From now on this plan is in force, and counts from one. */
  play(plan: FaultPlan): void;
  /** As the plan's `rotateToken`. */
  rotateToken(): void;
}

/** Listens on a free port of 127.0.0.1. What it says of itself it says by the `connection`. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { connection, hooks = {} } = options;
  const upstream = createUpstream(connection);
  const versions = new VersionsSeen();
  const calls: ProxiedCall[] = [];
  const fired: string[] = [];
  const closing = new AbortController();
  /** The first answer to each list since the plan began. */
  const lists = new Map<string, WholeAnswer>();
  let rules = new FaultRules(options.plan ?? {});
  let streams = 0;
  let token = 1;

  const server = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.resetAndDestroy());
  });
  // A watch is open for as long as it lasts, and a request that is held waits for us.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 0;

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "/", headers } = incoming;
    const forwarded: Forwarded = { method, path: url, headers, body: await buffer(incoming) };
    const request = apiRequestOf(method, url, headers["content-type"], forwarded.body);
    if (request === undefined) return relay(forwarded, response, undefined);
    const call: ProxiedCall = { request, receivedAt: performance.now() };
    calls.push(call);
    const fault = rules.forRequest(request);
    if (fault?.type === "rotateToken") token += 1;
    if (fault !== undefined) {
      call.fault = fault.type;
      fired.push(describe(fault, request));
    }
    try {
      if (isOutdated(headers.authorization)) refuse(response, call, 401);
      else await meet(fault, forwarded, response, call);
    } finally {
      call.answeredAt = performance.now();
    }
  }

  /** Carries a request out, as far as its fault lets it. */
  async function meet(
    fault: RequestFault | undefined,
    forwarded: Forwarded,
    response: ServerResponse,
    call: ProxiedCall,
  ): Promise<void> {
    const applied = fault !== undefined && "applied" in fault && fault.applied === true;
    switch (fault?.type) {
      case undefined:
      case "rotateToken":
        return relay(forwarded, response, call);
      case "answer":
        if (applied) await ask(forwarded, call);
        return refuse(response, call, fault.status, fault.retryAfterSeconds);
      case "reset":
        if (applied) await ask(forwarded, call);
        response.socket?.resetAndDestroy();
        return;
      case "hang":
        if (applied) await ask(forwarded, call);
        await Promise.race([once(response, "close"), aborted(closing.signal)]);
        return;
      case "delay":
        await pause(fault.ms);
        // Nobody sends it any more: it never arrives, unless it is on its way already.
        if (!response.destroyed || fault.late === true) await relay(forwarded, response, call);
        return;
      case "delayAnswer": {
        const answer = await ask(forwarded, call);
        await pause(fault.ms);
        return tell(response, call, answer);
      }
      case "past": {
        const { verb, resourceVersion } = call.request;
        const past = verb === "list" && resourceVersion === "0" ? lists.get(forwarded.path) : undefined;
        return past === undefined ? relay(forwarded, response, call) : tell(response, call, past);
      }
      case "pages":
        return relay({ ...forwarded, path: withLimit(forwarded.path, fault.limit) }, response, call);
      case "call": {
        if (!applied) await hooks[fault.hook]?.();
        // The hook may have killed whoever sent it.
        if (response.destroyed) return;
        const answer = await ask(forwarded, call);
        if (applied) await hooks[fault.hook]?.();
        return tell(response, call, answer);
      }
    }
  }

  async function ask(forwarded: Forwarded, call: ProxiedCall | undefined): Promise<WholeAnswer> {
    const before = versions.highest;
    const answer = await wholeAnswer(await upstream.send(forwarded));
    if (call === undefined) return answer;
    call.upstreamStatus = answer.status;
    if (isWrite(call.request) && answer.status < 300) call.effective = changedAnything(answer.body, before);
    versions.see(versionIn(answer.body));
    if (call.request.verb === "list" && answer.status === 200 && !lists.has(forwarded.path))
      lists.set(forwarded.path, answer);
    return answer;
  }

  async function relay(forwarded: Forwarded, response: ServerResponse, call: ProxiedCall | undefined): Promise<void> {
    if (call?.request.verb === "watch") return stream(forwarded, response, call);
    return tell(response, call, await ask(forwarded, call));
  }

  function tell(response: ServerResponse, call: ProxiedCall | undefined, { status, headers, body }: WholeAnswer): void {
    if (response.destroyed) return;
    if (call !== undefined) call.status = status;
    response.writeHead(status, { ...headersBeyondHop(headers), "content-length": body.length }).end(body);
  }

  async function stream(forwarded: Forwarded, response: ServerResponse, call: ProxiedCall): Promise<void> {
    const ending = new AbortController();
    response.once("close", () => ending.abort());
    const answer = await upstream.send(forwarded, ending.signal);
    call.status = call.upstreamStatus = answer.statusCode ?? 500;
    if (call.status >= 300) return tell(response, call, await wholeAnswer(answer));
    response.writeHead(call.status, { "content-type": "application/json" });
    response.flushHeaders();
    const watch = new FaultStream(
      (streams += 1),
      call.request,
      {
        write: (bytes) => void response.write(bytes),
        end: () => void response.end(),
        reset: () => void response.socket?.resetAndDestroy(),
      },
      {
        rules: () => rules,
        saw: ({ object }) => void versions.see(object.metadata?.resourceVersion),
        acted: (fault, { object }) =>
          void fired.push(`${fault.type} watch ${call.request.resource} ${object.metadata?.name ?? ""}`.trimEnd()),
        after: (ms, callback) => {
          const timer = setTimeout(callback, ms);
          return () => clearTimeout(timer);
        },
      },
    );
    try {
      for await (const chunk of answer) watch.take(chunk as Buffer);
      watch.end();
    } catch {
      watch.stop();
      response.socket?.resetAndDestroy();
    }
    if (!response.writableEnded && !response.destroyed) await once(response, "close");
    watch.stop();
  }

  function refuse(response: ServerResponse, call: ProxiedCall, status: number, retryAfterSeconds?: number): void {
    if (response.destroyed) return;
    call.status = status;
    const retryAfter = retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
    const body = JSON.stringify(statusOf(status, retryAfterSeconds));
    response.writeHead(status, { "content-type": "application/json", ...retryAfter }).end(body);
  }

  const prefix = "Bearer proxied-";
  const isOutdated = (authorization: string | undefined): boolean =>
    authorization?.startsWith(prefix) === true && authorization !== `${prefix}${token}`;
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal: closing.signal }).catch(() => undefined);

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let handedOut = token;

  return {
    connection: {
      server: url,
      namespace: connection.namespace,
      // The real credentials stay here: what is handed out can be declared outdated.
      access: async ({ refresh = false } = {}) => {
        if (refresh) handedOut = token;
        return { headers: { Authorization: `${prefix}${handedOut}` } };
      },
    },
    calls,
    fired,
    play: (plan) => {
      rules = new FaultRules(plan);
      fired.length = 0;
      lists.clear();
    },
    rotateToken: () => {
      token += 1;
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      upstream.close();
      await closed;
    },
  };
}

function describe(fault: RequestFault, { verb, resource, subresource, namespace, name }: ApiRequest): string {
  const what = fault.type === "answer" ? String(fault.status) : fault.type;
  const applied = "applied" in fault && fault.applied === true ? " applied" : "";
  const path = [namespace, name].filter((part) => part !== undefined).join("/");
  return `${what}${applied} ${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`} ${path}`.trimEnd();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
