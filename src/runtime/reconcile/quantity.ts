// Kubernetes quantities ("1000m", "1Gi"): when do two texts end up as the same text on the API server? Pure.
// The API server writes them in a canonical form of their format (k8s.io/apimachinery/pkg/api/resource/quantity.go).

interface Quantity {
  /** In billionths, the finest that a quantity can be. */
  readonly nano: bigint;
  readonly format: "decimal" | "binary" | "exponent";
}

const binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const decimal: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:([KMGTPE]i)|([numkMGTPE]?)|[eE]([+-]?\d{1,2}))$/;
const billion = 1_000_000_000n;

/**
 * Whether both are quantities that the API server would write the same way: "1000m" and "1", "1Gi" and "1024Mi", but not
 * "1Gi" and "1073741824", which it keeps apart. Numbers are taken as their text.
 */
export function sameQuantity(a: unknown, b: unknown): boolean {
  const left = parse(a);
  const right = parse(b);
  if (left === undefined || right === undefined || left.nano !== right.nano) return false;
  return left.nano === 0n || left.format === right.format;
}

function parse(value: unknown): Quantity | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const match = form.exec(String(value));
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", binarySuffix, decimalSuffix = "", exponent] = match;
  if (whole === "" && fraction === "") return undefined;
  const digits = BigInt(whole + fraction) * (sign === "-" ? -1n : 1n);
  if (binarySuffix !== undefined) {
    const factor = 1024n ** BigInt(binary.indexOf(binarySuffix) + 1);
    const nano = exactly(digits * factor * billion, fraction.length);
    if (nano === undefined) return undefined;
    // Below 1024, and with a fraction left, the server itself changes over to the decimal format.
    const small = nano < 1024n * billion && nano > -1024n * billion;
    return { nano, format: small || nano % billion !== 0n ? "decimal" : "binary" };
  }
  const power = exponent === undefined ? decimal[decimalSuffix]! : Number(exponent);
  const scale = power + 9 - fraction.length;
  const nano = scale >= 0 ? digits * 10n ** BigInt(scale) : exactly(digits, -scale);
  return nano === undefined ? undefined : { nano, format: exponent === undefined ? "decimal" : "exponent" };
}

/** `value` / 10^`places`, or undefined where that leaves a rest: the server would round, and we do not guess how. */
function exactly(value: bigint, places: number): bigint | undefined {
  const divisor = 10n ** BigInt(places);
  return value % divisor === 0n ? value / divisor : undefined;
}
