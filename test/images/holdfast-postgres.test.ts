// The program that starts in a Pod, run by python3: when a volume counts as full, and that nothing keeps the watch from telling it.
import { createServer, type AddressInfo } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { annotations } from "../../src/database/names.ts";
import { lastWords } from "../../src/database/troubles/last-words.ts";
import {
  certificates,
  diskOf,
  EAGAIN,
  EIO,
  judged,
  needPython,
  startPodProgram,
  type Disk,
  type PodProgram,
} from "../support/pod-program.ts";
import { respondJson, startStubServer, type Received, type Respond, type StubServer } from "../support/stub-server.ts";

beforeAll(needPython);

/** A disk of 10 GiB: less than 512 MiB free is full, 768 MiB are enough to have it over. */
const ofTen = (free: number): Disk => diskOf(10_240, free);

const cases: readonly {
  readonly because: string;
  readonly looks: readonly (readonly [seconds: number, disk: Disk, full: boolean])[];
}[] = [
  {
    because: "a twentieth is enough, less is not",
    looks: [
      [0, ofTen(512), false],
      [5, ofTen(511), true],
    ],
  },
  {
    because: "of a large one 2 GiB are enough",
    looks: [
      [0, diskOf(102_400, 2_048), false],
      [5, diskOf(102_400, 2_047), true],
    ],
  },
  {
    because: "a file system can run out of files with room left",
    looks: [
      [0, diskOf(10_240, 5_000, 1_000, 20), false],
      [5, diskOf(10_240, 5_000, 1_000, 19), true],
      [10, diskOf(10_240, 5_000, 1_000, 29), true],
      [10_000, diskOf(10_240, 5_000, 1_000, 29), true],
      [10_005, diskOf(10_240, 5_000, 1_000, 30), true],
      [10_185, diskOf(10_240, 5_000, 1_000, 30), false],
    ],
  },
  {
    because: "half as much again has to be free to have it over, however long it takes",
    looks: [
      [0, ofTen(511), true],
      [5, ofTen(767), true],
      [10_000, ofTen(767), true],
    ],
  },
  {
    because: "room has to last for three minutes",
    looks: [
      [0, ofTen(511), true],
      [5, ofTen(768), true],
      [100, ofTen(9_000), true],
      [184, ofTen(768), true],
      [185, ofTen(768), false],
    ],
  },
  {
    because: "WAL that comes in between takes the room away again",
    looks: [
      [0, ofTen(511), true],
      [5, ofTen(1_500), true],
      [100, ofTen(600), true],
      [105, ofTen(1_500), true],
      [190, ofTen(1_500), true],
      [284, ofTen(1_500), true],
      [285, ofTen(1_500), false],
    ],
  },
  {
    because: "it is full again as soon as it is",
    looks: [
      [0, ofTen(100), true],
      [5, ofTen(1_000), true],
      [185, ofTen(1_000), false],
      [190, ofTen(600), false],
      [195, ofTen(511), true],
    ],
  },
  {
    because: "a larger volume is the remedy, and somebody waits for it",
    looks: [
      [0, ofTen(0), true],
      [5, diskOf(20_480, 10_240), false],
    ],
  },
  {
    because: "a volume that grew by too little is full until it has room, then no longer",
    looks: [
      [0, ofTen(0), true],
      [5, diskOf(10_340, 100), true],
      [10, diskOf(10_340, 700), true],
      [15, diskOf(10_340, 1_000), false],
    ],
  },
  {
    because: "a volume that grew earlier than it became full is as any other",
    looks: [
      [0, ofTen(5_000), false],
      [5, diskOf(20_480, 15_240), false],
      [10, diskOf(20_480, 0), true],
      [15, diskOf(20_480, 15_240), true],
      [195, diskOf(20_480, 15_240), false],
    ],
  },
];

describe("a volume is full, or has room again", () => {
  let verdicts: readonly (readonly boolean[])[];
  let pauses: readonly number[];
  beforeAll(async () => {
    ({ verdicts, pauses } = await judged(cases.map(({ looks }) => looks.map(([seconds, disk]) => [seconds, disk]))));
  });

  test.for(cases.map(({ because, looks }, at) => ({ because, looks, at })))("$because", ({ looks, at }) => {
    expect(verdicts[at]).toEqual(looks.map(([, , full]) => full));
  });

  test("what cannot be told is tried again after pauses of 5 s to 5 min", () => {
    expect(pauses).toEqual([0, 5, 10, 20, 40, 80, 160, 300, 300, 300]);
  });
});

const full = { disk: ofTen(100) };
const roomy = { disk: ofTen(5_000) };
const grown = { disk: diskOf(20_480, 10_340) };

describe("what the watch sees is told to the API server", () => {
  let authority: string;
  let tls: { key: string; cert: string };
  beforeAll(async () => {
    ({ authority, tls } = await certificates());
  });

  const ok: Respond = (_, response) => respondJson(response, 200, {});
  const portOf = ({ url }: StubServer): number => Number(new URL(url).port);
  const wordIn = ({ body }: Received): unknown => JSON.parse(body).metadata.annotations[annotations.disk];
  const words = ({ received }: StubServer): unknown[] => received.map(wordIn);
  /** Until it has looked some times more: so often it could have done what it must not do. */
  async function moreLooks(program: PodProgram): Promise<void> {
    const { looks } = program;
    await expect.poll(() => program.looks, { timeout: 20_000 }).toBeGreaterThan(looks + 10);
  }
  const told = (server: StubServer, expected: readonly unknown[]): Promise<void> =>
    expect.poll(() => words(server), { timeout: 20_000 }).toEqual(expected);

  test("once at the start and at each change, as the Pod's own account with the token of that time", async () => {
    await using server = await startStubServer(ok, tls);
    await using program = await startPodProgram({ port: portOf(server), authority, state: roomy });
    await told(server, [null]);
    expect(server.received[0]).toMatchObject({
      method: "PATCH",
      url: "/api/v1/namespaces/shop/pods/orders-1-0",
      headers: { authorization: "Bearer first", "content-type": "application/merge-patch+json" },
    });
    await program.write("token", "second\n");
    await program.see(full);
    await told(server, [null, "full"]);
    expect(server.received[1]?.headers.authorization).toBe("Bearer second");
    await program.see(grown);
    await told(server, [null, "full", null]);
    await moreLooks(program);
    expect(server.received).toHaveLength(3);
    const volume = "/var/lib/postgresql/data";
    expect(program.said).toEqual([`${volume} is full`, `${volume} has room again`]);
  });

  test("not to a server that somebody else vouches for", async () => {
    const other = await certificates();
    await using server = await startStubServer(ok, other.tls);
    await using program = await startPodProgram({ port: portOf(server), authority });
    await expect.poll(() => program.said.join("\n"), { timeout: 20_000 }).toContain("CERTIFICATE_VERIFY_FAILED");
    expect(server.received).toEqual([]);
  });

  test("after a refusal again and again, which is said once and is no cause of a failure", async () => {
    let status = 403;
    await using server = await startStubServer((_, response) => respondJson(response, status, { reason: "No" }), tls);
    await using program = await startPodProgram({ port: portOf(server), authority });
    await expect.poll(() => server.received.length, { timeout: 20_000 }).toBeGreaterThan(3);
    status = 200;
    await program.see(full);
    await expect.poll(() => words(server).at(-1), { timeout: 20_000 }).toBe("full");
    const [refused, ...rest] = program.said;
    expect(refused).toMatch(/^The room on .* could not be told: OSError\(.*HTTP 403: .*reason.*No.*\)$/);
    expect(rest).toEqual(["/var/lib/postgresql/data is full"]);
    expect(lastWords(program.said.join("\n"))).toBeUndefined();
  });

  test("after a refusal that does not end, which is said again after an hour, here at once", async () => {
    await using server = await startStubServer((_, response) => respondJson(response, 403, {}), tls);
    await using program = await startPodProgram({ port: portOf(server), authority, changed: { REPEAT_SECONDS: 0 } });
    await expect.poll(() => program.said.length, { timeout: 20_000 }).toBeGreaterThan(1);
    expect(new Set(program.said).size).toBe(1);
  });

  test("after a refusal not before the pause is over, but at once where there is news", async () => {
    let status = 403;
    await using server = await startStubServer((_, response) => respondJson(response, status, {}), tls);
    const changed = { PAUSE_SECONDS: 3_600, PAUSE_SECONDS_AT_MOST: 3_600 };
    await using program = await startPodProgram({ port: portOf(server), authority, changed });
    await told(server, [null]);
    await moreLooks(program);
    expect(server.received).toHaveLength(1);
    status = 200;
    await program.see(full);
    await told(server, [null, "full"]);
  });

  test("taken back, where nobody knows whether it was written", async () => {
    const lost: Respond = (request, response) => respondJson(response, wordIn(request) === "full" ? 504 : 200, {});
    await using server = await startStubServer(lost, tls);
    const changed = { PAUSE_SECONDS: 3_600, PAUSE_SECONDS_AT_MOST: 3_600 };
    await using program = await startPodProgram({ port: portOf(server), authority, changed });
    await told(server, [null]);
    await program.see(full);
    await told(server, [null, "full"]);
    await program.see(grown);
    await told(server, [null, "full", null]);
  });

  test.for<{ readonly how: string; readonly respond: Respond }>([
    { how: "does not answer", respond: () => undefined },
    {
      how: "never ends its answer's head",
      respond: (_, response) => {
        response.socket?.write("HTTP/1.1 200 OK\r\n");
        const timer = setInterval(() => response.socket?.write("X-More: to come\r\n"), 50);
        response.once("close", () => clearInterval(timer));
      },
    },
  ])("when the server, which $how, has come to itself", async ({ respond }) => {
    let hangs = true;
    await using server = await startStubServer((request, response) => (hangs ? respond : ok)(request, response), tls);
    const changed = { ANSWER_SECONDS: 1 };
    await using program = await startPodProgram({ port: portOf(server), authority, changed, state: full });
    await expect.poll(() => program.said.at(-1), { timeout: 20_000 }).toContain("not done within 1 s");
    hangs = false;
    const before = server.received.length;
    await expect.poll(() => words(server).slice(before), { timeout: 20_000 }).toContain("full");
  });

  test("at the next news, where a connection is taken and nothing is ever said on it", async () => {
    let connections = 0;
    const mute = createServer((socket) => {
      connections += 1;
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    const { port } = mute.address() as AddressInfo;
    try {
      const changed = { ANSWER_SECONDS: 1, PAUSE_SECONDS: 3_600, PAUSE_SECONDS_AT_MOST: 3_600 };
      await using program = await startPodProgram({ port, authority, changed });
      await expect.poll(() => program.said.at(-1), { timeout: 20_000 }).toContain("not done within 1 s");
      await program.see(full);
      await expect.poll(() => connections, { timeout: 20_000 }).toBe(2);
    } finally {
      mute.close();
    }
  });

  test.for([
    { what: "a volume that cannot be read", failing: { ...full, errno: EIO }, word: `looked at: [Errno ${EIO}]` },
    {
      what: "a node without room for a process",
      failing: { ...full, forkErrno: EAGAIN },
      word: `told: [Errno ${EAGAIN}]`,
    },
  ])("after $what as before, and that is said once", async ({ failing, word }) => {
    await using server = await startStubServer(ok, tls);
    await using program = await startPodProgram({ port: portOf(server), authority, state: roomy });
    await told(server, [null]);
    await program.see(failing);
    await expect.poll(() => program.said.at(-1), { timeout: 20_000 }).toContain(word);
    await moreLooks(program);
    await program.see(full);
    await told(server, [null, "full"]);
    expect(program.said.filter((line) => line.includes("could not be"))).toHaveLength(1);
    expect(lastWords(program.said.join("\n"))).toBeUndefined();
  });

  test("as long as Patroni runs, whose arguments are its own: a SIGTERM ends both", async () => {
    await using server = await startStubServer(ok, tls);
    await using program = await startPodProgram({ port: portOf(server), authority });
    await told(server, [null]);
    await expect.poll(() => program.patroni, { timeout: 20_000 }).toBe("patroni patroni.yml");
    await moreLooks(program);
    await program.stop();
    expect(program.said).toEqual([]);
  });
});

test("outside of Kubernetes there is Patroni alone", async () => {
  await using program = await startPodProgram({});
  await expect.poll(() => program.patroni, { timeout: 20_000 }).toBe("patroni patroni.yml");
  await program.stop();
  expect(program.looks).toBe(0);
});
