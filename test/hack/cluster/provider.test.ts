import { describe, expect, test } from "vitest";
import { chooseProvider, type Machine } from "../../../hack/cluster/provider.ts";

const bare: Machine = { dockerAnswers: false, kindAnswers: false, platform: "linux", root: false };

describe("The provider of a cluster", () => {
  test.each([
    { machine: { dockerAnswers: true, kindAnswers: true }, provider: "kind", because: "Docker and kind answer" },
    {
      machine: { dockerAnswers: true, kindAnswers: true, root: true },
      provider: "kind",
      because: "it changes less of the machine",
    },
    { machine: { root: true }, provider: "local", because: "root on Linux needs nothing else" },
    { machine: { dockerAnswers: true, root: true }, provider: "local", because: "Docker alone makes no cluster" },
    { machine: { kindAnswers: true, root: true }, provider: "local", because: "kind alone makes no cluster" },
    {
      machine: { asked: "local", dockerAnswers: true, kindAnswers: true, root: true },
      provider: "local",
      because: "it was asked for",
    },
    {
      machine: { asked: "kind", dockerAnswers: true, kindAnswers: true, platform: "darwin" as const },
      provider: "kind",
      because: "Docker brings its own Linux",
    },
  ])("is $provider because $because", ({ machine, provider }) => {
    expect(chooseProvider({ ...bare, ...machine })).toBe(provider);
  });

  test.each([
    {
      machine: {},
      says: "`docker info` does not answer, and this is Linux without root",
      because: "nothing is possible",
    },
    {
      machine: { platform: "darwin" as const, root: true },
      says: "this is darwin",
      because: "the local cluster needs Linux",
    },
    { machine: { dockerAnswers: true }, says: "`kind version` does not answer", because: "kind is missing" },
    { machine: { asked: "local" }, says: "this is Linux without root", because: "root is missing" },
    {
      machine: { asked: "kind", root: true },
      says: "`docker info` does not answer",
      because: "what was asked for is not replaced",
    },
  ])("is refused, with both ways named, because $because", ({ machine, says }) => {
    const choose = (): unknown => chooseProvider({ ...bare, ...machine });
    expect(choose).toThrow(says);
    expect(choose).toThrow(/With Docker and kind: .* Without them: run the command as root on Linux/);
  });

  test("is refused by its name when there is no such one", () => {
    expect(() => chooseProvider({ ...bare, asked: "minikube" })).toThrow('no provider "minikube": it is local or kind');
  });
});
