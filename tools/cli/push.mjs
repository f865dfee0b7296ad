/** `merge --push owner/name`: what lies in DIR goes into a repository of the Hub, once it lies there whole. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Plain, say } from "../house.mjs";
import { app } from "./app.mjs";
import { exitCodes } from "./arguments.mjs";

/** Before anything is started: who pushes. @param {{ push: string | null, private: boolean }} asked */
export function pushOrder(asked) {
  if (asked.push === null) return null;
  const token = process.env.HF_TOKEN;
  if (!token) throw new Plain(`--push ${asked.push} needs a token with the right to write there: set HF_TOKEN.`, exitCodes.badRecipe);
  return { repo: asked.push, token, private: asked.private, ...(process.env.HF_ENDPOINT && { hub: process.env.HF_ENDPOINT }) };
}

/**
 * @param {ReturnType<typeof pushOrder>} order @param {string} folder @param {string[]} files relative to it
 * @param {{ quiet: boolean }} options
 */
export async function push(order, folder, files, { quiet }) {
  if (order === null) return {};
  const { isLabError, pushFolder } = await app();
  const sent = new Set();
  const onProgress = ({ file, state, share }) => {
    if (quiet || state !== "uploading" || share < 1 || sent.has(file)) return;
    sent.add(file);
    say(`${file} is sent.`);
  };
  try {
    const pushed = await pushFolder(files.map((file) => ({ path: file, bytes: pathToFileURL(path.join(folder, file)) })), { ...order, onProgress });
    if (!quiet) say(`It is at ${pushed.url}`);
    return { pushed };
  } catch (error) {
    const said = isLabError(error) ? error.message : `${order.repo} could not be written: ${error?.message ?? error}`;
    throw new Plain(`${said} ${folder} is whole; only the push is missing.`, isLabError(error, "bad-arguments") ? exitCodes.badRecipe : exitCodes.cannotRead);
  }
}
