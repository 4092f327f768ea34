import { expect, test } from "vitest";
import { imageOf, programsOf, versions } from "../../src/postgres/versions.ts";

test.each<{ version: string; images: Record<string, string>; image: string | undefined; because: string }>([
  { version: "17", images: {}, image: "holdfast/postgres:17-1", because: "the catalogue's own" },
  {
    version: "17",
    images: { "17": "registry.example/pg:17" },
    image: "registry.example/pg:17",
    because: "settings go first",
  },
  {
    version: "18",
    images: { "18": "registry.example/pg:18" },
    image: "registry.example/pg:18",
    because: "settings can add",
  },
  { version: "18", images: {}, image: undefined, because: "the catalogue has none" },
  { version: "toString", images: {}, image: undefined, because: "what every object has is no version" },
])("the image of $version is $image: $because", ({ version, images, image }) => {
  expect(imageOf(version, images)).toBe(image);
});

test("the versions that can be asked for are in order", () => {
  expect(versions({ "9": "a", "18": "b" })).toEqual(["9", "17", "18"]);
});

test("programs are where Debian has them", () => {
  expect(programsOf("17")).toBe("/usr/lib/postgresql/17/bin");
});
