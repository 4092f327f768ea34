// Generated from crds/databases.holdfast.dev.yaml by hack/generate.ts: do not edit.

/**
 * What the database should be.
 */
export interface DatabaseSpec {
  /**
   * PostgreSQL's major version. The operator's catalogue says which image that is. The choice is then kept: a newer operator alone restarts no PostgreSQL. It cannot be changed yet.
   */
  version?: string;
  /**
   * Image of the instances, in place of the catalogue's. It must hold what Holdfast's own image holds: PostgreSQL of spec.version, Patroni, tini, and the user "postgres" with the same uid.
   */
  image?: string;
  /**
   * Number of instances, the primary included.
   */
  replicas?: number;
  /**
   * Name of the database that is created. The name of the resource if not given. Immutable.
   */
  databaseName?: string;
  /**
   * Name of the role that owns the database and that applications log in as. The name of the resource if not given. Immutable.
   */
  username?: string;
  /**
   * Where the application's password is taken from; generated if not given. Changes are followed at once if the Secret carries the label app.kubernetes.io/managed-by=holdfast, otherwise within minutes.
   */
  passwordSecretRef?: {
    /**
     * Name of a Secret in the namespace of the Database.
     */
    name: string;
    /**
     * Key in the data of the Secret.
     */
    key?: string;
  };
  /**
   * The volume that each instance has.
   */
  storage: {
    /**
     * Size of each volume, for example 10Gi. It may grow, never shrink: it can be set back only to what the volumes have, status.volumeSize.
     */
    size: string;
    /**
     * StorageClass of the volumes; the cluster's default class if not given. A change concerns only volumes that are made after it.
     */
    storageClass?: string;
  };
  /**
   * Compute resources of each instance, as in a container of a Pod.
   */
  resources?: {
    /**
     * What each instance is sure to get.
     */
    requests?: {
      [k: string]: number | string;
    };
    /**
     * What each instance gets at most.
     */
    limits?: {
      [k: string]: number | string;
    };
  };
  /**
   * Settings of postgresql.conf: names in lower case, values as strings, numbers or booleans. What Holdfast or Patroni decides is refused by name.
   */
  parameters?: {
    [k: string]: unknown;
  };
  /**
   * On which nodes the instances may run.
   */
  placement?: {
    /**
     * How strictly instances are kept on nodes of their own. Required leaves an instance unscheduled when there is no free node.
     */
    spread?: "Preferred" | "Required";
    /**
     * Labels that a node must have.
     */
    nodeSelector?: {
      [k: string]: string;
    };
    /**
     * Taints of nodes that are put up with.
     */
    tolerations?: {
      /**
       * The taint's key; all keys if empty.
       */
      key?: string;
      /**
       * How the key relates to the value.
       */
      operator?: "Exists" | "Equal" | "Lt" | "Gt";
      /**
       * The taint's value.
       */
      value?: string;
      /**
       * The taint's effect; all effects if empty.
       */
      effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
      /**
       * How long NoExecute is put up with.
       */
      tolerationSeconds?: number;
    }[];
    /**
     * Affinity as in a Pod, beside the spread over nodes.
     */
    affinity?: {
      /**
       * Nodes to prefer or to require.
       */
      nodeAffinity?: {
        /**
         * One of these terms must match the node.
         */
        requiredDuringSchedulingIgnoredDuringExecution?: {
          /**
           * Terms of which one must match.
           *
           * Items: A term, all of whose parts must match.
           */
          nodeSelectorTerms: {
            /**
             * Requirements that must all be met.
             */
            matchExpressions?: {
              /**
               * What is compared.
               */
              key: string;
              /**
               * How it is compared.
               */
              operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
              /**
               * With what it is compared.
               */
              values?: string[];
            }[];
            /**
             * Requirements that must all be met.
             */
            matchFields?: {
              /**
               * What is compared.
               */
              key: string;
              /**
               * How it is compared.
               */
              operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
              /**
               * With what it is compared.
               */
              values?: string[];
            }[];
          }[];
        };
        /**
         * Terms that make a node better.
         */
        preferredDuringSchedulingIgnoredDuringExecution?: {
          /**
           * How much the term counts.
           */
          weight: number;
          /**
           * A term, all of whose parts must match.
           */
          preference: {
            /**
             * Requirements that must all be met.
             */
            matchExpressions?: {
              /**
               * What is compared.
               */
              key: string;
              /**
               * How it is compared.
               */
              operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
              /**
               * With what it is compared.
               */
              values?: string[];
            }[];
            /**
             * Requirements that must all be met.
             */
            matchFields?: {
              /**
               * What is compared.
               */
              key: string;
              /**
               * How it is compared.
               */
              operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
              /**
               * With what it is compared.
               */
              values?: string[];
            }[];
          };
        }[];
      };
      /**
       * Pods of this namespace to be near to, or far from.
       */
      podAffinity?: {
        /**
         * Terms that must all be met.
         *
         * Items: Which Pods, and what "near" means.
         */
        requiredDuringSchedulingIgnoredDuringExecution?: {
          /**
           * Label of nodes that says which are near to each other.
           */
          topologyKey: string;
          /**
           * Which Pods.
           */
          labelSelector?: {
            /**
             * Labels that a Pod must have.
             */
            matchLabels?: {
              [k: string]: string;
            };
            /**
             * Requirements that must all be met.
             */
            matchExpressions?: {
              /**
               * The label.
               */
              key: string;
              /**
               * How it is compared.
               */
              operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
              /**
               * With what it is compared.
               */
              values?: string[];
            }[];
          };
        }[];
        /**
         * Terms that make a node better.
         */
        preferredDuringSchedulingIgnoredDuringExecution?: {
          /**
           * How much the term counts.
           */
          weight: number;
          /**
           * Which Pods, and what "near" means.
           */
          podAffinityTerm: {
            /**
             * Label of nodes that says which are near to each other.
             */
            topologyKey: string;
            /**
             * Which Pods.
             */
            labelSelector?: {
              /**
               * Labels that a Pod must have.
               */
              matchLabels?: {
                [k: string]: string;
              };
              /**
               * Requirements that must all be met.
               */
              matchExpressions?: {
                /**
                 * The label.
                 */
                key: string;
                /**
                 * How it is compared.
                 */
                operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
                /**
                 * With what it is compared.
                 */
                values?: string[];
              }[];
            };
          };
        }[];
      };
      /**
       * Pods of this namespace to be near to, or far from.
       */
      podAntiAffinity?: {
        /**
         * Terms that must all be met.
         *
         * Items: Which Pods, and what "near" means.
         */
        requiredDuringSchedulingIgnoredDuringExecution?: {
          /**
           * Label of nodes that says which are near to each other.
           */
          topologyKey: string;
          /**
           * Which Pods.
           */
          labelSelector?: {
            /**
             * Labels that a Pod must have.
             */
            matchLabels?: {
              [k: string]: string;
            };
            /**
             * Requirements that must all be met.
             */
            matchExpressions?: {
              /**
               * The label.
               */
              key: string;
              /**
               * How it is compared.
               */
              operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
              /**
               * With what it is compared.
               */
              values?: string[];
            }[];
          };
        }[];
        /**
         * Terms that make a node better.
         */
        preferredDuringSchedulingIgnoredDuringExecution?: {
          /**
           * How much the term counts.
           */
          weight: number;
          /**
           * Which Pods, and what "near" means.
           */
          podAffinityTerm: {
            /**
             * Label of nodes that says which are near to each other.
             */
            topologyKey: string;
            /**
             * Which Pods.
             */
            labelSelector?: {
              /**
               * Labels that a Pod must have.
               */
              matchLabels?: {
                [k: string]: string;
              };
              /**
               * Requirements that must all be met.
               */
              matchExpressions?: {
                /**
                 * The label.
                 */
                key: string;
                /**
                 * How it is compared.
                 */
                operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
                /**
                 * With what it is compared.
                 */
                values?: string[];
              }[];
            };
          };
        }[];
      };
    };
    /**
     * How instances spread over zones or other domains, as in a Pod.
     */
    topologySpreadConstraints?: {
      /**
       * By how much domains may differ.
       */
      maxSkew: number;
      /**
       * Least number of domains.
       */
      minDomains?: number;
      /**
       * Label of nodes that says which domain they are in.
       */
      topologyKey: string;
      /**
       * What to do when it cannot be had.
       */
      whenUnsatisfiable: "DoNotSchedule" | "ScheduleAnyway";
      /**
       * Which Pods are counted; the instances of this Database if not given.
       */
      labelSelector?: {
        /**
         * Labels that a Pod must have.
         */
        matchLabels?: {
          [k: string]: string;
        };
        /**
         * Requirements that must all be met.
         */
        matchExpressions?: {
          /**
           * The label.
           */
          key: string;
          /**
           * How it is compared.
           */
          operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
          /**
           * With what it is compared.
           */
          values?: string[];
        }[];
      };
      /**
       * Whether nodes that the affinity rules out are counted.
       */
      nodeAffinityPolicy?: "Honor" | "Ignore";
      /**
       * Whether nodes with taints are counted.
       */
      nodeTaintsPolicy?: "Honor" | "Ignore";
    }[];
  };
  /**
   * What becomes of the volumes when an instance or the Database goes. Retain keeps them: a new Database of the same name takes them up. Delete removes them.
   */
  deletionPolicy?: "Retain" | "Delete";
  /**
   * Leave everything as it is. Deletion still works.
   */
  paused?: boolean;
}

/**
 * What the database is. Nothing in here changes by itself.
 */
export interface DatabaseStatus {
  /**
   * The generation of the resource that this status is about.
   */
  observedGeneration?: number;
  /**
   * A summary for people; programs look at the conditions.
   */
  phase?: "Pending" | "Creating" | "Ready" | "Updating" | "Degraded" | "Failed" | "Paused" | "Deleting";
  /**
   * Whether everything is as declared.
   */
  ready?: boolean;
  /**
   * Number of instances that exist.
   */
  replicas?: number;
  /**
   * Number of instances in service, the primary and the replicas that stream from it.
   */
  readyReplicas?: number;
  /**
   * Instances in service and instances declared, for printing.
   */
  readyInstances?: string;
  /**
   * Name of the Pod that is the primary.
   */
  primary?: string;
  /**
   * Version of the running PostgreSQL.
   */
  version?: string;
  /**
   * Size of the largest volume in use; what spec.storage.size cannot go below.
   */
  volumeSize?: string;
  /**
   * Host and port of the primary, whichever instance that is.
   */
  endpoint?: string;
  /**
   * Host and port of the replicas.
   */
  readEndpoint?: string;
  /**
   * Name of the Secret with all that an application needs to connect.
   */
  secretName?: string;
  /**
   * Selects the Pods of the instances, for the scale subresource.
   */
  selector?: string;
  /**
   * The instances that exist.
   */
  instances?: {
    /**
     * Name of the instance; its StatefulSet and volume are called so.
     */
    name: string;
    /**
     * What the instance is.
     */
    role?: "primary" | "replica";
    /**
     * Whether its Pod is ready.
     */
    ready: boolean;
    /**
     * Whether it streams from the primary on the primary's timeline; replicas only.
     */
    streaming?: boolean;
    /**
     * The node that it runs on.
     */
    node?: string;
  }[];
  /**
   * Ready, Available, Progressing, Degraded; and others while they hold.
   */
  conditions?: {
    /**
     * Which condition.
     */
    type: string;
    /**
     * Whether it holds.
     */
    status: "True" | "False" | "Unknown";
    /**
     * The generation that it is about.
     */
    observedGeneration?: number;
    /**
     * When its status changed last.
     */
    lastTransitionTime: string;
    /**
     * One of a closed list; docs/conditions.md has a remedy for each.
     */
    reason: string;
    /**
     * For people.
     */
    message: string;
  }[];
}
