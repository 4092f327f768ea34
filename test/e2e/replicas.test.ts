// Story: a replica whose data are of no use any more is told, and filled anew from the primary without anybody's hand; its volume, the
// primary and the data stay. Prints how long both took.
import { afterAll, test } from "vitest";
import { application, apply, createNamespace, eventually, kubectl, readAll, untilReady } from "../support/kubectl.ts";
import { orders, uidsOf, untilNotReady } from "../support/story.ts";
import { timed } from "../support/timed.ts";

type InPod = (pod: string, ...command: string[]) => Promise<string>;
/** Each statement in a transaction of its own. */
const asSuperuser =
  (inPod: InPod) =>
  (pod: string, ...statements: string[]): Promise<string> =>
    inPod(pod, "psql", "-XAtq", "-d", "postgres", ...statements.flatMap((statement) => ["-c", statement]));

const ways: readonly {
  readonly namespace: string;
  readonly because: string;
  readonly ruin: (inPod: InPod, replica: string, primary: string) => Promise<unknown>;
  readonly says: RegExp;
}[] = [
  {
    namespace: "e2e-replica-behind",
    because: "the primary has removed WAL that it needs",
    ruin: async (inPod, replica, primary) => {
      const superuser = asSuperuser(inPod);
      const [receiver, lsn] = (
        await superuser(replica, "select pid || ' ' || written_lsn from pg_stat_wal_receiver")
      ).split(" ");
      const segment = await superuser(primary, `select pg_walfile_name('${lsn}')`);
      await inPod(replica, "sh", "-c", `kill -STOP ${receiver}`);
      const slot = `slot_name = '${replica.replaceAll("-", "_")}'`;
      const advance = ["create table if not exists t (); drop table t", "select pg_switch_wal()", "checkpoint"];
      // Patroni makes the slot again within seconds, but then it holds only what there is.
      await eventually("the WAL is gone", async () => {
        await superuser(primary, `select pg_terminate_backend(active_pid) from pg_replication_slots where ${slot}`);
        const drop = `select pg_drop_replication_slot(slot_name) from pg_replication_slots where ${slot} and not active`;
        await superuser(primary, "select pg_sleep(0.2)", drop, ...advance, ...advance, ...advance, ...advance);
        return (await superuser(primary, `select count(*) from pg_ls_waldir() where name = '${segment}'`)) === "0";
      });
      await inPod(replica, "sh", "-c", `kill -CONT ${receiver}`);
    },
    says: /requested WAL segment \w+ has already been removed/,
  },
  {
    namespace: "e2e-replica-cut-off",
    because: "a copy that was cut off with its Pod has no control file, the last that is copied",
    ruin: (inPod, replica) =>
      inPod(
        replica,
        "sh",
        "-c",
        "rm /var/lib/postgresql/data/pgdata/global/pg_control && kill -9 $(cat /proc/1/task/1/children)",
      ),
    says: /system ID is invalid/,
  },
];

afterAll(() =>
  kubectl("delete", "namespace", ...ways.map(({ namespace }) => namespace), "--wait=false", "--ignore-not-found"),
);

// Side by side: most of the time it is waited whether what the logs say lasts.
test.concurrent.for(ways)("$because: the replica is filled anew", async ({ namespace, ruin, says }, { expect }) => {
  const inPod: InPod = (pod, ...command) => kubectl("exec", "-n", namespace, pod, "-c", "postgres", "--", ...command);
  await createNamespace(namespace);
  // The primary keeps no more WAL than it must: of less Patroni makes 128MB.
  await apply(orders(namespace, { replicas: 2, parameters: { wal_keep_size: "16MB" } }));
  const primary = (await untilReady(namespace, "orders"))["status"].primary as string;
  const volumes = uidsOf(await readAll(namespace, "pvc"));
  const pods = uidsOf(await readAll(namespace, "pods", "holdfast.dev/database=orders"));
  const replica = Object.keys(pods).find((pod) => pod !== primary) ?? "";
  const app = await application(namespace, "orders");
  await app.sql("create table item (id int primary key)");

  await ruin(inPod, replica, primary);
  const told = await timed(() => untilNotReady(namespace, "ReplicaUnusable"));
  expect(told.value.message).toContain(replica);
  expect(told.value.message).toMatch(says);
  console.log(`ReplicaUnusable said ${told.seconds} s after its data were ruined: ${told.value.message}`);
  await app.sql("insert into item select count(*) from item");
  const { value, seconds } = await timed(() => untilReady(namespace, "orders"));
  console.log(`  mended by itself: Ready after ${seconds} s more`);

  expect(value["status"].primary).toBe(primary);
  expect(uidsOf(await readAll(namespace, "pvc"))).toEqual(volumes);
  expect(uidsOf(await readAll(namespace, "pods", "holdfast.dev/database=orders"))).toEqual(pods);
  const count = await app.sql("select count(*) from item");
  await eventually(
    "the same rows",
    async () => (await app.sql("select count(*) from item", { read: true }).catch(() => "")) === count,
  );
});
