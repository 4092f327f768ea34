// What is done with a Database, as a user would, and waited for: told with and without something going wrong in it.
import { Database, type DatabaseSpec } from "../../src/database/api.ts";
import { annotations, managedByHoldfast } from "../../src/database/names.ts";
import { PersistentVolumeClaim, Pod, Secret, StatefulSet } from "../../src/runtime/index.ts";
import { conditionOf, volumeUids } from "./observations.ts";
import { eventually as eventuallyWithin, type Scenario } from "./scenario.ts";
import { deleteInUse } from "./volume-losses.ts";

export interface Story {
  /** Short: part of a namespace's name. */
  readonly name: string;
  readonly sentence: string;
  /** What there is before anything is counted. */
  readonly begin?: Part;
  /** What is done, as a user would, and waited for. */
  readonly act: Part;
  /**
   * What must be the same in each run: all that there is, and what came and went on the way; or, where it depends on how far
   * the operator had come when the user thought better of it, the world in the form in which edits are compared.
   */
  readonly compares?: "all" | "world";
}

type Part = (scenario: Scenario) => Promise<void>;

/** What all requests meet in turn takes a minute by itself, and the machine may be busy. A run that ends well never waits so long. */
export const storyPatienceMs = 240_000;
const eventually = <T>(what: string, question: () => Promise<T | undefined>): Promise<T> =>
  eventuallyWithin(what, question, storyPatienceMs);
const ready = async (scenario: Scenario): Promise<void> => void (await scenario.ready("orders", storyPatienceMs));

/** It is declared so, and becomes so. */
const reaches =
  (spec: Partial<DatabaseSpec>): Part =>
  async (scenario) => {
    await scenario.apply(spec);
    await ready(scenario);
  };

/** It is deleted, and gone. */
const goes: Part = async (scenario) => {
  await scenario.remove();
  await eventually("the Database is gone", async () => ((await scenario.database()) === undefined ? true : undefined));
};

/** What crash points disturb. Orders-1 leads from the start. */
export const stories: readonly Story[] = [
  {
    name: "create-one",
    sentence: "one instance is created",
    act: reaches({ replicas: 1 }),
  },
  {
    name: "create-three",
    sentence: "three instances are created",
    act: reaches({ replicas: 3 }),
  },
  {
    name: "scale",
    sentence: "three instances become one, whose volumes are not kept",
    begin: reaches({ replicas: 3, deletionPolicy: "Delete" }),
    act: reaches({ replicas: 1, deletionPolicy: "Delete" }),
  },
  {
    name: "delete-retain",
    sentence: "two instances are deleted and their volumes kept",
    begin: reaches({ replicas: 2, deletionPolicy: "Retain" }),
    act: goes,
  },
  {
    name: "delete-delete",
    sentence: "three instances are deleted with their volumes",
    begin: reaches({ replicas: 3, deletionPolicy: "Delete" }),
    act: goes,
  },
  {
    name: "recreate",
    sentence: "two instances are deleted, and a Database of the same name takes up their volumes",
    begin: reaches({ replicas: 2, deletionPolicy: "Retain" }),
    act: async (scenario) => {
      await goes(scenario);
      await reaches({ replicas: 2, deletionPolicy: "Retain" })(scenario);
    },
  },
  {
    name: "roll",
    sentence: "two instances get other resources, the primary last",
    begin: reaches({ replicas: 2 }),
    act: reaches({ replicas: 2, resources: { requests: { memory: "256Mi" } } }),
  },
  {
    name: "replace",
    sentence: "somebody deletes the primary's volume, which is left by a switchover and filled again",
    begin: reaches({ replicas: 2 }),
    act: async (scenario) => {
      const before = await volumeUids(scenario);
      await deleteInUse(scenario, "orders-1");
      await eventually("another volume of that name", async () => {
        const uid = (await volumeUids(scenario))["orders-1"];
        return uid !== undefined && uid !== before["orders-1"] ? true : undefined;
      });
      await ready(scenario);
    },
  },
  {
    name: "edit",
    sentence: "parameters, resources and size are edited at once",
    begin: reaches({ replicas: 1 }),
    act: async (scenario) => {
      await scenario.apply({
        replicas: 1,
        storage: { size: "2Gi" },
        parameters: { work_mem: "16MB" },
        resources: { requests: { memory: "256Mi" } },
      });
      await eventually("the edit is seen", async () => {
        const { metadata, status } = (await scenario.database()) ?? {};
        return status?.observedGeneration === metadata?.generation ? true : undefined;
      });
    },
  },
];

const missing = "registry.example/no-such:17";

/** Writes the Secret that the spec of `rotate` refers to. */
async function givePassword({ admin, namespace }: Scenario, password: string): Promise<void> {
  const metadata = { name: "mine", namespace, labels: managedByHoldfast };
  const secret = { apiVersion: "v1", kind: "Secret", metadata, stringData: { password } } as const;
  await admin.apply(Secret, secret, { fieldManager: "user" });
}

/** What faults disturb: all of that, and what a user thinks better of. */
export const faultStories: readonly Story[] = [
  ...stories,
  {
    name: "up-and-down",
    sentence: "one instance becomes three, and one again as soon as there are three",
    begin: reaches({ replicas: 1, deletionPolicy: "Delete" }),
    act: async (scenario) => {
      const { admin, namespace } = scenario;
      await scenario.apply({ replicas: 3, deletionPolicy: "Delete" });
      await eventually("there is a third instance", () => admin.get(StatefulSet, { namespace, name: "orders-3" }));
      await scenario.apply({ replicas: 1, deletionPolicy: "Delete" });
      await ready(scenario);
    },
    compares: "world",
  },
  {
    name: "down-and-up",
    sentence: "three instances become one, and three again as soon as one of them is retired",
    begin: reaches({ replicas: 3, deletionPolicy: "Delete" }),
    act: async (scenario) => {
      const { admin, namespace } = scenario;
      await scenario.apply({ replicas: 1, deletionPolicy: "Delete" });
      await eventually("one is retired", async () => {
        const { items } = await admin.list(PersistentVolumeClaim, { namespace });
        const isStaying = items.filter(({ metadata }) => metadata.annotations?.[annotations.retired] === undefined);
        return isStaying.length < 3 ? true : undefined;
      });
      await scenario.apply({ replicas: 3, deletionPolicy: "Delete" });
      await ready(scenario);
    },
    compares: "world",
  },
  {
    name: "grow",
    sentence: "the volumes of two instances grow, twice",
    begin: reaches({ replicas: 2, storage: { size: "1Gi" } }),
    act: async (scenario) => {
      await scenario.apply({ replicas: 2, storage: { size: "2Gi" } });
      await scenario.apply({ replicas: 2, storage: { size: "3Gi" } });
      await ready(scenario);
      await eventually("they have grown", async () =>
        (await scenario.database())?.status?.volumeSize === "3Gi" ? true : undefined,
      );
    },
  },
  {
    name: "bad-image",
    sentence: "two instances get an image that there is not, and then one that there is",
    begin: async (scenario) => {
      scenario.standIn.missImages((image) => image === missing);
      await scenario.apply({ replicas: 2 });
      await ready(scenario);
    },
    act: async (scenario) => {
      const { admin, namespace } = scenario;
      await scenario.apply({ replicas: 2, image: missing });
      await eventually("one of them waits for it", async () => {
        const { items } = await admin.list(Pod, { namespace });
        const waits = ({ status }: Pod): boolean =>
          status?.containerStatuses?.[0]?.state?.waiting?.reason === "ErrImagePull";
        return items.some(waits) ? true : undefined;
      });
      await scenario.apply({ replicas: 2, image: "registry.example/pg:17-2" });
      await ready(scenario);
    },
  },
  {
    name: "rotate",
    sentence: "the application's password is rotated twice",
    begin: async (scenario) => {
      await givePassword(scenario, "first");
      await scenario.apply({ replicas: 1, passwordSecretRef: { name: "mine", key: "password" } });
      await ready(scenario);
    },
    act: async (scenario) => {
      for (const password of ["second", "third"]) await givePassword(scenario, password);
      await eventually("the last one is in force", async () => {
        const { roles } = scenario.postgres.cluster(`${scenario.namespace}/orders`);
        return roles.get("orders")?.password === "third" ? true : undefined;
      });
      await ready(scenario);
    },
  },
  {
    name: "pause",
    sentence: "it is edited while it is paused, and goes on",
    begin: reaches({ replicas: 1 }),
    act: async (scenario) => {
      await scenario.apply({ replicas: 1, paused: true });
      await eventually("it is paused", async () =>
        conditionOf(await scenario.database(), "Ready")?.reason === "Paused" ? true : undefined,
      );
      await scenario.apply({ replicas: 2, paused: true });
      await scenario.apply({ replicas: 2, paused: false });
      await ready(scenario);
    },
  },
  {
    name: "recreate-at-once",
    sentence: "it is deleted with its volumes, and made again under its name the moment that it is gone",
    begin: reaches({ replicas: 2, deletionPolicy: "Delete" }),
    act: async (scenario) => {
      const { admin, namespace } = scenario;
      const before = (await scenario.database())?.metadata.uid;
      await scenario.remove();
      await eventually("there is room for the next", async () => {
        const metadata = { name: "orders", namespace };
        const spec = { replicas: 1, storage: { size: "1Gi" } };
        const next = { apiVersion: "holdfast.dev/v1alpha1", kind: "Database", metadata, spec } as const;
        const made = await admin.create(Database, next, { fieldManager: "user" });
        return made.metadata.uid === before ? undefined : true;
      });
      await ready(scenario);
    },
  },
];
