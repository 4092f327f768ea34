// Secret `orders-internal`: the generated passwords. Written once and kept with the volumes, which cannot be opened without it.
import { Secret, type Child } from "../../runtime/index.ts";
import { commonLabels, internalKeys, namesOf } from "../names.ts";
import type { ResolvedDatabase } from "../resolve.ts";

export const internalSecret = {
  kind: Secret,
  mode: "createOnce",
  prune: "never",
  ownership: "annotation",
  desired: ({ name, namespace, credentials }) => [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: namesOf(name).internalSecret, namespace, labels: commonLabels(name) },
      type: "Opaque",
      data: {
        [internalKeys.application]: base64(credentials.application),
        [internalKeys.superuser]: base64(credentials.superuser),
        [internalKeys.replication]: base64(credentials.replication),
        [internalKeys.rewind]: base64(credentials.rewind),
        [internalKeys.rest]: base64(credentials.rest),
      },
    },
  ],
} as const satisfies Child<ResolvedDatabase, Secret>;

const base64 = (text: string): string => Buffer.from(text).toString("base64");
