// PodDisruptionBudget `orders`: drains take one instance at a time. None for a single instance: it would block every drain.
import { PodDisruptionBudget, type Child } from "../../runtime/index.ts";
import { commonLabels, databaseSelector, namesOf } from "../names.ts";
import type { ResolvedDatabase } from "../resolve.ts";

export const podDisruptionBudget = {
  kind: PodDisruptionBudget,
  desired: ({ name, namespace, replicas }) =>
    replicas === 1
      ? []
      : [
          {
            apiVersion: "policy/v1",
            kind: "PodDisruptionBudget",
            metadata: { name: namesOf(name).podDisruptionBudget, namespace, labels: commonLabels(name) },
            spec: {
              // An integer: percentages and maxUnavailable need one controller with a scale for all the Pods.
              // https://kubernetes.io/docs/tasks/run-application/configure-pdb/#arbitrary-controllers-and-selectors
              minAvailable: replicas - 1,
              selector: { matchLabels: databaseSelector(name) },
              unhealthyPodEvictionPolicy: "AlwaysAllow",
            },
          },
        ],
} as const satisfies Child<ResolvedDatabase, PodDisruptionBudget>;
