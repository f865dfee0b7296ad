/** The thread that plans and writes a merge of folders: builds the service and exposes it. */
import * as Comlink from "comlink";
import { FolderStreaming } from "../src/streaming/streaming.ts";
import "../src/threads/wire.ts";

Comlink.expose(new FolderStreaming());
