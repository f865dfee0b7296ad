/** What recipes have and mergekit 0.1.5 has not. */
export const OURS: { readonly methods: readonly string[]; readonly parameters: readonly string[] } = {
  methods: ["rankmean"],
  parameters: ["rescaling", "scope", "election"],
};
