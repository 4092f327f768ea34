// Pods as the kubelet of Kubernetes 1.36 with containerd writes them.
import { describe, expect, test } from "vitest";
import { containerTrouble } from "../../../src/database/troubles/container-troubles.ts";
import type { Pod } from "../../../src/runtime/index.ts";

type Status = NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number];
type Ended = NonNullable<NonNullable<Status["state"]>["terminated"]>;

const at = (second: number): string => `2026-11-21T10:00:${String(second).padStart(2, "0")}Z`;
const image = "registry.example/pg:17";

const ended = (exitCode: number, more: Partial<Ended> = {}): Ended => ({
  exitCode,
  reason: "Error",
  finishedAt: at(10),
  ...more,
});
const waits = (reason: string, message?: string) => ({
  waiting: { reason, ...(message === undefined ? {} : { message }) },
});
const running = { running: { startedAt: at(20) } };

function pod(status: Partial<Status>, more: { limit?: string; unreadySince?: number } = {}): Pod {
  const resources = more.limit === undefined ? {} : { resources: { limits: { memory: more.limit } } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "orders-1-0", namespace: "shop" },
    spec: { containers: [{ name: "postgres", image, ...resources }] },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "False", lastTransitionTime: at(more.unreadySince ?? 10) }],
      containerStatuses: [{ name: "postgres", image, imageID: "", ready: false, restartCount: 0, ...status }],
    },
  };
}

const unresolved = "failed to pull and unpack image: dial tcp: lookup registry.example on 10.96.0.10:53: no such host";
const noPatroni =
  'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "patroni": executable file not found in $PATH';
const killedAtStart =
  "OCI runtime create failed: runc create failed: container init was OOM-killed (memory limit too low?)";
const startError = ended(128, { reason: "StartError", message: noPatroni });

describe("a container that does not run", () => {
  test.each([
    {
      because: "the registry does not answer",
      pod: pod({ state: waits("ErrImagePull", unresolved) }),
      trouble: { reason: "ImageUnavailable", detail: `image ${image} cannot be had: ${unresolved}` },
    },
    {
      because: "the next try is waited for, and says the same",
      pod: pod({ state: waits("ImagePullBackOff", `Back-off pulling image "${image}": ErrImagePull: ${unresolved}`) }),
      trouble: { reason: "ImageUnavailable", detail: `image ${image} cannot be had: ${unresolved}` },
    },
    {
      because: "an older kubelet does not say why",
      pod: pod({ state: waits("ImagePullBackOff", `Back-off pulling image "${image}"`) }),
      trouble: { reason: "ImageUnavailable", detail: `image ${image} cannot be had: it cannot be pulled` },
    },
    {
      because: "each try has another port",
      pod: pod({ state: waits("ErrImagePull", "read udp 10.0.0.5:39846->10.96.0.10:53: i/o timeout") }),
      trouble: {
        reason: "ImageUnavailable",
        detail: `image ${image} cannot be had: read udp 10.0.0.5->10.96.0.10:53: i/o timeout`,
      },
    },
    {
      because: "no image can be called that",
      pod: pod({ state: waits("InvalidImageName", "couldn't parse image name") }),
      trouble: { reason: "ImageUnavailable", detail: `image ${image} cannot be had: couldn't parse image name` },
    },
    {
      because: "a stock PostgreSQL has no Patroni",
      pod: pod({ state: waits("RunContainerError", noPatroni) }),
      trouble: {
        reason: "ImageUnsuitable",
        detail: `image ${image} lacks what images/postgres holds: exec: "patroni": executable file not found in $PATH`,
      },
    },
    {
      because: "Patroni alone does not do",
      pod: pod({ state: waits("RunContainerError", noPatroni.replace("patroni", "tini")) }),
      trouble: {
        reason: "ImageUnsuitable",
        detail: `image ${image} lacks what images/postgres holds: exec: "tini": executable file not found in $PATH`,
      },
    },
    {
      because: "the same as without Patroni, a moment later",
      pod: pod({
        restartCount: 3,
        state: waits("CrashLoopBackOff", "back-off 40s restarting failed container"),
        lastState: { terminated: startError },
      }),
      trouble: {
        reason: "ImageUnsuitable",
        detail: `image ${image} lacks what images/postgres holds: exec: "patroni": executable file not found in $PATH`,
      },
    },
    {
      because: "the same, in the words of CRI-O",
      pod: pod({
        state: waits(
          "CreateContainerError",
          "container create failed: executable file `patroni` not found in $PATH: No such file or directory",
        ),
      }),
      trouble: {
        reason: "ImageUnsuitable",
        detail: `image ${image} lacks what images/postgres holds: executable file \`patroni\` not found in $PATH: No such file or directory`,
      },
    },
    {
      because: "a program of another architecture says so in the log",
      pod: pod({
        restartCount: 1,
        state: waits("CrashLoopBackOff"),
        lastState: { terminated: ended(255, { message: "exec /usr/bin/patroni: exec format error\n" }) },
      }),
      trouble: {
        reason: "ImageUnsuitable",
        detail: `image ${image} is made for another architecture than the node's: exec format error`,
      },
    },
    {
      because: "a shell that did not find it",
      pod: pod({ restartCount: 1, state: waits("CrashLoopBackOff"), lastState: { terminated: ended(127) } }),
      trouble: { reason: "ImageUnsuitable", detail: `image ${image} cannot run tini or Patroni: exit code 127` },
    },
    {
      because: "its Secret has lost a key",
      pod: pod({
        state: waits("CreateContainerConfigError", "couldn't find key rest-password in Secret shop/orders-internal"),
      }),
      trouble: {
        reason: "ContainerNotStarting",
        detail: "CreateContainerConfigError: couldn't find key rest-password in Secret shop/orders-internal",
      },
    },
    {
      because: "the memory limit is too small while it runs",
      pod: pod(
        {
          restartCount: 2,
          state: waits("CrashLoopBackOff"),
          lastState: { terminated: ended(137, { reason: "OOMKilled" }) },
        },
        { limit: "16Mi" },
      ),
      trouble: { reason: "CrashLooping", detail: "it ends again and again: OOMKilled at the memory limit of 16Mi" },
    },
    {
      because: "the memory limit is too small even to start",
      pod: pod(
        {
          restartCount: 2,
          state: waits("CrashLoopBackOff"),
          lastState: { terminated: ended(128, { reason: "StartError", message: killedAtStart }) },
        },
        { limit: "2Mi" },
      ),
      trouble: {
        reason: "CrashLooping",
        detail: `it ends again and again: OOMKilled at the memory limit of 2Mi: ${killedAtStart}`,
      },
    },
    {
      because: "a signal has a number above 128",
      pod: pod({ restartCount: 2, state: waits("CrashLoopBackOff"), lastState: { terminated: ended(139) } }),
      trouble: { reason: "CrashLooping", detail: "it ends again and again: killed by signal 11" },
    },
    {
      because: "the end of its log says why",
      pod: pod({
        restartCount: 2,
        state: waits("CrashLoopBackOff"),
        lastState: {
          terminated: ended(1, {
            message:
              "2026-11-21 10:00:03,1 CRITICAL: system ID mismatch, node orders-1-0 belongs to a different cluster\n",
          }),
        },
      }),
      trouble: {
        reason: "CrashLooping",
        detail:
          "it ends again and again: exit code 1: CRITICAL: system ID mismatch, node orders-1-0 belongs to a different cluster",
      },
    },
  ])("$trouble.reason: $because", ({ pod: given, trouble }) => {
    expect(containerTrouble(given)).toEqual(trouble);
  });
});

describe("a loop", () => {
  const last = { terminated: ended(1) };
  const looping = { reason: "CrashLooping", detail: "it ends again and again: exit code 1" };
  test.each([
    {
      because: "waits for its next turn",
      pod: pod({ restartCount: 1, state: waits("CrashLoopBackOff"), lastState: last }),
      trouble: looping,
    },
    {
      because: "runs, until it ends again",
      pod: pod({ restartCount: 2, state: running, lastState: last }),
      trouble: looping,
    },
    {
      because: "has just ended",
      pod: pod({ restartCount: 2, state: { terminated: ended(1) }, lastState: last }),
      trouble: looping,
    },
    {
      because: "one restart is an accident",
      pod: pod({ restartCount: 1, state: running, lastState: last }),
      trouble: undefined,
    },
    { because: "a first end is an accident", pod: pod({ state: { terminated: ended(1) } }), trouble: undefined },
    {
      because: "it was ready since it started: what is wrong now is something else",
      pod: pod({ restartCount: 7, state: running, lastState: last }, { unreadySince: 45 }),
      trouble: undefined,
    },
  ])("$because", ({ pod: given, trouble }) => {
    expect(containerTrouble(given)).toEqual(trouble);
  });
});

test.each([
  { because: "the node prepares it", status: { state: waits("ContainerCreating") } },
  { because: "it runs", status: { state: running } },
  { because: "nothing is said of it yet", status: {} },
  { because: "another container is meant", status: { name: "sidecar", state: waits("ImagePullBackOff") } },
])("nothing is wrong: $because", ({ status }) => {
  expect(containerTrouble(pod(status))).toBeUndefined();
});
