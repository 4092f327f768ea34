// Label selectors as the API writes them ("a=b,c!=d,e,!f,g in (h,i)"), matched here. Pure.

/** Whether labels match. A requirement that cannot be read counts as met. */
export type LabelMatcher = (labels: Readonly<Record<string, string>> | undefined) => boolean;

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors */
export function labelMatcher(selector: string): LabelMatcher {
  // A comma separates requirements, except inside of the parentheses of a set.
  const requirements = selector.split(/,(?![^(]*\))/).map((text) => requirement(text.trim()));
  return (labels = {}) => requirements.every((matches) => matches(labels));
}

function requirement(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(text);
  if (set !== null) {
    const [, name = "", operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => value.trim()));
    return (labels) => (operator === "in") === (Object.hasOwn(labels, name) && values.has(labels[name] ?? ""));
  }
  const pair = /^([^\s!=]+)\s*(==|=|!=)\s*(\S*)$/.exec(text);
  if (pair !== null) {
    const [, name = "", operator, value] = pair;
    return (labels) => (operator !== "!=") === (Object.hasOwn(labels, name) && labels[name] === value);
  }
  const presence = /^(!?)\s*([^\s!=(),]+)$/.exec(text);
  if (presence !== null) {
    const [, not, name = ""] = presence;
    return (labels) => (not === "") === Object.hasOwn(labels, name);
  }
  return () => true;
}
