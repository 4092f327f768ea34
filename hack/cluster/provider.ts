// What a cluster is to its users, whoever provides it, and which provider this machine can have. Pure.
import type { BuiltImage } from "./image.ts";

export type Provider = "local" | "kind";

/** A running cluster with DNS and a default StorageClass. */
export interface Cluster {
  readonly provider: Provider;
  /** The path of a kubeconfig with all rights. */
  readonly kubeconfig: string;
  /** Paths of programs that fit it. */
  readonly kubectl: string;
  readonly helm: string;
  /** Makes the image known to every node, if it is not already. Pods name it with imagePullPolicy IfNotPresent or Never. */
  loadImage(image: BuiltImage): Promise<void>;
  /** Removes the cluster and all that it left on this machine. Caches stay. */
  down(): Promise<void>;
}

export interface Machine {
  /** What the user asked for by flag or HOLDFAST_PROVIDER. */
  readonly asked?: string | undefined;
  /** `docker info` succeeds: there is an engine, not only a client. */
  readonly dockerAnswers: boolean;
  readonly kindAnswers: boolean;
  readonly platform: NodeJS.Platform;
  readonly root: boolean;
}

const ways =
  "There are two ways. With Docker and kind: start Docker, install kind (https://kind.sigs.k8s.io), and run the command again. " +
  "Without them: run the command as root on Linux, which starts Kubernetes right on this machine.";

/** @throws Error, in words for the user, when the machine cannot have what was asked for, or nothing at all. */
export function chooseProvider(machine: Machine): Provider {
  const local = machine.platform === "linux" && machine.root;
  const kind = machine.dockerAnswers && machine.kindAnswers;
  switch (machine.asked) {
    case "local":
      if (local) return "local";
      throw new Error(`A local cluster needs Linux and root, and this is ${describe(machine)}. ${ways}`);
    case "kind":
      if (kind) return "kind";
      throw new Error(`A cluster in kind needs Docker and kind, but ${missing(machine)}. ${ways}`);
    case undefined:
      if (kind) return "kind";
      if (local) return "local";
      throw new Error(`No cluster can be made here: ${missing(machine)}, and this is ${describe(machine)}. ${ways}`);
    default:
      throw new Error(`There is no provider "${machine.asked}": it is local or kind.`);
  }
}

function describe({ platform, root }: Machine): string {
  return platform === "linux" ? `Linux ${root ? "as root" : "without root"}` : platform;
}

function missing({ dockerAnswers, kindAnswers }: Machine): string {
  if (!dockerAnswers) return "`docker info` does not answer";
  return kindAnswers ? "both answer" : "`kind version` does not answer";
}
