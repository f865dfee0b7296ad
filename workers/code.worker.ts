/** The code thread: served with a policy of its own (tools/vite/policy.mjs), it reaches no network. Exposed before any await, or early calls would never return. */
import * as Comlink from "comlink";
import { Sandbox } from "../src/fitness/code/sandbox.ts";
import "../src/threads/wire.ts";

Comlink.expose(new Sandbox());
