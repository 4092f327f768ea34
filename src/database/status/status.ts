// What a pass found → the Database's status. Pure.
import { setCondition } from "../../runtime/index.ts";
import type { Condition, ConditionType, Database, DatabaseStatus, InstanceStatus, Phase } from "../api.ts";
import { failureOf } from "../failures.ts";
import type { Instance } from "../instances.ts";
import { databaseSelector, namesOf, ports, serviceHost } from "../names.ts";
import type { Pass } from "../pass.ts";
import { verdictsOf, type Verdicts } from "./verdicts.ts";
import { viewOf, type View } from "./view.ts";
import { largestCapacity } from "../volumes.ts";

/** @param now for the transition time of conditions that change */
export function computeStatus(database: Readonly<Database>, pass: Pass, now: Date): DatabaseStatus {
  const { metadata, status: previous } = database;
  const names = namesOf(metadata.name);
  const view = viewOf(database, pass);
  const conditions = verdictsOf(view, pass);
  const secretKnown = pass.applied?.credentialsSecret !== undefined || previous?.secretName !== undefined;
  const host = (service: string): string => `${serviceHost(service, metadata.namespace ?? "")}:${ports.postgres}`;
  const isTrue = (type: ConditionType): boolean => conditions[type].status === "True";

  const volumes = (pass.instances ?? []).flatMap(({ volume, retired }) =>
    retired || volume === undefined ? [] : [volume],
  );

  return {
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    phase: phaseOf(view, pass, isTrue),
    ready: isTrue("Ready"),
    ...(view.known ? counts(view) : {}),
    ...optional("volumeSize", view.known ? largestCapacity(volumes) : previous?.volumeSize),
    ...optional("version", pass.facts?.serverVersion ?? previous?.version),
    endpoint: host(names.service),
    readEndpoint: host(names.replicasService),
    ...(secretKnown ? { secretName: names.credentialsSecret } : {}),
    selector: Object.entries(databaseSelector(metadata.name))
      .map(([label, value]) => `${label}=${value}`)
      .join(","),
    ...(view.known ? { instances: view.present.map(instanceStatus) } : {}),
    conditions: stamped(database, conditions, now),
  };
}

function counts({ existing, serving, declared, primary }: View) {
  return {
    replicas: existing.length,
    readyReplicas: serving.length,
    readyInstances: `${serving.length}/${declared}`,
    ...optional("primary", primary?.podName),
  };
}

function phaseOf(view: View, pass: Pass, isTrue: (type: ConditionType) => boolean): Phase {
  if (view.deleting) return "Deleting";
  if (view.paused) return "Paused";
  if (isTrue("Ready")) return "Ready";
  if (failureOf(pass)?.waitsForEdit === true) return "Failed";
  if (view.lasting.length > 0) return isTrue("Available") ? "Degraded" : "Failed";
  if (!view.hadPrimary) return view.existing.length === 0 ? "Pending" : "Creating";
  if (!isTrue("Available")) return view.known ? "Failed" : "Pending";
  if (isTrue("Progressing")) return view.unchanged ? "Creating" : "Updating";
  return isTrue("Degraded") ? "Degraded" : "Updating";
}

function instanceStatus({ name, role, ready, streaming, node }: Instance): InstanceStatus {
  return {
    name,
    ...optional("role", role),
    ready,
    ...(role === "primary" ? {} : { streaming }),
    ...optional("node", node),
  };
}

/** The old list with the new verdicts: conditions that we do not know keep their place. */
function stamped({ metadata, status }: Readonly<Database>, verdicts: Verdicts, now: Date): Condition[] {
  const generation = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };
  return Object.entries(verdicts).reduce<Condition[]>(
    (list, [type, verdict]) => [...setCondition(list, { type, ...verdict, ...generation }, now)],
    [...(status?.conditions ?? [])],
  );
}

function optional<K extends string, V>(key: K, value: V | undefined): { [Name in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [Name in K]?: V };
}
