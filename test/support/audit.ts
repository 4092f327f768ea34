// Who asked what of the API server, from its audit log: calls are counted by the server, never self-reported.
import { open, stat } from "node:fs/promises";

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

/** Where the log ends now: what is asked later stands behind. */
export async function auditLogEnd(auditLogPath: string): Promise<number> {
  return (await stat(auditLogPath)).size;
}

/**
 * All finished calls about objects of one namespace, oldest first.
 * @param from an `auditLogEnd` of before the namespace existed: the log of a whole run is long
 */
export async function readCalls(auditLogPath: string, namespace: string, user?: string, from = 0): Promise<Call[]> {
  const calls: Call[] = [];
  for (const line of (await readFrom(auditLogPath, from)).split("\n")) {
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

async function readFrom(path: string, from: number): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.max(0, size - from));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}
