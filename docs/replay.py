"""Murmuration's two randomness rules in NumPy (docs/recipe.md). Run it to remake tests/fixtures/philox.json."""
import json
import numpy as np

# --- the ten lines -----------------------------------------------------------------------------------------------
def philox(c, k):
    c, k = [np.asarray(x, np.uint64) for x in c], list(k)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [b >> np.uint64(32) ^ c[1] ^ np.uint64(k[0]), b & np.uint64(0xFFFFFFFF),
             a >> np.uint64(32) ^ c[3] ^ np.uint64(k[1]), a & np.uint64(0xFFFFFFFF)]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c

def mask(seed, expert, tensor, n, density):  # kept elements, in the checkpoint's own layout
    h = 0xCBF29CE484222325
    for byte in f"{expert}/{tensor}".encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    i = np.arange(n, dtype=np.uint64)
    zero = np.zeros(n, np.uint64)
    counter = (i // 4 % 2**32, zero + np.uint64(h % 2**32), zero + np.uint64(h >> 32), zero + np.uint64(0x4D41534B))
    words = np.choose(np.arange(n) % 4, philox(counter, (seed % 2**32, seed >> 32)))
    return (words >> np.uint64(8)) * 2.0**-24 < density

def factor(seed, step, particle, draw, index):  # r1 (draw 0), r2 (draw 1); index: 0, tensor or element
    return float((philox((step, particle, draw, index % 2**32), (seed % 2**32, seed >> 32))[0] >> np.uint64(8)) * 2.0**-24)
# -----------------------------------------------------------------------------------------------------------------

def main():
    cases = []
    for seed, expert, name, shape, transposed, density in [
        (7, "digits", "encoder.layer.0.attention.query.weight", [8, 8], False, 0.2),
        (7, "digits", "encoder.layer.0.attention.query.weight", [16, 4], True, 0.2),
        (2**53 - 1, "kana", "encoder.layer.1.gewöhnlich.bias", [64], False, 0.5),
    ]:
        kept = mask(seed, expert, name, 64, density)
        # A transposed segment's checkpoint has the shape reversed; `kept` below is in the graph's layout.
        graph = kept.reshape(shape[::-1]).T.ravel() if transposed else kept
        cases.append(dict(seed=seed, expert=expert, name=name, shape=shape, transposed=transposed, density=density,
                          checkpoint=[int(b) for b in kept], graph=[int(b) for b in graph]))
    moves = [dict(seed=s, step=t, particle=p, draw=d, index=i, r=factor(s, t, p, d, i))
             for s, t, p, d, i in [(7, 1, 0, 0, 0), (7, 1, 0, 1, 0), (7, 5, 8, 1, 41), (2**53 - 1, 50, 3, 0, 22_000_000)]]
    lines = lambda rows: ",\n  ".join(json.dumps(row) for row in rows)
    print('{ "masks": [\n  ' + lines(cases) + '\n], "moves": [\n  ' + lines(moves) + "\n] }")

if __name__ == "__main__":
    main()
