// Step 8 of a pass: what must exist in PostgreSQL and in Patroni's configuration. Facts → missing (pure) → act → facts again.
import { configurationDifferences, databaseDifferences, patchedPaths, roleDifferences } from "./differences.ts";
import { fingerprint, type ObservationMemo } from "./observation-memo.ts";
import type { DynamicConfiguration, Patroni } from "./patroni.ts";
import { PortError } from "./port-error.ts";
import type { PostgresServer, ServerAddress, ServerFacts } from "./postgres.ts";

/** What a Database declares of the outside. */
export interface Wishes {
  /** The role of applications; it owns the database. */
  readonly role: string;
  readonly password: string;
  readonly database: string;
  /** The part of Patroni's dynamic configuration that we declare; see `configurationDifferences`. */
  readonly configuration: DynamicConfiguration;
}

export interface ProvisionRequest {
  /** Of the Database. */
  readonly uid: string;
  /** Of the Database's spec. */
  readonly generation: number;
  readonly wishes: Wishes;
  /** Who leads now. A new primary may lack what the old one had. */
  readonly primary: { readonly podUid: string; readonly timeline: number | undefined };
  /** As superuser. */
  readonly postgres: ServerAddress;
  readonly patroni: ServerAddress;
}

export interface ProvisionPorts {
  readonly postgres: PostgresServer;
  readonly patroni: Patroni;
}

/** What was seen outside, last. */
export interface Facts extends ServerFacts {
  /** Patroni's dynamic configuration, whole. */
  readonly configuration: DynamicConfiguration;
  /** When we changed it, on the clock of `provision`; absent when it was as declared. */
  readonly configuredAtMs?: number;
}

export type ProvisionMemo = ObservationMemo<Facts>;

/** What has to be done, with the reasons. Nothing in it holds a password. */
export interface Missing {
  readonly role: readonly string[];
  readonly database: readonly string[];
  readonly configuration: DynamicConfiguration | undefined;
}

/** The facts after the pass, and what it did about them, as clauses for the log and an Event. */
export interface Provisioned extends Facts {
  /** E.g. "role orders: has another password". Empty when nothing had to be done. */
  readonly changes: readonly string[];
}

/** Pure: what `facts` lack of `wishes`. The facts about the password are those of the wished one. */
export function missing(wishes: Wishes, facts: Facts): Missing {
  return {
    role: roleDifferences(facts.role),
    database: databaseDifferences(databaseWish(wishes), facts.database),
    configuration: configurationDifferences(wishes.configuration, facts.configuration),
  };
}

/** Pure: `missing` as clauses, empty if nothing is. */
export function describeMissing(wishes: Wishes, lack: Missing): readonly string[] {
  return [
    ...lack.role.map((reason) => `role ${wishes.role}: ${reason}`),
    ...lack.database.map((reason) => `database ${wishes.database}: ${reason}`),
    ...(lack.configuration === undefined ? [] : patchedPaths(lack.configuration)).map(
      (path) => `configuration: ${path}`,
    ),
  ];
}

/**
 * Brings about what `request.wishes` declare, and answers what is there then. Looks outside only when the memo says so: when
 * anything in the request changed, or the facts are old; else the remembered facts are the answer.
 *
 * PostgreSQL and Patroni are independent: where one fails the other is still mended, since a wrong parameter can be the
 * reason that PostgreSQL does not answer. What was done is looked at again, never assumed.
 * @param nowMs of a monotonic clock
 * @throws PortError (of both if both failed); the next call observes again.
 */
export async function provision(
  request: ProvisionRequest,
  ports: ProvisionPorts,
  memo: ProvisionMemo,
  nowMs: number,
  signal: AbortSignal,
): Promise<Provisioned> {
  const print = fingerprint(request);
  const known = memo.recall(request.uid, print, nowMs);
  if (known !== undefined) return { ...known, changes: [] };

  const [server, patroni] = await Promise.allSettled([
    provisionServer(request, ports.postgres, signal),
    provisionConfiguration(request, ports.patroni, signal),
  ]);
  if (server.status === "rejected" || patroni.status === "rejected") {
    signal.throwIfAborted();
    throw joined(
      [server, patroni].flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : [])),
    );
  }

  const before: Facts = { ...server.value.before, configuration: patroni.value.before };
  const configured = patroni.value.after !== patroni.value.before;
  const facts: Facts = {
    ...server.value.after,
    configuration: patroni.value.after,
    ...(configured ? { configuredAtMs: nowMs } : {}),
  };
  const still = describeMissing(request.wishes, missing(request.wishes, facts));
  if (still.length > 0)
    throw new PortError(`still missing after it was provided: ${still.join("; ")}`, { reason: "ProvisioningRefused" });
  memo.remember(request.uid, print, facts, nowMs);
  return { ...facts, changes: describeMissing(request.wishes, missing(request.wishes, before)) };
}

interface Seen<F> {
  readonly before: F;
  readonly after: F;
}

async function provisionServer(
  { wishes, postgres: address }: ProvisionRequest,
  server: PostgresServer,
  signal: AbortSignal,
): Promise<Seen<ServerFacts>> {
  const role = { name: wishes.role, password: wishes.password };
  const database = databaseWish(wishes);
  const before = await server.observe(address, { role, database }, signal);
  const roleLacks = roleDifferences(before.role).length > 0;
  const databaseLacks = databaseDifferences(database, before.database).length > 0;
  if (!roleLacks && !databaseLacks) return { before, after: before };
  // The role first: a database needs its owner.
  if (roleLacks) await server.ensureRole(address, role, signal);
  if (databaseLacks) await server.ensureDatabase(address, database, signal);
  return { before, after: await server.observe(address, { role, database }, signal) };
}

async function provisionConfiguration(
  { wishes, patroni: address }: ProvisionRequest,
  patroni: Patroni,
  signal: AbortSignal,
): Promise<Seen<DynamicConfiguration>> {
  const before = await patroni.configuration(address, signal);
  const patch = configurationDifferences(wishes.configuration, before);
  if (patch === undefined) return { before, after: before };
  return { before, after: await patroni.configure(address, patch, signal) };
}

function databaseWish(wishes: Wishes): { readonly name: string; readonly owner: string } {
  return { name: wishes.database, owner: wishes.role };
}

function joined(failures: readonly unknown[]): unknown {
  const [first, second] = failures;
  if (!(first instanceof PortError) || !(second instanceof PortError)) return first;
  return new PortError(`${first.message}; ${second.message}`, {
    reason: first.reason,
    code: first.code,
    cause: new AggregateError([first, second], "PostgreSQL and Patroni both failed"),
  });
}
