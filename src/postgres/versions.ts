// The catalogue: which PostgreSQL versions there are, which image each is, and where that image keeps its programs. Pure.

/** What the images of every version have in common: images/postgres is built so. Data outlives images: never change it. */
export const imageLayout = {
  /** User and group "postgres". */
  uid: 999,
  /** The volume. The data is in a folder of it, since a fresh file system has a lost+found. */
  volume: "/var/lib/postgresql/data",
  data: "/var/lib/postgresql/data/pgdata",
  /** Sockets, and what else is written while it runs. */
  run: "/run/postgresql",
  config: "/etc/patroni",
} as const;

/** PostgreSQL major version → image. */
const catalogue: Readonly<Record<string, string>> = {
  "17": "holdfast/postgres:17-1",
};

/**
 * The image of a major version, or undefined where there is none.
 * @param images of the operator's settings, which come first
 */
export function imageOf(version: string, images: Readonly<Record<string, string>> = {}): string | undefined {
  if (Object.hasOwn(images, version)) return images[version];
  return Object.hasOwn(catalogue, version) ? catalogue[version] : undefined;
}

/** The versions that can be asked for, oldest first. */
export function versions(images: Readonly<Record<string, string>> = {}): readonly string[] {
  return [...new Set([...Object.keys(catalogue), ...Object.keys(images)])].toSorted((a, b) => Number(a) - Number(b));
}

/** Where Debian's packages have the programs of a major version. */
export function programsOf(version: string): string {
  return `/usr/lib/postgresql/${version}/bin`;
}
