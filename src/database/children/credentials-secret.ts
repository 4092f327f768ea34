// Secret `orders-credentials`: everything that an application needs to connect, in the forms that applications take.
import { Secret, type Child } from "../../runtime/index.ts";
import { commonLabels, namesOf, ports, serviceHost } from "../names.ts";
import type { ResolvedDatabase } from "../resolve.ts";

/**
 * A connection to a node that is gone hangs until TCP gives up, which takes a quarter of an hour by default. So: give up
 * connecting after 5 s, probe an idle connection after 10 s, and drop one on which nothing is acknowledged for 20 s.
 * https://www.postgresql.org/docs/17/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
const libpqOptions = {
  connect_timeout: "5",
  keepalives: "1",
  keepalives_idle: "10",
  keepalives_interval: "5",
  keepalives_count: "2",
  tcp_user_timeout: "20000",
};

/** https://jdbc.postgresql.org/documentation/use/ ; how often to probe is the operating system's there. */
const jdbcOptions = { connectTimeout: "5", tcpKeepAlive: "true" };

export const credentialsSecret = {
  kind: Secret,
  needs: ["internalSecret"],
  desired: ({ name, namespace, username, password, databaseName }) => {
    const host = serviceHost(namesOf(name).service, namespace);
    const port = String(ports.postgres);
    const user = encodeURIComponent(username);
    const secret = encodeURIComponent(password);
    const jdbc = new URLSearchParams({ user: username, password, ...jdbcOptions });
    return [
      {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: namesOf(name).credentialsSecret, namespace, labels: commonLabels(name) },
        type: "Opaque",
        data: encoded({
          username,
          password,
          host,
          port,
          dbname: databaseName,
          uri: `postgresql://${user}:${secret}@${host}:${port}/${databaseName}?${new URLSearchParams(libpqOptions).toString()}`,
          // Form encoding writes a space as "+", which a JDBC URL takes for a plus sign.
          "jdbc-uri": `jdbc:postgresql://${host}:${port}/${databaseName}?${String(jdbc).replaceAll("+", "%20")}`,
          pgpass: `${[host, port, databaseName, username, password].map(pgpassField).join(":")}\n`,
        }),
      },
    ];
  },
} as const satisfies Child<ResolvedDatabase, Secret>;

/** https://www.postgresql.org/docs/17/libpq-pgpass.html */
const pgpassField = (text: string): string => text.replaceAll(/[\\:]/g, String.raw`\$&`);

function encoded(data: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
}
