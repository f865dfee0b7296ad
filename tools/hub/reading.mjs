/** What is read: a repository's facts, its files page by page, paths' facts, files themselves. The Hub's own paths. */
import { Refusal } from "./answer.mjs";
import { missing } from "./access.mjs";
import { safePath } from "./repositories.mjs";

/** `/api/models/owner/name` or `/api/datasets/owner/name`. */
const api = String.raw`^/api/(?<type>model|dataset)s/(?<id>[^/]+/[^/]+)`;
const site = String.raw`^/(?:(?<datasets>datasets)/)?(?<id>[^/]+/[^/]+)`;
const route = (method, source, handle) => ({ method, pattern: new RegExp(source), handle });

export function readingRoutes({ access, repositories, large, origins, pageSize }) {
  /** The repository and revision of a match, as far as whoever asks may see them. */
  async function open(answer, { type, datasets, id, revision = "main" }, wants = { files: false }) {
    const kind = type ?? (datasets ? "dataset" : "model");
    const name = decodeURIComponent(id);
    const repository = repositories.find(kind, name);
    if (!repository) throw missing(access.token(answer));
    access.check(answer, repository, wants);
    return { repository, ...(await repositories.at(repository, decodeURIComponent(revision))) };
  }

  async function info(answer, match) {
    const { repository, entries, commit, card, lastModified } = await open(answer, match);
    const { id, settings } = repository;
    const whole = {
      _id: commit.slice(0, 24),
      id,
      ...(repository.type === "model" && { modelId: id }),
      sha: commit,
      author: id.split("/")[0],
      private: settings.private ?? false,
      gated: settings.gated ?? false,
      disabled: false,
      lastModified,
      createdAt: lastModified,
      downloads: 0,
      likes: 0,
      tags: tagsOf(card),
      ...(card.pipeline_tag !== undefined && { pipeline_tag: card.pipeline_tag }),
      ...(card.library_name !== undefined && { library_name: card.library_name }),
      cardData: card,
      siblings: entries.map((entry) => ({ rfilename: entry.path, ...(answer.query.get("blobs") === "true" && { size: entry.size, blobId: entry.oid, ...(entry.lfs && { lfs: { sha256: entry.lfs.oid, size: entry.size, pointerSize: entry.lfs.pointerSize } }) }) })),
      usedStorage: entries.reduce((sum, entry) => sum + entry.size, 0),
    };
    const expand = [...answer.query.getAll("expand"), ...answer.query.getAll("expand[]")];
    const always = ["_id", "id", "modelId"];
    answer.json(expand.length ? Object.fromEntries(Object.entries(whole).filter(([key]) => always.includes(key) || expand.includes(key))) : whole, { "X-Repo-Commit": commit });
  }

  async function tree(answer, match) {
    const { entries, commit, lastModified } = await open(answer, match);
    const under = match.path ? `${safePath(decodeURIComponent(match.path))}/` : "";
    const recursive = isTrue(answer.query.get("recursive"));
    const last = isTrue(answer.query.get("expand")) ? { lastCommit: { id: commit, title: "As it lies in the folder", date: lastModified } } : {};
    const rows = new Map();
    for (const entry of entries) {
      if (!entry.path.startsWith(under)) continue;
      const parts = entry.path.slice(under.length).split("/");
      for (let depth = 1; depth < (recursive ? parts.length : Math.min(parts.length, 2)); depth++) {
        const folder = under + parts.slice(0, depth).join("/");
        rows.set(folder, { type: "directory", oid: commit, size: 0, path: folder, ...last });
      }
      if (recursive || parts.length === 1) rows.set(entry.path, { ...fileRow(entry), ...last });
    }
    if (rows.size === 0 && under) throw new Refusal(404, `${match.path} does not exist on "${match.revision}"`, "EntryNotFound");
    const limit = Math.min(Number(answer.query.get("limit") ?? pageSize), pageSize);
    const from = Number(Buffer.from(answer.query.get("cursor") ?? "", "base64").toString() || 0);
    const page = [...rows.values()].slice(from, from + limit);
    const headers = { "X-Repo-Commit": commit };
    if (from + limit < rows.size) {
      const next = new URL(answer.path, origins.hub);
      for (const [key, value] of answer.query) next.searchParams.set(key, value);
      next.searchParams.set("cursor", Buffer.from(String(from + limit)).toString("base64"));
      headers["Link"] = `<${next.href}>; rel="next"`;
    }
    answer.json(page, headers);
  }

  async function pathsInfo(answer, match) {
    const { entries, commit } = await open(answer, match);
    const body = await answer.readBody();
    const form = answer.request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
    const paths = form ? new URLSearchParams(body.toString()).getAll("paths") : [JSON.parse(body.toString()).paths ?? []].flat();
    answer.json(
      paths.flatMap((one) => {
        const entry = entries.find(({ path }) => path === one);
        if (entry) return [fileRow(entry)];
        return entries.some(({ path }) => path.startsWith(`${one}/`)) ? [{ type: "directory", oid: commit, size: 0, path: one }] : [];
      }),
      { "X-Repo-Commit": commit },
    );
  }

  async function file(answer, match) {
    const { repository, entries, commit } = await open(answer, match, { files: true });
    const wanted = safePath(decodeURIComponent(match.path));
    const entry = entries.find(({ path }) => path === wanted);
    if (!entry) throw new Refusal(404, "Entry not found", "EntryNotFound", { "X-Repo-Commit": commit });
    const headers = { "X-Repo-Commit": commit };
    if (!entry.lfs) return answer.send({ ...entry, etag: entry.oid, headers });
    if (match.how === "raw") {
      const pointer = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${entry.lfs.oid}\nsize ${entry.size}\n`);
      answer.response.writeHead(200, { ...headers, ETag: `"${entry.oid}"`, "Content-Length": pointer.length, "Content-Type": "text/plain" }).end(pointer);
      return;
    }
    answer.redirect(large.address(repository, entry), { ...headers, ETag: `"${entry.lfs.oid}"`, "X-Linked-ETag": `"${entry.lfs.oid}"`, "X-Linked-Size": String(entry.size), "Accept-Ranges": "bytes" });
  }

  function list(answer, { type }) {
    const search = (answer.query.get("search") ?? "").toLowerCase();
    const author = answer.query.get("author");
    const ids = repositories.list(type).filter((id) => id.toLowerCase().includes(search) && (!author || id.startsWith(`${author}/`)));
    const visible = ids.filter((id) => {
      const repository = repositories.find(type, id);
      return repository && !repository.settings.private;
    });
    answer.json(visible.slice(0, Number(answer.query.get("limit") ?? 100)).map((id) => ({ _id: id, id, ...(type === "model" && { modelId: id }), private: false, gated: repositories.find(type, id).settings.gated ?? false, downloads: 0, likes: 0 })));
  }

  function whoAmI(answer) {
    const name = access.user(answer);
    answer.json({ type: "user", id: name, name, fullname: name, email: "", emailVerified: true, canPay: false, isPro: false, periodEnd: null, avatarUrl: "", orgs: [], auth: { type: "access_token", accessToken: { displayName: "local", role: "write", createdAt: "2000-01-01T00:00:00.000Z" } } });
  }

  return [
    route("GET", "^/api/whoami-v2$", whoAmI),
    route("GET", "^/api/(?<type>model|dataset)s$", list),
    route("GET HEAD", `${api}$`, info),
    route("GET HEAD", `${api}/revision/(?<revision>[^/]+)$`, info),
    route("GET HEAD", `${api}/tree/(?<revision>[^/]+)(?:/(?<path>.+))?$`, tree),
    route("POST", `${api}/paths-info/(?<revision>[^/]+)$`, pathsInfo),
    route("GET HEAD", `${site}/(?<how>resolve|raw)/(?<revision>[^/]+)/(?<path>.+)$`, file),
  ];
}

const isTrue = (text) => text === "true" || text === "1";
const fileRow = ({ path, size, oid, lfs }) => ({ type: "file", oid, size, path, ...(lfs && { lfs }) });

/** As the Hub derives them: base_model:…, license:…, and the card's own. */
function tagsOf(card) {
  const list = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [value]);
  return [...list(card.tags), ...list(card.base_model).map((one) => `base_model:${one}`), ...list(card.license).map((one) => `license:${one}`), ...list(card.datasets).map((one) => `dataset:${one}`)].map(String);
}
