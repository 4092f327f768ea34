import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseDockerfile } from "../../../hack/cluster/dockerfile.ts";
import { operatorImage, postgresImage } from "../../../hack/cluster/images.ts";

describe("A Dockerfile", () => {
  test("becomes a base, steps and a configuration", () => {
    const recipe = parseDockerfile(`
# a comment
FROM golang:1 AS build
RUN make
FROM debian:trixie-slim
COPY --from=build /out/orders /usr/bin/orders
COPY list.txt install.sh /opt/
RUN sh /opt/install.sh && \\
    rm -r /opt
ENV A=1
ENV B=two
WORKDIR /srv
USER 999:999
ENTRYPOINT ["/usr/bin/orders", "--serve"]
CMD ["all"]
`);
    expect(recipe).toEqual({
      base: "debian:trixie-slim",
      steps: [
        { do: "copy", from: "build", sources: ["/out/orders"], target: "/usr/bin/orders" },
        { do: "copy", sources: ["list.txt", "install.sh"], target: "/opt/" },
        { do: "run", command: "sh /opt/install.sh &&      rm -r /opt" },
      ],
      config: {
        Env: ["A=1", "B=two"],
        WorkingDir: "/srv",
        User: "999:999",
        Entrypoint: ["/usr/bin/orders", "--serve"],
        Cmd: ["all"],
      },
    });
  });

  test.each([
    { line: "ADD https://example.com/x /x", because: "ADD fetches and unpacks" },
    { line: "ENV A 1", because: "the old form of ENV is ambiguous" },
    { line: "COPY --chown=1:1 a b", because: "flags other than --from are not honoured" },
    { line: "ENTRYPOINT orders", because: "the shell form wraps the program in a shell" },
  ])("is refused at the line that only an engine understands: $because", ({ line }) => {
    expect(() => parseDockerfile(`FROM debian:trixie-slim\n${line}`)).toThrow(line);
  });

  test.each([postgresImage, operatorImage])("of $name is understood and runs without root", ({ dockerfile }) => {
    const { base, config } = parseDockerfile(readFileSync(dockerfile, "utf8"));
    expect(base).toBe("debian:trixie-slim");
    expect(config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });
});
