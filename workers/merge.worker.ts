/** The merge thread: builds the service and exposes it. Exposed before any await, or early calls would never return. */
import * as Comlink from "comlink";
import { MergeEngine } from "../src/engine/engine.ts";
import "../src/threads/wire.ts";

Comlink.expose(new MergeEngine());
