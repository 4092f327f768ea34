// What must exist in PostgreSQL and in Patroni's configuration. Facts → missing (pure) → act → facts again.
import type { ParameterProblem, Parameters } from "../../postgres/parameters.ts";
import { configurationDifferences, databaseDifferences, patchedPaths, roleDifferences } from "./differences.ts";
import type { HandedOver } from "./leaderless.ts";
import { fingerprint, type ObservationMemo } from "./observation-memo.ts";
import type { DynamicConfiguration, Patroni } from "./patroni.ts";
import { parameterProblems } from "./parameter-problems.ts";
import { PortError } from "./port-error.ts";
import type { PostgresServer, ServerAddress, ServerFacts } from "./postgres.ts";
import { observeUptake, type Server, type Uptake } from "./uptake.ts";

/** What a Database declares of the outside. */
export interface Wishes {
  /** The role of applications; it owns the database. */
  readonly role: string;
  readonly password: string;
  readonly database: string;
  /** The part of Patroni's dynamic configuration that we declare; see `configurationDifferences`. */
  readonly configuration: DynamicConfiguration;
  /** What every server should have in force: the parameters in `configuration`. */
  readonly parameters: Parameters;
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
  /** What Patroni says of the primary: PostgreSQL must be restarted for a parameter. */
  readonly pendingRestart: boolean;
  /** Those that serve. They come and go: a change of them alone is no reason to look. */
  readonly replicas: readonly Server[];
}

export interface ProvisionPorts {
  readonly postgres: PostgresServer;
  readonly patroni: Patroni;
}

/** What there is of what is wished. */
export interface Provided extends ServerFacts {
  /** Patroni's dynamic configuration, whole. */
  readonly configuration: DynamicConfiguration;
}

/** What was seen outside, last. */
export interface Facts extends Provided, Uptake {}

/** What is remembered: the facts, or that the configuration was handed over while nobody led, see leaderless.ts. */
export type ProvisionFacts = Facts | HandedOver;
export type ProvisionMemo = ObservationMemo<ProvisionFacts>;

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
  /** Declared parameters that are not in force and wait for an edit. Empty while that is not settled. */
  readonly problems: readonly ParameterProblem[];
}

/** Pure: what `facts` lack of `wishes`. The facts about the password are those of the wished one. */
export function missing(wishes: Wishes, facts: Provided): Missing {
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
 * anything in the request changed, the facts are old, or the servers have not taken a changed configuration up yet; else the
 * remembered facts are the answer. While they are not `settled`, or a replica is `behind`, it is to be called again soon.
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
  const { replicas: _, pendingRestart: __, ...lasting } = request;
  const print = fingerprint(lasting);
  const known = seenBefore(memo.recall(request.uid, print, nowMs));
  if (known?.settled === true && known.behind.length === 0)
    return { ...known, changes: [], problems: problemsOf(request, known) };

  const { provided, changes, patched } = known
    ? { provided: known, changes: [], patched: false }
    : await bringAbout(request, ports, signal);
  // What lagged at the last look lags since then, so that a resync does not take the verdict back.
  const lagged = patched ? undefined : seenBefore(memo.last(request.uid, print))?.lagsSinceMs;
  const uptake = await observeUptake(request, ports.postgres, { nowMs, sinceMs: lagged ?? nowMs }, signal);
  const facts: Facts = { ...provided, ...uptake };
  memo.remember(request.uid, print, facts, nowMs);
  return { ...facts, changes, problems: problemsOf(request, facts) };
}

function seenBefore(remembered: Facts | HandedOver | undefined): Facts | undefined {
  return remembered !== undefined && "settled" in remembered ? remembered : undefined;
}

function problemsOf({ wishes }: ProvisionRequest, facts: Facts): readonly ParameterProblem[] {
  return facts.settled ? parameterProblems(wishes.parameters, facts.parameters, facts.serverVersion) : [];
}

interface Done {
  readonly provided: Provided;
  /** As clauses. */
  readonly changes: readonly string[];
  /** Patroni's configuration was changed. */
  readonly patched: boolean;
}

async function bringAbout(request: ProvisionRequest, ports: ProvisionPorts, signal: AbortSignal): Promise<Done> {
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

  const before: Provided = { ...server.value.before, configuration: patroni.value.before };
  const provided: Provided = { ...server.value.after, configuration: patroni.value.after };
  const still = describeMissing(request.wishes, missing(request.wishes, provided));
  if (still.length > 0)
    throw new PortError(`still missing after it was provided: ${still.join("; ")}`, { reason: "ProvisioningRefused" });
  const changes = describeMissing(request.wishes, missing(request.wishes, before));
  return { provided, changes, patched: patroni.value.after !== patroni.value.before };
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
