// Who asked what of the API server, from its audit log: calls are counted by the server, never self-reported.
import { readFile } from "node:fs/promises";

export interface Call {
  readonly user: string;
  readonly verb: string;
  /** "statefulsets.apps", "databases.holdfast.dev/status" */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly code: number;
  readonly at: string;
}

interface AuditEvent {
  stage: string;
  verb: string;
  user?: { username?: string };
  objectRef?: { resource?: string; apiGroup?: string; subresource?: string; namespace?: string; name?: string };
  responseStatus?: { code?: number };
  requestReceivedTimestamp?: string;
}

const writeVerbs = new Set(["create", "update", "patch", "delete", "deletecollection"]);

export const isWrite = (call: Call): boolean => writeVerbs.has(call.verb);
export const isLease = (call: Call): boolean => call.resource === "leases.coordination.k8s.io";
export const isEvent = (call: Call): boolean => call.resource === "events.events.k8s.io" || call.resource === "events";
/** An object came into being by this call. */
export const isCreation = (call: Call): boolean => isWrite(call) && call.code === 201;

/** All finished calls about objects of one namespace, oldest first. */
export async function readCalls(auditLogPath: string, namespace: string, user?: string): Promise<Call[]> {
  const calls: Call[] = [];
  for (const line of (await readFile(auditLogPath, "utf8")).split("\n")) {
    if (!line.includes(`"${namespace}"`)) continue;
    const event = JSON.parse(line) as AuditEvent;
    const { objectRef } = event;
    if (event.stage !== "ResponseComplete" || objectRef?.namespace !== namespace) continue;
    const call: Call = {
      user: event.user?.username ?? "",
      verb: event.verb,
      resource:
        (objectRef.resource ?? "") +
        (objectRef.apiGroup === undefined ? "" : `.${objectRef.apiGroup}`) +
        (objectRef.subresource === undefined ? "" : `/${objectRef.subresource}`),
      namespace,
      name: objectRef.name ?? "",
      code: event.responseStatus?.code ?? 0,
      at: event.requestReceivedTimestamp ?? "",
    };
    if (user === undefined || call.user === user) calls.push(call);
  }
  return calls;
}
