import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PortError } from "../../src/database/outside/port-error.ts";
import { createPatroniRest, patroniRest } from "../../src/external/patroni-rest.ts";
import { startPatroniStub, type PatroniStub } from "../support/patroni-stub.ts";

const { signal } = new AbortController();
let patroni: PatroniStub;
beforeEach(async () => {
  patroni = await startPatroniStub();
});
afterEach(() => patroni.stop());

describe("status", () => {
  test("tells what the member says of itself", async () => {
    expect(await patroniRest.status(patroni.address, signal)).toEqual({
      name: "orders-1-0",
      state: "running",
      role: "primary",
      timeline: 1,
      pendingRestart: false,
      streaming: false,
      version: "4.0.7",
    });
  });

  test("knows the words of older versions, a pending restart, and a member whose PostgreSQL is down", async () => {
    patroni.state.status = { state: "stopped", role: "master", pending_restart: true, patroni: { version: "3.3.0" } };
    expect(await patroniRest.status(patroni.address, signal)).toEqual({
      name: "",
      state: "stopped",
      role: "primary",
      timeline: undefined,
      pendingRestart: true,
      streaming: false,
      version: "3.3.0",
    });
  });
});

describe("the dynamic configuration", () => {
  test("is merged by a patch, null removes, and the answer is what is kept then", async () => {
    patroni.state.configuration = { ttl: 20, pause: true, postgresql: { parameters: { work_mem: "4MB", jit: "off" } } };
    const patch = { ttl: 30, pause: null, postgresql: { parameters: { jit: null, work_mem: "16MB" } } };
    const expected = { ttl: 30, postgresql: { parameters: { work_mem: "16MB" } } };
    expect(await patroniRest.configure(patroni.address, patch, signal)).toEqual(expected);
    expect(patroni.state.configuration).toEqual(expected);
  });

  test("is not written by an empty patch", async () => {
    expect(await patroniRest.configure(patroni.address, {}, signal)).toEqual(patroni.state.configuration);
    expect(patroni.state.writes).toBe(0);
  });

  test("is not written by a patch that says what is there", async () => {
    await patroniRest.configure(patroni.address, { ttl: 20 }, signal);
    expect(patroni.state.writes).toBe(0);
  });

  test("is read as it is kept, not as the member's last HA loop saw it", async () => {
    await patroniRest.configuration(patroni.address, signal);
    patroni.state.configuration = { ttl: 3_600 };
    expect(await patroniRest.configuration(patroni.address, signal)).toEqual({ ttl: 3_600 });
  });
});

describe("restart, switchover and reinitialize", () => {
  const members = { leader: "orders-1-0", candidate: "orders-2-0" };

  test("ask for what Patroni does, and say that it is done", async () => {
    expect(await patroniRest.restart(patroni.address, signal)).toBe("done");
    expect(await patroniRest.switchover(patroni.address, members, signal)).toBe("done");
    expect(await patroniRest.reinitialize(patroni.address, signal)).toBe("done");
    expect(patroni.state.orders).toEqual([
      { order: "POST /restart", body: { restart_pending: true } },
      { order: "POST /switchover", body: members },
      { order: "POST /reinitialize", body: {} },
    ]);
  });

  test.each([
    { answer: [503, "restart conditions are not satisfied"], expected: { reason: "PatroniRefused", code: "503" } },
    { answer: [412, "candidate does\n not exists"], expected: { reason: "PatroniRefused", code: "412" } },
    { answer: [500, ""], expected: { reason: "PatroniRefused", code: "500" } },
  ] as const)("say with Patroni's words why it does not: $answer", async ({ answer, expected }) => {
    patroni.state.nextOrderAnswer = answer;
    const error: unknown = await patroniRest.switchover(patroni.address, members, signal).catch((it: unknown) => it);
    expect(error).toMatchObject(expected);
    const said = answer[1].replace("\n", "") || "no reason given";
    expect((error as Error).message).toContain(`POST /switchover: HTTP ${answer[0]}: ${said}`);
  });

  test("a reinitialization that runs is under way, anything else that does is a refusal", async () => {
    patroni.state.nextOrderAnswer = [503, "reinitialize already in progress"];
    expect(await patroniRest.reinitialize(patroni.address, signal)).toBe("underWay");
    await expect(patroniRest.restart(patroni.address, signal)).rejects.toMatchObject({ reason: "PatroniRefused" });
    patroni.state.nextOrderAnswer = [503, "running pg_rewind from orders-1-0 already in progress"];
    await expect(patroniRest.reinitialize(patroni.address, signal)).rejects.toMatchObject({ reason: "PatroniRefused" });
  });

  test("are under way when Patroni has taken them and does not answer in time", async () => {
    patroni.state.swallow = () => true;
    const impatient = createPatroniRest({ answerTimeoutMs: 60_000, actTimeoutMs: 10 });
    expect(await impatient.restart(patroni.address, signal)).toBe("underWay");
    expect(await impatient.switchover(patroni.address, members, signal)).toBe("underWay");
  });

  test("fail when nobody listens", async () => {
    await patroni.stop();
    await expect(patroniRest.restart(patroni.address, signal)).rejects.toMatchObject({
      reason: "Unreachable",
      code: "ECONNREFUSED",
    });
  });
});

describe("failures", () => {
  const wrong = "canary-wrong-password";
  test.each<{ what: string; arrange: () => void; call: () => Promise<unknown>; expected: object }>([
    {
      what: "the password is wrong",
      arrange: () => {},
      call: () => patroniRest.configure({ ...patroni.address, password: wrong }, { ttl: 5 }, signal),
      expected: { reason: "CredentialsRefused", code: "401" },
    },
    {
      what: "the password for a restart is wrong",
      arrange: () => {},
      call: () => patroniRest.restart({ ...patroni.address, password: wrong }, signal),
      expected: { reason: "CredentialsRefused", code: "401" },
    },
    {
      what: "the cluster has no configuration yet",
      arrange: () => {
        patroni.state.configuration = undefined;
      },
      call: () => patroniRest.configuration({ ...patroni.address, password: wrong }, signal),
      expected: { reason: "Unreachable", code: "502" },
    },
    {
      what: "another patch came between",
      arrange: () => {
        patroni.state.nextPatchStatus = 409;
      },
      call: () => patroniRest.configure(patroni.address, { ttl: 5 }, signal),
      expected: { reason: "Unreachable", code: "409" },
    },
    {
      what: "Patroni refuses the patch",
      arrange: () => {
        patroni.state.nextPatchStatus = 400;
      },
      call: () => patroniRest.configure(patroni.address, { ttl: 5 }, signal),
      expected: { reason: "ProvisioningRefused", code: "400" },
    },
    {
      what: "the answer is not JSON",
      arrange: () => {
        patroni.state.swallow = (_request, response) => Boolean(response.end("<html>"));
      },
      call: () => patroniRest.status(patroni.address, signal),
      expected: { reason: "ProvisioningRefused" },
    },
    {
      what: "the answer has no end",
      arrange: () => {
        patroni.state.swallow = (_request, response) => {
          const more = (): void => {
            while (!response.destroyed && response.write("x".repeat(65_536)));
          };
          response.on("drain", more);
          more();
          return true;
        };
      },
      call: () => patroniRest.status(patroni.address, signal),
      expected: { reason: "ProvisioningRefused" },
    },
    {
      what: "the connection breaks off in the answer",
      arrange: () => {
        patroni.state.swallow = (_request, response) => {
          response.writeHead(200, { "content-length": 100 }).write("{", () => response.destroy());
          return true;
        };
      },
      call: () => patroniRest.status(patroni.address, signal),
      expected: { reason: "Unreachable" },
    },
    {
      what: "there is no answer in time",
      arrange: () => {
        patroni.state.swallow = () => true;
      },
      call: () => createPatroniRest({ answerTimeoutMs: 10, actTimeoutMs: 10 }).status(patroni.address, signal),
      expected: { reason: "Unreachable" },
    },
  ])("are told apart, and hold no password, when $what", async ({ arrange, call, expected }) => {
    arrange();
    const error: unknown = await call().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PortError);
    expect(error).toMatchObject(expected);
    const said = inspect(error, { depth: Infinity, showHidden: true });
    for (const secret of [wrong, patroni.address.password]) {
      expect(said).not.toContain(secret);
      expect(said).not.toContain(Buffer.from(`${patroni.address.user}:${secret}`).toString("base64"));
    }
  });

  test("nobody listening is unreachable", async () => {
    await patroni.stop();
    await expect(patroniRest.status(patroni.address, signal)).rejects.toMatchObject({
      reason: "Unreachable",
      code: "ECONNREFUSED",
    });
  });

  test("an abort rejects with the signal's reason, without waiting for the answer", async () => {
    const stopping = new AbortController();
    const reason = new Error("shutting down");
    patroni.state.swallow = () => {
      stopping.abort(reason);
      return true;
    };
    await expect(patroniRest.status(patroni.address, stopping.signal)).rejects.toBe(reason);
  });
});
