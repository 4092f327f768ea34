// Story: volumes grow, are lost and rebuilt, fill up, and are taken up again by a new Database of the same name.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  application,
  apply,
  createNamespace,
  eventually,
  kubectl,
  read,
  readAll,
  untilReady,
} from "../support/kubectl.ts";
import { conditionOf, orders, uidsOf, untilNotReady } from "../support/story.ts";
import { timed } from "../support/timed.ts";

const namespace = "e2e-volumes";
const full = "e2e-full";
const filling = "e2e-filling";

let canGrow = false;
beforeAll(async () => {
  const classes = (JSON.parse(await kubectl("get", "storageclass", "-o", "json")) as { items: Record<string, any>[] })
    .items;
  const byDefault = classes.find(
    ({ metadata }) => metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true",
  );
  canGrow = byDefault?.["allowVolumeExpansion"] === true;
  await createNamespace(namespace);
});
afterAll(() => kubectl("delete", "namespace", namespace, full, filling, "--wait=false", "--ignore-not-found"));

const primaryOf = async (): Promise<string> => (await untilReady(namespace, "orders"))["status"].primary as string;
const instanceOf = (pod: string): string => pod.replace(/-0$/, "");
const rows = async (): Promise<string> => (await application(namespace, "orders")).sql("select count(*) from item");
/** Of the file system in which the data are, as the Pod sees it. */
const mebibytes = async (inNamespace: string, pod: string, what: "size" | "avail"): Promise<number> => {
  const command = ["df", `--output=${what}`, "-BM", "/var/lib/postgresql/data"];
  const text = await kubectl("exec", "-n", inNamespace, pod, "-c", "postgres", "--", ...command);
  return Number(/(\d+)M\s*$/.exec(text)?.[1]);
};
const gibibytes = async (inNamespace: string, pod: string): Promise<number> =>
  (await mebibytes(inNamespace, pod, "size")) / 1024;

test("a larger size makes every volume grow while it is used; a class that cannot is told", async () => {
  await apply(orders(namespace, { replicas: 3, deletionPolicy: "Retain" }));
  await untilReady(namespace, "orders");
  const app = await application(namespace, "orders");
  await app.sql("create table item (id int primary key); insert into item select generate_series(1, 100)");
  const before = uidsOf(await readAll(namespace, "pods", "holdfast.dev/database=orders"));

  const { seconds } = await timed(async () => {
    await apply(orders(namespace, { replicas: 3, deletionPolicy: "Retain", storage: { size: "2Gi" } }));
    if (canGrow) await untilReady(namespace, "orders");
    else await untilNotReady(namespace, "VolumeNotExpandable");
  });
  console.log(
    canGrow ? `three volumes grew in ${seconds} s` : `the class cannot grow volumes: said after ${seconds} s`,
  );
  if (canGrow) {
    for (const name of Object.keys(before)) expect(await gibibytes(namespace, name)).toBeGreaterThan(1.5);
  } else {
    await apply(orders(namespace, { replicas: 3, deletionPolicy: "Retain" }));
    await untilReady(namespace, "orders");
  }
  expect(uidsOf(await readAll(namespace, "pods", "holdfast.dev/database=orders"))).toEqual(before);
});

/** From the deletion of a volume until another one bears its name and the Database is Ready. */
async function secondsToRebuild(volume: string): Promise<string> {
  const uidOf = async () => (await read(namespace, "pvc", volume))?.["metadata"].uid as string | undefined;
  const before = await uidOf();
  const { seconds } = await timed(async () => {
    await kubectl("delete", "pvc", volume, "-n", namespace, "--wait=false");
    await eventually("another volume of that name", async () => ![undefined, before].includes(await uidOf()));
    await untilReady(namespace, "orders");
  });
  return seconds;
}

test("the volume of a replica that somebody deletes is made anew and filled from the primary", async () => {
  const primary = await primaryOf();
  const volumes = await readAll(namespace, "pvc");
  const replica = volumes
    .map(({ metadata }) => metadata["name"] as string)
    .find((name) => name !== instanceOf(primary));
  console.log(`a replica's volume was rebuilt in ${await secondsToRebuild(replica ?? "")} s`);
  expect(await primaryOf()).toBe(primary);
  expect(await rows()).toBe("100");
});

test("the volume of the primary that somebody deletes is left after a switchover, and nothing is lost", async () => {
  const primary = await primaryOf();
  console.log(`the primary's volume was rebuilt in ${await secondsToRebuild(instanceOf(primary))} s`);
  expect(await primaryOf()).not.toBe(primary);
  expect(await rows()).toBe("100");
});

test.for(["background", "foreground"])(
  "three instances deleted in the %s with Retain are taken up again, the last primary first",
  async (cascade) => {
    const primary = await primaryOf();
    const volumes = uidsOf(await readAll(namespace, "pvc"));
    await kubectl("delete", "database", "orders", "-n", namespace, `--cascade=${cascade}`, "--timeout=180s");
    expect(uidsOf(await readAll(namespace, "pvc"))).toEqual(volumes);
    const size = canGrow ? "2Gi" : "1Gi";
    await apply(orders(namespace, { replicas: 3, deletionPolicy: "Retain", storage: { size } }));
    const { value, seconds } = await timed(() => untilReady(namespace, "orders"));
    console.log(`three retained volumes were taken up in ${seconds} s`);
    // In the foreground the garbage collector stops the instances in any order: the last to lead may be another one.
    if (cascade === "background") expect(value["status"].primary).toBe(primary);
    expect(uidsOf(await readAll(namespace, "pvc"))).toEqual(volumes);
    expect(await rows()).toBe("100");
  },
);

test("a full disk is named, and a larger volume brings the Database back with all its data", async ({ skip }) => {
  skip(!canGrow, "the default StorageClass cannot grow volumes");
  await createNamespace(full);
  await apply(orders(full));
  await untilReady(full, "orders");
  // Filling it would fill the node.
  skip((await gibibytes(full, "orders-1-0")) > 2, "volumes are folders of the node");
  const app = await application(full, "orders");
  await app.sql("create table item (id int primary key); insert into item values (1)");
  // What fills it is no table: PostgreSQL survives a failed transaction, but not a WAL that it cannot write.
  const inPod = (...command: string[]) => kubectl("exec", "-n", full, "orders-1-0", "-c", "postgres", "--", ...command);
  const switchWal = [
    "psql",
    "-XAtq",
    "-d",
    "postgres",
    "-c",
    "create table if not exists t (); drop table t",
    "-c",
    "select pg_switch_wal()",
  ];
  const told = await timed(async () => {
    await inPod("dd", "if=/dev/zero", "of=/var/lib/postgresql/data/filler", "bs=1M").catch(() => undefined);
    await eventually("PostgreSQL stops", () =>
      inPod(...switchWal).then(
        () => false,
        () => true,
      ),
    );
    return untilNotReady(full, "DiskFull");
  });
  console.log(`DiskFull said ${told.seconds} s after the disk was filled: ${told.value.message}`);
  const { seconds } = await timed(async () => {
    await apply(orders(full, { storage: { size: "4Gi" } }));
    await untilReady(full, "orders");
  });
  console.log(`  mended: Ready after ${seconds} s`);
  expect(await (await application(full, "orders")).sql("select count(*) from item")).toBe("1");
});

test("a disk that tables fill while PostgreSQL runs is named before writes fail, and growing it is all that it takes", async ({
  skip,
}) => {
  skip(!canGrow, "the default StorageClass cannot grow volumes");
  await createNamespace(filling);
  await apply(orders(filling, { replicas: 2 }));
  const primary = (await untilReady(filling, "orders"))["status"].primary as string;
  // Filling it would fill the node.
  skip((await gibibytes(filling, primary)) > 2, "volumes are folders of the node");
  const pods = async () => uidsOf(await readAll(filling, "pods", "holdfast.dev/database=orders"));
  const before = await pods();
  const app = await application(filling, "orders");
  await app.sql("create table line (number int, words text)");
  // Rows of 2 kB, which are not compressed; as much again is WAL. In small steps at the end: a PostgreSQL that cannot write WAL stops.
  const grow = (rows: number) =>
    app.sql(`insert into line select n, repeat(md5(n::text), 60) from generate_series(1, ${rows}) n`);
  let room = await mebibytes(filling, primary, "avail");
  for (; room > 45; room = await mebibytes(filling, primary, "avail")) await grow(room > 200 ? 10_000 : 2_000);
  const told = await timed(() => untilNotReady(filling, "DiskFull"));
  console.log(`DiskFull said ${told.seconds} s after ${room} MiB were left: ${told.value.message}`);
  expect(told.value.message).toContain(primary);
  const degraded = await conditionOf(filling, "Degraded");
  expect([degraded?.status, degraded?.reason]).toEqual(["True", "DiskFull"]);
  const rows = await app.sql("select count(*) from line");

  const { value, seconds } = await timed(async () => {
    await apply(orders(filling, { replicas: 2, storage: { size: "2Gi" } }));
    return untilReady(filling, "orders");
  });
  console.log(`  mended: Ready after ${seconds} s`);
  expect(value["status"].primary).toBe(primary);
  expect(await pods()).toEqual(before);
  expect(await app.sql("select count(*) from line")).toBe(rows);
});

test("a namespace that is deleted under its Database goes, with everything in it", async () => {
  await kubectl("delete", "namespace", namespace, "--timeout=180s");
  expect(await kubectl("get", "namespace", namespace, "--ignore-not-found")).toBe("");
});
