// The door of the test kit: what tests of a controller may import. No test runner is needed, and none is refused.
export { attachApiServer, startApiServer, type ApiServer, type ApiServerOptions } from "./api-server.ts";
export { installDefinition, installDefinitions, type Definition, type DefinitionSource } from "./definitions.ts";
export { settled, type SettledOptions } from "./settled.ts";
export { settle, VirtualClock } from "./virtual-clock.ts";
export { startFaultProxy, type FaultProxy, type FaultProxyOptions } from "./fault-proxy.ts";
export type * from "./fault-plan.ts";
export type { ProxiedCall } from "./fault-record.ts";
export type { ApiRequest, Verb } from "./fault-request.ts";
