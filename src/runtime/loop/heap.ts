// A binary heap whose items know their place, so that any one of them can be moved or taken out in O(log n).

/** What the heap writes into its items: -1 while outside. An item may be in one heap at a time. */
export interface HeapItem {
  place: number;
}

export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return item.place >= 0 && this.#items[item.place] === item;
  }

  push(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
    this.#rise(item);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  remove(item: T): void {
    const last = this.#items.pop();
    if (last !== item && last !== undefined) {
      last.place = item.place;
      this.#items[item.place] = last;
      this.moved(last);
    }
    item.place = -1;
  }

  /** To be called after what orders `item` has changed. */
  moved(item: T): void {
    this.#rise(item);
    this.#sink(item);
  }

  clear(): void {
    for (const item of this.#items) item.place = -1;
    this.#items.length = 0;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]();
  }

  #rise(item: T): void {
    while (item.place > 0) {
      const parent = this.#items[(item.place - 1) >> 1];
      if (parent === undefined || !this.#before(item, parent)) return;
      this.#swap(parent, item);
    }
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1];
      const right = this.#items[2 * item.place + 2];
      const child = right !== undefined && left !== undefined && this.#before(right, left) ? right : left;
      if (child === undefined || !this.#before(child, item)) return;
      this.#swap(item, child);
    }
  }

  /** `below` takes the place of `above`, its parent. */
  #swap(above: T, below: T): void {
    const place = above.place;
    above.place = below.place;
    below.place = place;
    this.#items[above.place] = above;
    this.#items[below.place] = below;
  }
}
