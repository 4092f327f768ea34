// The CustomResourceDefinitions of this repository, for the API servers of tests.
export const ourDefinitions: readonly URL[] = [new URL("../../crds/", import.meta.url)];
