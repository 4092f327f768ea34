import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createProgress, formatTimings } from "../../../hack/cluster/progress.ts";

function recordedOutput(): { text: string; write(text: string): void } {
  return {
    text: "",
    write(text) {
      this.text += text;
    },
  };
}

/** Takes this many virtual milliseconds. */
const pass = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("in a log", () => {
  test("a short stage leaves one line with its seconds", async () => {
    const output = recordedOutput();
    const running = createProgress({ output, interactive: false }).stage("certificates", () => pass(1200));
    await vi.advanceTimersByTimeAsync(1200);
    await running;
    expect(output.text).toBe("✓ certificates (1.2 s)\n");
  });

  test("a long stage says that it goes on, soon and then at the interval, and at what it is", async () => {
    const output = recordedOutput();
    const running = createProgress({ output, interactive: false }).stage("build", async (stage) => {
      stage.update("kube-apiserver");
      await pass(40_000);
    });
    await vi.advanceTimersByTimeAsync(40_000);
    await running;
    expect(output.text.split("\n")).toEqual([
      "… build: kube-apiserver (2.0 s)",
      "… build: kube-apiserver (17.0 s)",
      "… build: kube-apiserver (32.0 s)",
      "✓ build (40.0 s)",
      "",
    ]);
  });

  test("a new detail is a line of its own after a silence", async () => {
    const output = recordedOutput();
    const running = createProgress({ output, interactive: false }).stage("node", async (stage) => {
      stage.update("at once: too soon to say");
      await pass(10_000);
      stage.update("waiting for Ready");
    });
    await vi.advanceTimersByTimeAsync(10_000);
    await running;
    expect(output.text).toContain("… node: waiting for Ready (10.0 s)\n");
  });

  test("nested stages and notes are indented, also when stages run side by side", async () => {
    const output = recordedOutput();
    const progress = createProgress({ output, interactive: false });
    const running = Promise.all([
      progress.stage("images", async () => {
        await progress.stage("postgres", () => pass(200));
        progress.note("470 MB");
      }),
      progress.stage("charts", () => pass(100)),
    ]);
    await vi.advanceTimersByTimeAsync(200);
    await running;
    expect(output.text).toBe("✓ charts (0.1 s)\n  ✓ postgres (0.2 s)\n  · 470 MB\n✓ images (0.2 s)\n");
  });

  test("while a stage runs inside it, the outer one is silent", async () => {
    const output = recordedOutput();
    const progress = createProgress({ output, interactive: false });
    const running = progress.stage("build", () => progress.stage("etcd", () => pass(3000)));
    await vi.advanceTimersByTimeAsync(3000);
    await running;
    expect(output.text).toBe("  … etcd (2.0 s)\n  ✓ etcd (3.0 s)\n✓ build (3.0 s)\n");
  });

  test("a failure is shown, kept in the timings, and thrown on", async () => {
    const output = recordedOutput();
    const progress = createProgress({ output, interactive: false });
    const failure = new Error("disk full");
    await expect(progress.stage("import", () => Promise.reject(failure))).rejects.toBe(failure);
    expect(output.text).toBe("✗ import (0.0 s)\n");
    expect(progress.timings).toEqual([{ title: "import", depth: 0, seconds: 0, failed: true }]);
  });
});

test("on a terminal one line is redrawn, no wider than the terminal, and replaced by the result", async () => {
  const output = { ...recordedOutput(), columns: 30 };
  const running = createProgress({ output, interactive: true }).stage("control plane", async (stage) => {
    stage.update("waiting for the controller manager");
    await pass(400);
  });
  await vi.advanceTimersByTimeAsync(400);
  await running;
  const lines = output.text.split("\r\u001b[K");
  expect(lines).toContain("… control plane: waiting for ");
  expect(lines.at(-1)).toBe("✓ control plane (0.4 s)\n");
});

test("the table of timings holds the outermost stages and their sum", () => {
  const timings = [
    { title: "binaries", depth: 0, seconds: 200.04, failed: false },
    { title: "etcd", depth: 1, seconds: 0.2, failed: false },
    { title: "node", depth: 0, seconds: 9.5, failed: false },
  ];
  expect(formatTimings(timings).split("\n")).toEqual([
    "binaries        200.0 s",
    "node              9.5 s",
    "all together    209.5 s",
  ]);
});
