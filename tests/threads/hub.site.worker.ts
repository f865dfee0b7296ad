/** The hub thread with a site of its own behind `fetch`: real worker, real IndexedDB, faults on request. */
import * as Comlink from "comlink";
import { Hub } from "../../src/hub/hub.ts";
import "../../src/threads/wire.ts";
import modelUrl from "../fixtures/onnx/base.onnx?url";
import { type Asked, type Fault, Site } from "../fixtures/onnx/site.ts";

const assets = "https://site.test/deep/";

class HubOnSite extends Hub {
  private site: Site | null = null;

  async build(): Promise<void> {
    const model = new Uint8Array(await (await fetch(modelUrl)).arrayBuffer());
    this.site = await Site.make(assets, model);
    globalThis.fetch = this.site.fetch;
  }

  fault(path: string, fault: Fault): void {
    this.site?.faults.set(path, fault);
  }

  asked(): Asked[] {
    return this.site?.asked ?? [];
  }
}
export type { HubOnSite };

Comlink.expose(new HubOnSite());
