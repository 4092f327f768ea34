// Sizes of volumes: which of two Kubernetes quantities is larger. Pure.

const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * The amount that a quantity stands for, as a number: exact up to 2^53, which is 8 PiB.
 * @throws Error for what is no quantity
 */
export function amountOf(quantity: string): number {
  const [, number, suffix = "", exponent] =
    /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d+))?$/.exec(quantity) ?? [];
  if (number === undefined) throw new Error(`"${quantity}" is no quantity`);
  return Number(number) * (exponent === undefined ? (factors[suffix] ?? 1) : 10 ** Number(exponent));
}

/** The larger of two quantities; the first where they are equal, so that its spelling is kept. */
export function larger(a: string, b: string): string {
  return amountOf(b) > amountOf(a) ? b : a;
}
