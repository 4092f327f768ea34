// The one error that the ports to the outside throw. It says what a reader of the condition needs, and never holds a
// password, a connection string or a statement.

/**
 * Why something outside Kubernetes did not do what was asked.
 * - Unreachable: no answer, or it broke off, or the server is starting or stopping. Nothing is known about the outcome.
 * - NotPrimary: it answered, and is (or became) a replica.
 * - CredentialsRefused: it answered, and does not accept our credentials, or asked for them in an unsafe way.
 * - ProvisioningRefused: it answered with an error of its own; `code` says which.
 * - PatroniRefused: Patroni does not restart, switch over or fill a replica anew now; the message holds what it says.
 */
export type PortReason = "Unreachable" | "NotPrimary" | "CredentialsRefused" | "ProvisioningRefused" | "PatroniRefused";

/** All are worth a retry with backoff: what is outside can change without any event that we would see. */
export class PortError extends Error {
  override readonly name = "PortError";
  readonly reason: PortReason;
  /** The SQLSTATE, HTTP status or errno of the failure, where there was one. */
  readonly code: string | undefined;

  constructor(message: string, options: { reason: PortReason; code?: string | undefined; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.reason = options.reason;
    this.code = options.code;
  }

  /** The same, and what it is about in front: "whether orders-1-0 leads". */
  about(what: string): PortError {
    return new PortError(`${what}: ${this.message}`, { reason: this.reason, code: this.code, cause: this });
  }
}
