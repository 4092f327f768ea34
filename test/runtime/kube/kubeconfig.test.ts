import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { kubeconfigConnection } from "../../../src/runtime/kube/kubeconfig.ts";
import { VirtualClock } from "../../../testing/virtual-clock.ts";

let directory: string;
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const text = (value: unknown): string => String(value);

beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), "holdfast-test-"))));
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Writes a kubeconfig (JSON is YAML) with one cluster and this user, and answers its path. */
async function kubeconfig(user: object, cluster: object = {}): Promise<string> {
  const path = join(directory, "config");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "c", cluster: { server: "https://api:6443", "certificate-authority-data": base64("CA"), ...cluster } },
    ],
    users: [{ name: "u", user }],
    contexts: [
      { name: "first", context: { cluster: "c", user: "u" } },
      { name: "shop", context: { cluster: "c", user: "u", namespace: "shop" } },
    ],
    "current-context": "first",
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

test("the current context is taken, or the one that is named", async () => {
  const path = await kubeconfig({ token: "t" });
  expect(await kubeconfigConnection({ path })).toMatchObject({ server: "https://api:6443", namespace: "default" });
  expect(await kubeconfigConnection({ path, context: "shop" })).toMatchObject({ namespace: "shop" });
  await expect(kubeconfigConnection({ path, context: "none" })).rejects.toThrow(
    'there is no context "none"; it has "first", "shop"',
  );
  await expect(kubeconfigConnection({ path: join(directory, "absent") })).rejects.toThrow("ENOENT");
});

test("certificates, a token and the server's name become what a request needs", async () => {
  const path = await kubeconfig(
    { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY"), token: "t", as: "jane" },
    { "tls-server-name": "kubernetes" },
  );
  const access = await (await kubeconfigConnection({ path })).access();
  expect(access.headers).toEqual({ Authorization: "Bearer t", "Impersonate-User": "jane" });
  expect([access.ca, access.cert, access.key].map(text)).toEqual(["CA", "CERT", "KEY"]);
  expect(access).toMatchObject({ servername: "kubernetes", rejectUnauthorized: undefined });
  expect(access.agent).toBeUndefined();
});

test("files that it names stand beside it, and are read again after a while", async () => {
  const clock = new VirtualClock();
  for (const name of ["ca", "cert", "key", "token"]) await writeFile(join(directory, name), `${name}\n`);
  const user = { "client-certificate": "cert", "client-key": join(directory, "key"), tokenFile: "token", token: "old" };
  const cluster = { "certificate-authority-data": undefined, "certificate-authority": "ca" };
  const connection = await kubeconfigConnection({ path: await kubeconfig(user, cluster), clock });
  const access = await connection.access();
  expect(access.headers).toEqual({ Authorization: "Bearer token" });
  expect([access.ca, access.cert, access.key].map(text)).toEqual(["ca\n", "cert\n", "key\n"]);

  await writeFile(join(directory, "token"), "next");
  expect(await connection.access()).toBe(access);
  clock.stall(10_000);
  expect((await connection.access()).headers).toEqual({ Authorization: "Bearer next" });
});

test("a name and a password, in YAML with what other programs note beside", async () => {
  const path = join(directory, "config");
  const yaml = [
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    '- {name: c, cluster: {server: "https://api:6443", extensions: [{name: info, extension: {version: v1}}]}}',
    "contexts:",
    "- {name: here, context: {cluster: c, user: u, namespace: shop}}",
    "current-context: here",
    "preferences: {}",
    "users:",
    "- name: u",
    "  user: {username: jane, password: doe}",
  ];
  await writeFile(path, yaml.join("\n"));
  const connection = await kubeconfigConnection({ path });
  expect(connection).toMatchObject({ server: "https://api:6443", namespace: "shop" });
  expect((await connection.access()).headers).toEqual({ Authorization: `Basic ${base64("jane:doe")}` });
});

/** A kubeconfig of one's own making. */
async function written(content: string): Promise<string> {
  const path = join(directory, "written");
  await writeFile(path, content);
  return path;
}
const yamlOf = (user: string, cluster = "server: https://api:6443"): string =>
  `{clusters: [{name: c, cluster: {${cluster}}}], users: [{name: u, user: {${user}}}],
    contexts: [{name: here, context: {cluster: c, user: u}}, {name: there, context: {cluster: c, user: u}}], current-context: here}`;

test("YAML in flow style begins as JSON does", async () => {
  const connection = await kubeconfigConnection({ path: await written(yamlOf("token: t")) });
  expect((await connection.access()).headers).toEqual({ Authorization: "Bearer t" });
});

test("a context that names no user has no credentials", async () => {
  const yaml = `{clusters: [{name: c, cluster: {server: "https://api"}}], contexts: [{name: x, context: {cluster: c}}]}`;
  const connection = await kubeconfigConnection({ path: await written(yaml), context: "x" });
  expect((await connection.access()).headers).toEqual({});
});

test.each([
  { content: yamlOf("token: 12345"), says: /the user "u": "token" must be text/, because: "it would be anonymous" },
  { content: yamlOf("token: t, as: 7"), says: /"as" must be text/, because: "it would be more than was asked for" },
  { content: yamlOf("exec: {}, as: 7"), says: /"as" must be text/, because: "that holds for plugins too" },
  { content: yamlOf("", "server: 7"), says: /the cluster "c": "server" must be text/, because: "it is no URL" },
  {
    content: yamlOf("", 'server: "https://a", insecure-skip-tls-verify: "true"'),
    says: /"insecure-skip-tls-verify" must be true or false/,
    because: "a guess decides about security",
  },
  { content: yamlOf("", ""), says: /the cluster "c": it has no server/, because: "there is nowhere to go" },
  { content: "", says: /cannot be parsed: .*empty/, because: "it is just being written" },
  { content: "token: &", says: /cannot be parsed: .* in line 1/, because: "it is no YAML" },
  { content: '{"users": [', says: /cannot be parsed/, because: "half of it is missing" },
  { content: "contexts", says: /is empty, or something else/, because: "it is a word" },
  { content: "contexts: 7", says: /"contexts" must be a list/, because: "it is no list" },
  { content: "contexts: [here]", says: /"contexts" must be a list of names/, because: "there is nothing in it" },
  { content: "contexts: [{name: x, context: y}]", says: /the context "x" must be a mapping/, because: "it is a word" },
  { content: "current-context: 7", says: /"current-context" must be text/, because: "names are texts" },
  { content: "clusters: []", says: /no current context.* it has no contexts at all/, because: "it ends too early" },
  { content: "{current-context: here}", says: /no context "here"; it has no contexts/, because: "it ends too early" },
  {
    content: "contexts: [{name: here, context: {cluster: c}}, {name: there}]",
    says: /no current context.* "here", "there"/,
    because: "kubectl config unset current-context",
  },
  {
    content: "{current-context: x, contexts: [{name: x, context: {cluster: c}}]}",
    says: /the context "x": there is no cluster "c"/,
    because: "it was deleted",
  },
  {
    content: "{current-context: x, contexts: [{name: x}]}",
    says: /the context "x": it names no cluster/,
    because: "kubectl config set-context needs none",
  },
])("$content is refused: $because", async ({ content, says }) => {
  const path = await written(content);
  const error = await kubeconfigConnection({ path }).catch((refusal: Error) => refusal);
  expect(error).toMatchObject({ message: expect.stringMatching(says) });
  expect(error).toMatchObject({ message: expect.stringContaining(path) });
});

test("what is broken is told without what is written there, which may be a credential", async () => {
  for (const content of [yamlOf("token: 12345"), "token: 12345\n  as: [", '{"token": "12345"']) {
    const error = await kubeconfigConnection({ path: await written(content) }).catch((refusal: Error) => refusal);
    expect(inspect(error)).toContain("kubeconfig");
    expect(inspect(error)).not.toContain("12345");
  }
});

test("plain HTTP needs nothing", async () => {
  const path = await kubeconfig({}, { server: "http://127.0.0.1:8001" });
  expect(await (await kubeconfigConnection({ path })).access()).toEqual({ headers: {} });
});

test("a certificate that is not checked is what the kubeconfig asks for only", async () => {
  const path = await kubeconfig(
    { token: "t" },
    { "insecure-skip-tls-verify": true, "certificate-authority-data": undefined },
  );
  expect(await (await kubeconfigConnection({ path })).access()).toMatchObject({
    rejectUnauthorized: false,
    ca: undefined,
  });
});

test("a proxy comes with its own way to connect", async () => {
  const path = await kubeconfig({ token: "t" }, { "proxy-url": "http://proxy:3128" });
  expect((await (await kubeconfigConnection({ path })).access()).agent).toBeDefined();
});

test("an exec plugin is run once, and again after a refusal", async () => {
  const count = join(directory, "count");
  const script = `echo x >> ${count}; n=$(wc -l < ${count}); echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"t$n\\"}}"`;
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "sh",
    args: ["-c", script],
    interactiveMode: "Never",
  };
  const clock = new VirtualClock();
  const connection = await kubeconfigConnection({ path: await kubeconfig({ exec }), clock });

  const [one, other] = await Promise.all([connection.access(), connection.access()]);
  expect(other).toBe(one);
  expect(one.headers).toEqual({ Authorization: "Bearer t1" });
  clock.stall(60_000);
  expect((await connection.access()).headers).toEqual({ Authorization: "Bearer t1" });
  expect((await connection.access({ refresh: true })).headers).toEqual({ Authorization: "Bearer t2" });
  expect((await readFile(count, "utf8")).trim().split("\n")).toHaveLength(2);
});

test("a file that is written anew is read after a refusal", async () => {
  const connection = await kubeconfigConnection({ path: await kubeconfig({ token: "old" }) });
  await connection.access();
  await kubeconfig({ token: "new" });
  expect((await connection.access()).headers).toEqual({ Authorization: "Bearer old" });
  expect((await connection.access({ refresh: true })).headers).toEqual({ Authorization: "Bearer new" });
});

const twoClusters = (current: string, prod = "https://prod"): string =>
  JSON.stringify({
    clusters: [
      { name: "dev", cluster: { server: "https://dev/" } },
      { name: "prod", cluster: { server: prod } },
    ],
    users: [
      { name: "dev", user: { token: "dev" } },
      { name: "prod", user: { token: "prod" } },
    ],
    contexts: ["dev", "prod"].map((name) => ({ name, context: { cluster: name, user: name } })),
    "current-context": current,
  });

test("the token of another context is never sent: kubectl config use-context does not move a connection", async () => {
  const path = await written(twoClusters("dev"));
  const connection = await kubeconfigConnection({ path });
  await written(twoClusters("prod"));
  expect(connection.server).toBe("https://dev");
  expect((await connection.access({ refresh: true })).headers).toEqual({ Authorization: "Bearer dev" });
});

test("nor does it to several files, which client-node reads", async () => {
  const [path, other] = [await written(twoClusters("dev")), join(directory, "other")];
  await writeFile(other, JSON.stringify({ "current-context": "prod" }));
  const connection = await kubeconfigConnection({ path: [path, other] });
  await written(twoClusters("prod"));
  expect(connection.server).toBe("https://dev");
  expect((await connection.access({ refresh: true })).headers).toEqual({ Authorization: "Bearer dev" });
});

test("a context that has moved to another server is refused", async () => {
  const path = await written(twoClusters("prod"));
  const connection = await kubeconfigConnection({ path });
  await connection.access();
  await written(twoClusters("prod", "https://elsewhere"));
  await expect(connection.access({ refresh: true })).rejects.toThrow(
    "was at https://prod and is at https://elsewhere now",
  );
  await written(twoClusters("prod"));
  expect((await connection.access({ refresh: true })).headers).toEqual({ Authorization: "Bearer prod" });
});

test("a refusal does not join a look that began before it", async () => {
  const [begun, go] = [join(directory, "begun"), join(directory, "go")];
  // The first run waits until it is told to go on.
  const script = `if [ -e ${begun} ]; then t=new; else echo > ${begun}; while [ ! -e ${go} ]; do sleep 0.02; done; t=old; fi
    echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"$t\\"}}"`;
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "sh", args: ["-c", script] };
  const connection = await kubeconfigConnection({
    path: await kubeconfig({ exec: { ...exec, interactiveMode: "Never" } }),
  });
  const plain = connection.access();
  await expect.poll(() => existsSync(begun), { timeout: 10_000 }).toBe(true);
  const [refreshed, joined] = [connection.access({ refresh: true }), connection.access({ refresh: true })];
  await writeFile(go, "");
  expect((await plain).headers).toEqual({ Authorization: "Bearer old" });
  expect((await refreshed).headers).toEqual({ Authorization: "Bearer new" });
  expect(await joined).toBe(await refreshed);
  expect(await connection.access()).toBe(await refreshed);
});
