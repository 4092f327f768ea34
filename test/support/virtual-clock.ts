// The test kit's, for the tests of the runtime itself, which need nothing else of it.
export { settle, VirtualClock } from "../../testing/virtual-clock.ts";
