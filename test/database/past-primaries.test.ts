import { expect, test } from "vitest";
import { neverLed } from "../../src/database/past-primaries.ts";
import type { Endpoints } from "../../src/runtime/index.ts";
import { configurationEndpoints, volumeOf, type VolumeFixture } from "../support/orders.ts";

const of = (history: string): Endpoints => {
  return { ...configurationEndpoints(), metadata: { name: "orders-config", annotations: { history } } };
};

test.each<{
  because: string;
  volume?: VolumeFixture;
  timeline?: number | undefined;
  history?: Endpoints | undefined;
  never: boolean;
}>([
  { because: "others were promoted, as far back as there is anything", never: true },
  { because: "nobody was ever promoted", timeline: 1, history: undefined, never: true },
  { because: "its volume is that of the last primary", volume: { lastPrimary: "true" }, never: false },
  { because: "its volume was a primary's once", volume: { lastPrimary: "false" }, never: false },
  {
    because: "its volume was a primary's, though nobody else was",
    volume: { lastPrimary: "false" },
    timeline: 1,
    never: false,
  },
  { because: "its instance was removed", volume: { retired: "Retain" }, never: false },
  {
    because: "it was promoted, which nobody marked",
    history: configurationEndpoints(["orders-2-0", "orders-1-0"]),
    never: false,
  },
  { because: "there is no history", history: undefined, never: false },
  { because: "the history is behind the primary", timeline: 4, never: false },
  { because: "the primary's timeline is not known", timeline: undefined, never: false },
  { because: "the history lacks its beginning", history: of('[[2,1,"","","orders-1-0"]]'), never: false },
  { because: "the history lacks a name", history: of('[[1,1,""],[2,1,"","","orders-1-0"]]'), never: false },
  { because: "the history is no list", history: of('{"1":2}'), never: false },
  { because: "the history has other lines", history: of("[1,2]"), never: false },
  { because: "the history cannot be read", history: of("["), never: false },
])("never led: $never, because $because", ({ volume = {}, never, ...given }) => {
  const timeline = "timeline" in given ? given.timeline : 3;
  const history = "history" in given ? given.history : configurationEndpoints();
  expect(neverLed("orders-2-0", volumeOf({ number: 2, volume }), history, timeline)).toBe(never);
});

test("nothing is known of an instance without a volume", () => {
  expect(neverLed("orders-2-0", undefined, configurationEndpoints(), 3)).toBe(false);
});
