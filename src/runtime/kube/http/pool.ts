// Kept-alive connections to one place, and the requests that wait for one.
import {
  type ConnectionOwner,
  type Dial,
  type Exchange,
  HttpConnection,
  type RequestText,
  type Sending,
} from "./http-connection.ts";

export interface PoolOptions {
  /** Connections at a time; more requests wait. Default: no limit. */
  readonly most?: number;
  /**
   * How long a connection that nobody uses is kept. Default 60 s: the API server closes it after 90 s, and a request on a closing
   * connection is lost.
   */
  readonly idleMs?: number;
}

export class Pool implements ConnectionOwner {
  readonly #dial: Dial;
  readonly #most: number;
  readonly #idleMs: number;
  readonly #open = new Set<HttpConnection>();
  /** The one that was used last is the next: those that are too many fall idle. So the first is idle for longest. */
  readonly #idle: HttpConnection[] = [];
  readonly #waiting = new Set<Job>();
  #sweep: NodeJS.Timeout | undefined;
  #isRetired = false;

  constructor(dial: Dial, { most = Infinity, idleMs = 60_000 }: PoolOptions = {}) {
    this.#dial = dial;
    this.#most = most;
    this.#idleMs = idleMs;
  }

  /** Sends a request as soon as there is a connection for it. @throws what the dial throws */
  send(request: RequestText, exchange: Exchange): Sending {
    const job = new Job(request, exchange, this.#waiting);
    const idle = this.#idle.pop();
    if (idle !== undefined) job.start(idle);
    else if (this.#open.size < this.#most) job.start(this.#opened());
    else this.#waiting.add(job);
    return job;
  }

  /** Keeps no connection any more; what is under way, or waits, finishes. */
  retire(): void {
    this.#isRetired = true;
    clearTimeout(this.#sweep);
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  /** Ends all connections, in use or not. */
  destroy(): void {
    this.retire();
    for (const { exchange } of this.#taken()) exchange.fail(new Error("the client was closed"), false);
    for (const connection of this.#open) connection.destroy();
  }

  free(connection: HttpConnection): void {
    const next = this.#next();
    if (next !== undefined) {
      next.start(connection);
    } else if (this.#isRetired) {
      connection.destroy();
    } else {
      connection.idleSince = performance.now();
      this.#idle.push(connection);
      // One timer for all: to set one for each connection and request is what costs.
      this.#sweep ??= setTimeout(() => this.#drop(), this.#idleMs).unref();
    }
  }

  gone(connection: HttpConnection): void {
    this.#open.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    const next = this.#next();
    if (next === undefined) return;
    try {
      next.start(this.#opened());
    } catch (error) {
      next.exchange.fail(error as Error, false);
    }
  }

  #opened(): HttpConnection {
    const connection = new HttpConnection(this.#dial, this);
    this.#open.add(connection);
    return connection;
  }

  /** The one that waits for longest waits no more. */
  #next(): Job | undefined {
    if (this.#waiting.size === 0) return undefined;
    const [first] = this.#waiting;
    if (first !== undefined) this.#waiting.delete(first);
    return first;
  }

  #taken(): Job[] {
    const jobs = [...this.#waiting];
    this.#waiting.clear();
    return jobs;
  }

  /** Drops what nobody has used for long. */
  #drop(): void {
    this.#sweep = undefined;
    const latest = performance.now() - this.#idleMs;
    for (const connection of this.#idle.filter(({ idleSince }) => idleSince <= latest)) connection.destroy();
    const [first] = this.#idle;
    if (first !== undefined) this.#sweep = setTimeout(() => this.#drop(), first.idleSince - latest).unref();
  }
}

class Job implements Sending {
  readonly exchange: Exchange;
  readonly #request: RequestText;
  readonly #waiting: Set<Job>;
  #connection: HttpConnection | undefined;

  constructor(request: RequestText, exchange: Exchange, waiting: Set<Job>) {
    this.#request = request;
    this.exchange = exchange;
    this.#waiting = waiting;
  }

  start(connection: HttpConnection): void {
    this.#connection = connection;
    connection.send(this.#request, this.exchange);
  }

  pause(): void {
    this.#connection?.pause(this.exchange);
  }

  resume(): void {
    this.#connection?.resume(this.exchange);
  }

  hold(): void {
    this.#connection?.hold(this.exchange);
  }

  cancel(): void {
    this.#waiting.delete(this);
    this.#connection?.cancel(this.exchange);
  }
}
