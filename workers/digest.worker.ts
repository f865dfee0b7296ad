/** The digest thread: hashes what the hub's thread downloads, so that neither waits for the other. */
import { serveDigests } from "../src/hub/digests.ts";

serveDigests(globalThis as unknown as Parameters<typeof serveDigests>[0]);
