// Cluster DNS: CoreDNS as a Pod, from an image of its static binary.
import { readFileSync } from "node:fs";
import { network } from "./node-settings.ts";

const manifest = new URL("manifests/dns.yaml", import.meta.url);

/** The manifest (YAML) that runs this image of CoreDNS behind the address which the kubelet hands to Pods. */
export function dnsManifest(image: string): string {
  const values: Readonly<Record<string, string>> = { image, address: network.dnsAddress };
  return readFileSync(manifest, "utf8").replaceAll(/^([^#\n]*)\$\{(\w+)\}/gm, (_, before: string, name: string) => {
    return `${before}${values[name] ?? ""}`;
  });
}
