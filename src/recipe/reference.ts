/** References are told in recipes and read by the hub: their grammar lies in lib. */
export * from "../lib/reference.ts";
