/** A thread that merges tensors: builds the service and exposes it. */
import * as Comlink from "comlink";
import { TensorMerger } from "../src/streaming/tensors.ts";
import "../src/threads/wire.ts";

Comlink.expose(new TensorMerger());
