// One contestant, once, on an etcd and kube-apiserver of its own: from its start to the deletion of what it made.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pickPort } from "../hack/cluster/ports.ts";
import { auditLogEnd } from "../test/support/audit.ts";
import { startApiServer, type ApiServer } from "../testing/index.ts";
import { createAccount, user } from "./account.ts";
import type { Command } from "./contestants.ts";
import { logPath, startOperator, type OperatorProcess, type Progress } from "./operator-process.ts";
import { countRequests, type Requests } from "./requests.ts";
import { openShops } from "./shops.ts";
import { quantile, type Figures } from "./table.ts";

export interface Load {
  /** Shops that are created at once, updated, harmed and deleted. */
  readonly count: number;
  /** Shops over which it is restarted. */
  readonly big: number;
  readonly restSeconds: number;
}

const updatesPerSecond = 50;
/** After each phase, before its costs are read: what comes late is part of them. */
const settleMs = 1_000;
const patienceMs = 300_000;

/** @throws Error with the end of the contestant's log */
export async function measure(command: Command, load: Load, stop: AbortSignal): Promise<Figures> {
  const definitions = [new URL("shop-crd.yaml", import.meta.url)];
  await using server = await startApiServer({ definitions, auditLog: true, progress: false });
  const over = new AbortController(); // ends the watches
  const patience = AbortSignal.timeout(patienceMs + load.restSeconds * 1000);
  try {
    return await runPhases(server, command, load, AbortSignal.any([stop, over.signal, patience]));
  } catch (cause) {
    throw new Error(`it was not measured to the end; its log ends with\n${logEnd(server.directory)}`, { cause });
  } finally {
    over.abort();
  }
}

async function runPhases(server: ApiServer, command: Command, load: Load, signal: AbortSignal): Promise<Figures> {
  const { client, directory, auditLogPath } = server;
  const { count, big, restSeconds } = load;
  const world = { directory, kubeconfig: await createAccount(server), port: await pickPort("127.0.0.1") };
  const shops = await openShops(client, signal);
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal });
  const [first = "", ...names] = Array.from({ length: big }, (_, index) => `shop-${index}`);
  const some = names.slice(0, count);

  await shops.place(first);
  const startedAt = performance.now();
  const operator = startOperator(command, world);
  const noticedAt = await shops.noticed(first);
  await pause(2 * settleMs);
  const idleMiB = operator.residentMiB();
  const during = <T>(work: () => Promise<T>): Promise<Phase<T>> => phase(auditLogPath, operator, work, pause);

  const created = await during(() => Promise.all(some.map(shops.create)));
  await shops.check(some, 1);

  const updated = await during(() =>
    Promise.all(
      some.map(async (name, index) => {
        await pause((index * 1000) / updatesPerSecond);
        return shops.update(name);
      }),
    ),
  );
  await shops.check(some, 2);

  const mended = await during(() => Promise.all(some.map(shops.harm)));
  const rested = await during(() => pause(restSeconds * 1000));

  await Promise.all(names.slice(count).map(shops.create));
  await pause(settleMs);
  await operator.stop();
  const beforeRestart = await auditLogEnd(auditLogPath);
  const restartedAt = performance.now();
  const next = startOperator(command, world);
  await knows(next, big, pause);
  const restartSeconds = (performance.now() - restartedAt) / 1000;
  await pause(2 * settleMs);
  const restart = await countRequests(auditLogPath, user, beforeRestart);
  const restartCpu = next.cpuSeconds();
  const bigMiB = next.residentMiB();

  await next.stop();
  const last = startOperator(command, { ...world, watchesEventLoop: true });
  const { eventLoopDelayMs } = await knows(last, big, pause);

  const removed = await phase(auditLogPath, last, () => Promise.all(some.map(shops.remove)), pause);
  await last.stop();

  return {
    "start → first write, ms": noticedAt - startedAt,
    "idle memory, MiB": idleMiB,
    [`${count} created at once: all, s`]: created.seconds,
    "created: p50, ms": quantile(created.result, 0.5),
    "created: p99, ms": quantile(created.result, 0.99),
    "created: CPU, s": created.cpuSeconds,
    "created: writes an object": created.writes / count,
    "created: reads an object": created.reads / count,
    [`${count} updated at ${updatesPerSecond}/s: p50, ms`]: quantile(updated.result, 0.5),
    "updated: p99, ms": quantile(updated.result, 0.99),
    "updated: CPU, s": updated.cpuSeconds,
    "updated: writes an object": updated.writes / count,
    [`${count} drifts repaired: all, s`]: mended.seconds,
    "drifts: CPU, s": mended.cpuSeconds,
    "drifts: writes an object": mended.writes / count,
    [`${restSeconds} s at rest: reconciles`]: rested.reconciles,
    "at rest: writes": rested.writes,
    "at rest: reads": rested.reads,
    [`restart over ${big}: all, s`]: restartSeconds,
    "restart: CPU, s": restartCpu,
    "restart: writes": restart.writes,
    "restart: memory after, MiB": bigMiB,
    ...(eventLoopDelayMs === undefined
      ? {}
      : {
          "restart: event-loop delay p99, ms": eventLoopDelayMs.p99,
          "restart: event-loop delay at most, ms": eventLoopDelayMs.max,
        }),
    [`${count} deleted: all, s`]: removed.seconds,
    "deleted: writes an object": removed.writes / count,
  };
}

interface Phase<T> extends Requests {
  readonly result: T;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly reconciles: number;
}

/** What the work took, and what the contestant spent on it. */
async function phase<T>(
  auditLogPath: string,
  operator: OperatorProcess,
  work: () => Promise<T>,
  pause: (ms: number) => Promise<void>,
): Promise<Phase<T>> {
  const { reconciles } = await operator.progress();
  const from = await auditLogEnd(auditLogPath);
  const cpuSeconds = operator.cpuSeconds();
  const startedAt = performance.now();
  const result = await work();
  const seconds = (performance.now() - startedAt) / 1000;
  await pause(settleMs);
  return {
    result,
    seconds,
    cpuSeconds: operator.cpuSeconds() - cpuSeconds,
    reconciles: (await operator.progress()).reconciles - reconciles,
    ...(await countRequests(auditLogPath, user, from)),
  };
}

/** Resolves with its progress once it has reconciled as many Shops. */
async function knows(
  operator: OperatorProcess,
  shops: number,
  pause: (ms: number) => Promise<void>,
): Promise<Progress> {
  for (;;) {
    const progress = await operator.progress();
    if (progress.keys >= shops) return progress;
    await pause(10);
  }
}

function logEnd(directory: string): string {
  try {
    return readFileSync(logPath(directory), "utf8").split("\n").slice(-20).join("\n");
  } catch {
    return "nothing: it was not started";
  }
}
