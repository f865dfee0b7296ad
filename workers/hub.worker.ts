/** The hub thread: builds the service and exposes it. Exposed before any await, or early calls would never return. */
import * as Comlink from "comlink";
import { Hub } from "../src/hub/hub.ts";
import "../src/threads/wire.ts";

Comlink.expose(new Hub());
