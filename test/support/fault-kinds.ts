// The faults of the matrix: from what an undisturbed run wrote, and chance that can be repeated, to a plan. Pure.
import type { FaultPlan, FrameFault, RequestFault, RequestMatch } from "../../testing/fault-plan.ts";
import { writeVerbs } from "../../testing/fault-request.ts";
import type { Random } from "./edits-random.ts";
import type { FaultPlans } from "./fault-story.ts";

export interface FaultKind {
  readonly name: string;
  readonly because: string;
  /** @param writes how many the undisturbed run made */
  readonly plans: (random: Random, writes: number) => FaultPlans;
  /** Not every story has what it is about. All others must act, or the run has shown nothing. */
  readonly mayMiss?: true;
  /** It ends the API server, which must be nobody else's. */
  readonly endsApiServer?: true;
}

/** What the operator is for: its lease and its Events are left alone. */
const work = {
  verb: writeVerbs,
  resource: ["!leases.coordination.k8s.io", "!events.events.k8s.io"],
} satisfies RequestMatch;
const lease = { verb: ["patch", "create"], resource: "leases.coordination.k8s.io" } satisfies RequestMatch;

/** Each different write meets it, the first time that it is tried. */
const everyWriteOnce = (fault: RequestFault): FaultPlans => [{ requests: [{ when: { ...work, per: "each" }, fault }] }];

/** Some write meets it. */
const oneWrite = (random: Random, writes: number, fault: RequestFault): FaultPlan => ({
  requests: [{ when: { ...work, occurrence: random.upTo(Math.max(1, writes)) }, fault }],
});

/** Each watch meets it, at one of the first things that it has to tell. */
const eachWatch = (random: Random, fault: FrameFault): FaultPlans => [
  { frames: [{ when: { per: "each", occurrence: random.upTo(3) }, fault }] },
];

/** One kind is seen late, while all others are seen as they are. */
const late = (name: string, resource: string): FaultKind => ({
  name: `late-${name}`,
  mayMiss: true,
  because: `the kinds are watched apart, so that the ${name} seen may be older than all else`,
  plans: (random) => {
    const release = random.upTo(2) === 1 ? "all" : "last";
    const when = { resource, occurrence: random.upTo(4), times: 2 };
    return [{ frames: [{ when, fault: { type: "hold", ms: 1_500 + random.upTo(1_500), release } }] }];
  },
});

export const faultKinds: readonly FaultKind[] = [
  {
    name: "409",
    because: "somebody else was faster",
    plans: () => everyWriteOnce({ type: "answer", status: 409 }),
  },
  {
    name: "429",
    because: "priority and fairness ask to wait",
    plans: () => everyWriteOnce({ type: "answer", status: 429, retryAfterSeconds: 1 }),
  },
  {
    name: "500",
    because: "the API server, or a webhook, failed",
    plans: () => everyWriteOnce({ type: "answer", status: 500 }),
  },
  {
    name: "503",
    because: "no API server is there to be asked",
    plans: () => everyWriteOnce({ type: "answer", status: 503 }),
  },
  {
    name: "504-applied",
    because: "etcd was too slow to answer, and did it",
    plans: () => everyWriteOnce({ type: "answer", status: 504, applied: true }),
  },
  {
    name: "reset",
    because: "the connection breaks before anything arrived",
    plans: () => everyWriteOnce({ type: "reset" }),
  },
  {
    name: "reset-applied",
    because: "the connection breaks before the answer arrived",
    plans: () => everyWriteOnce({ type: "reset", applied: true }),
  },
  {
    name: "storm",
    because: "for a while a third of all writes fails",
    plans: (random) => [
      {
        seed: random.upTo(1_000_000),
        requests: [{ when: { ...work, times: 40, share: 0.33 }, fault: { type: "answer", status: 503 } }],
      },
    ],
  },
  {
    name: "reads",
    because: "what is read live fails too, and watches that are opened again",
    plans: (random) => [
      {
        requests: [
          { when: { verb: ["get", "list"], per: "each" }, fault: { type: "answer", status: 500 } },
          { when: { verb: "watch", per: "each" }, fault: { type: "answer", status: 429, retryAfterSeconds: 1 } },
        ],
        frames: [{ when: { per: "each", occurrence: random.upTo(3) }, fault: { type: "cut" } }],
      },
    ],
  },
  {
    name: "status-lost",
    because: "passes fail, the answers to their status are lost, and the watch tells of it late",
    plans: () => [
      {
        requests: [
          { when: { ...work, subresource: "status", per: "each", times: 2 }, fault: { type: "reset", applied: true } },
          { when: { verb: ["get", "list"], per: "each", times: 2 }, fault: { type: "reset" } },
          { when: { ...work, per: "each" }, fault: { type: "reset" } },
        ],
        frames: [
          {
            when: { resource: "databases.holdfast.dev", occurrence: 2, times: 3 },
            fault: { type: "hold", ms: 1_500, release: "all" },
          },
        ],
      },
    ],
  },
  {
    name: "chaos",
    because: "faults do not come one by one",
    plans: (random) => [
      {
        seed: random.upTo(1_000_000),
        requests: [
          { when: { times: 60, share: 0.1 }, fault: { type: "reset" } },
          { when: { ...work, times: 60, share: 0.1 }, fault: { type: "reset", applied: true } },
          { when: { ...work, times: 60, share: 0.1 }, fault: { type: "answer", status: 409 } },
          { when: { ...work, times: 60, share: 0.1 }, fault: { type: "delayAnswer", ms: 300 } },
          {
            when: { ...work, occurrence: 1 + random.upTo(10) },
            fault: { type: "call", hook: "restart", applied: true },
          },
        ],
        frames: [
          { when: { times: 30, share: 0.1 }, fault: { type: "cut" } },
          { when: { times: 30, share: 0.1 }, fault: { type: "expire" } },
          { when: { times: 30, share: 0.1 }, fault: { type: "hold", ms: 700, release: "last" } },
          { when: { times: 30, share: 0.1 }, fault: { type: "duplicate" } },
        ],
      },
    ],
  },
  {
    name: "hang",
    because: "half-open: nothing comes back",
    plans: (random, writes) => [oneWrite(random, writes, { type: "hang" })],
  },
  {
    name: "hang-applied",
    because: "half-open: it arrived, and nothing comes back",
    plans: (random, writes) => [oneWrite(random, writes, { type: "hang", applied: true })],
  },
  {
    name: "slow",
    because: "a write arrives late, and the world has gone on",
    plans: () => everyWriteOnce({ type: "delay", ms: 200 }),
  },
  {
    name: "slow-answer",
    because: "the watch tells of a write before its answer does",
    plans: () => everyWriteOnce({ type: "delayAnswer", ms: 200 }),
  },
  {
    name: "401",
    because: "tokens are rotated, for requests and for watches that are opened anew",
    plans: (random, writes) => [
      {
        ...oneWrite(random, writes, { type: "rotateToken" }),
        frames: [{ when: { per: "each", occurrence: 2 }, fault: { type: "cut" } }],
      },
    ],
  },
  { name: "cut", because: "a watch goes on where it was cut", plans: (random) => eachWatch(random, { type: "cut" }) },
  {
    name: "partial",
    because: "half a frame is none",
    plans: (random) => eachWatch(random, { type: "cutInside", clean: random.upTo(2) === 1 }),
  },
  {
    name: "pieces",
    because: "frames are cut anywhere, also inside of a character",
    plans: (random) => [{ frames: [{ when: { times: 0 }, fault: { type: "pieces", bytes: random.upTo(40) } }] }],
  },
  {
    name: "duplicate",
    because: "what was told before is told again",
    plans: () => [{ frames: [{ when: { times: 0 }, fault: { type: "duplicate" } }] }],
  },
  {
    name: "bookmarks",
    because: "a watch that only says that it lives tells nothing",
    plans: (random) => eachWatch(random, { type: "hold", ms: 2_000, release: "all", bookmarks: true }),
  },
  {
    name: "410-frame",
    because: "the version that the watch stood at is forgotten while it runs",
    plans: (random) => eachWatch(random, { type: "expire" }),
  },
  {
    name: "410-answer",
    because: "the version to go on from is forgotten when the watch is opened anew",
    plans: (random) => [
      {
        frames: [{ when: { per: "each", occurrence: random.upTo(3) }, fault: { type: "cut" } }],
        requests: [
          { when: { verb: "watch", streamsInitial: false, per: "each" }, fault: { type: "answer", status: 410 } },
        ],
      },
    ],
  },
  {
    name: "410-continue",
    because: "a continue token expires between two pages, after a restart, where lists are not streamed",
    plans: (random, writes) => [
      {
        requests: [
          { when: { ...work, occurrence: random.upTo(Math.max(1, writes)) }, fault: { type: "call", hook: "restart" } },
          { when: { verb: "watch", streamsInitial: true, times: 0 }, fault: { type: "answer", status: 400 } },
          { when: { verb: "list", continued: true, per: "each" }, fault: { type: "answer", status: 410 } },
          { when: { verb: "list", times: 0 }, fault: { type: "pages", limit: 1 } },
        ],
      },
    ],
  },
  {
    name: "outage",
    because: "for a while nothing gets through",
    plans: (random) => [
      {
        // By request, not all together: a watch alone would wait ever longer until it has used the whole outage up.
        requests: [{ when: { per: "each", times: 3 }, fault: { type: "reset" } }],
        frames: [{ when: { per: "each", occurrence: random.upTo(2) }, fault: { type: "cut" } }],
      },
    ],
  },
  {
    name: "half-open",
    because: "watches go silent and are then reset: what they did not tell is asked for again",
    plans: (random) => eachWatch(random, { type: "hold", ms: 2_000, release: "cut" }),
  },
  {
    name: "late",
    because: "all that is seen is old",
    plans: (random) => eachWatch(random, { type: "hold", ms: 1_000 + random.upTo(1_500), release: "all" }),
  },
  {
    name: "coalesced",
    because: "of what happened meanwhile only the end is seen: a deletion and a namesake as one change",
    plans: (random) => eachWatch(random, { type: "hold", ms: 1_000 + random.upTo(2_000), release: "last" }),
  },
  {
    name: "skipped",
    because: "what happened meanwhile is not told, but listed anew",
    plans: (random) => eachWatch(random, { type: "hold", ms: 1_000 + random.upTo(1_000), release: "expire" }),
  },
  {
    name: "folded",
    mayMiss: true,
    because: "whatever is deleted and made again within two seconds is seen as one change with another uid",
    plans: () => [
      { frames: [{ when: { type: "DELETED", per: "each" }, fault: { type: "hold", ms: 2_000, release: "last" } }] },
    ],
  },
  late("databases", "databases.holdfast.dev"),
  late("pods", "pods"),
  late("statefulsets", "statefulsets.apps"),
  late("volumes", "persistentvolumeclaims"),
  late("leaders", "endpoints"),
  late("secrets", "secrets"),
  {
    name: "restart",
    because: "killed when it has written something, and before the answer",
    plans: (random, writes) => [oneWrite(random, writes, { type: "call", hook: "restart", applied: true })],
  },
  {
    name: "restart-late",
    because: "killed; what starts then sees nothing new for a while after its first look",
    plans: (random, writes) => [
      {
        ...oneWrite(random, writes, { type: "call", hook: "restart", applied: random.upTo(2) === 1 }),
        frames: [
          {
            when: { per: "connection", occurrence: random.upTo(2), times: 1 },
            fault: { type: "hold", ms: 2_500, release: "last" },
          },
        ],
      },
    ],
  },
  {
    name: "takeover-late",
    because: "the leader dies, and the one that takes over sees what was a while ago",
    plans: (random, writes) => [
      oneWrite(random, writes, { type: "call", hook: "die", applied: true }),
      {
        frames: [
          {
            when: { per: "connection" },
            fault: { type: "hold", ms: 7_000, release: random.upTo(2) === 1 ? "all" : "last" },
          },
        ],
      },
    ],
  },
  {
    name: "lease-late",
    mayMiss: true,
    because:
      "the leader's renewals arrive after its deadline, when another one may lead and much is still to be written",
    plans: (random) => [
      {
        requests: [
          { when: { ...lease, occurrence: random.upTo(2), times: 4 }, fault: { type: "delay", ms: 5_000, late: true } },
          { when: { ...work, times: 0 }, fault: { type: "delay", ms: 300 + random.upTo(700) } },
        ],
      },
      {},
    ],
  },
  {
    name: "api-server",
    because: "it is killed in the middle of a write, and started again",
    endsApiServer: true,
    plans: (random, writes) => [
      oneWrite(random, writes, { type: "call", hook: "restartApiServer", applied: random.upTo(2) === 1 }),
    ],
  },
];
