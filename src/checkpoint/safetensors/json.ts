/**
 * JSON from outside, walked once instead of built: a name told twice, a number that is no count, or a thousand brackets are
 * met where they stand, and nothing is allocated that was not asked for. (JSON.parse keeps the last of two equal names.)
 */

/** Nesting that `skip` follows. */
const DEPTH_MAX = 32;

export class JsonWalk {
  #at = 0;

  /** `fail` makes the error from what is wrong ("a comma is missing at character 17"). */
  constructor(private readonly text: string, private readonly fail: (what: string) => Error) {}

  /** `onKey` must read the value of each key. */
  object(onKey: (key: string) => void): void {
    this.#expect("{", "an object");
    if (this.#takes("}")) return;
    const seen = new Set<string>();
    do {
      const key = this.string();
      if (seen.has(key)) throw this.fail(`"${key.slice(0, 120)}" stands in it twice`);
      seen.add(key);
      this.#expect(":", "a colon");
      onKey(key);
    } while (this.#takes(","));
    this.#expect("}", "a comma or }");
  }

  /** `onItem` must read each item. */
  array(onItem: () => void): void {
    this.#expect("[", "a list");
    if (this.#takes("]")) return;
    do onItem();
    while (this.#takes(","));
    this.#expect("]", "a comma or ]");
  }

  string(): string {
    const start = this.#token();
    if (this.text[start] !== '"') throw this.#missing("a text in quotes");
    let end = start;
    do {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) throw this.#missing("the end of a text");
    } while (isEscaped(this.text, end));
    this.#at = end + 1;
    const inside = this.text.slice(start + 1, end);
    const value = /[\\\u0000-\u001f]/.test(inside) ? this.#unescaped(start, end) : inside;
    if (/[\ud800-\udfff]/u.test(value)) throw this.fail(`the text at character ${start} is no Unicode (half a pair)`);
    return value;
  }

  /** 0, 1, 2 … as far as numbers are exact. */
  count(): number {
    const start = this.#token();
    const digits = /(?:0|[1-9]\d{0,15})(?![\w.+-])/y;
    digits.lastIndex = start;
    const value = Number(digits.exec(this.text)?.[0] ?? NaN);
    if (!Number.isSafeInteger(value)) throw this.#missing("a whole number from 0 to 2⁵³");
    this.#at = digits.lastIndex;
    return value;
  }

  /** Any value, left out. */
  skip(depth = 0): void {
    const start = this.#token();
    if (depth > DEPTH_MAX) throw this.fail(`it is nested more than ${DEPTH_MAX} deep`);
    const first = this.text[start];
    if (first === "{") return this.object(() => this.skip(depth + 1));
    if (first === "[") return this.array(() => this.skip(depth + 1));
    if (first === '"') return void this.string();
    const word = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
    word.lastIndex = start;
    if (!word.test(this.text)) throw this.#missing("a value");
    this.#at = word.lastIndex;
  }

  /** Nothing but space may follow. */
  end(): void {
    if (this.#token() < this.text.length) throw this.#missing("its end");
  }

  /** Where the next token begins. */
  #token(): number {
    for (; ; this.#at++) {
      const code = this.text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return this.#at;
    }
  }

  #takes(char: string): boolean {
    if (this.text[this.#token()] !== char) return false;
    this.#at++;
    return true;
  }

  #expect(char: string, what: string): void {
    if (!this.#takes(char)) throw this.#missing(what);
  }

  #unescaped(start: number, end: number): string {
    try {
      return JSON.parse(this.text.slice(start, end + 1)) as string;
    } catch {
      throw this.fail(`the text at character ${start} is not written as JSON wants it`);
    }
  }

  #missing(what: string): Error {
    const found = this.text.slice(this.#at, this.#at + 12);
    return this.fail(`at character ${this.#at} there should be ${what}, but there is ${found === "" ? "nothing more" : JSON.stringify(found)}`);
  }
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text[quote - 1 - backslashes] === "\\") backslashes++;
  return backslashes % 2 === 1;
}
