// A field of Conway's Game of Life whose edges meet: what leaves it on one side comes in on the other.

/** Cells that one instruction works on. */
const LANES = 16;

export class Field {
  /** A row's bytes: one for each cell, rounded up, and one more on either side, as there is a row more above and below. There stands what is on the field's other side. */
  private stride: i32;
  private now: StaticArray<u8>;
  private next: StaticArray<u8>;

  constructor(
    readonly width: i32,
    readonly height: i32,
  ) {
    const stride = ((width + LANES - 1) & ~(LANES - 1)) + 2;
    this.stride = stride;
    this.now = new StaticArray<u8>(stride * (height + 2));
    this.next = new StaticArray<u8>(stride * (height + 2));
  }

  get(row: i32, column: i32): bool {
    return this.now[this.at(row, column)] != 0;
  }

  set(row: i32, column: i32): void {
    this.now[this.at(row, column)] = 1;
  }

  step(): void {
    this.meet();
    for (let row = 0; row < this.height; row++) {
      for (let column = 0; column < this.width; column += LANES) this.stepLanes(this.at(row, column));
    }
    const now = this.now;
    this.now = this.next;
    this.next = now;
  }

  @inline
  private at(row: i32, column: i32): i32 {
    return (row + 1) * this.stride + column + 1;
  }

  /** Lets the edges meet. */
  private meet(): void {
    const now = this.now;
    for (let row = 0; row < this.height; row++) {
      now[this.at(row, -1)] = now[this.at(row, this.width - 1)];
      now[this.at(row, this.width)] = now[this.at(row, 0)];
    }
    const cells = changetype<usize>(now);
    memory.copy(cells + this.at(-1, -1), cells + this.at(this.height - 1, -1), this.stride);
    memory.copy(cells + this.at(this.height, -1), cells + this.at(0, -1), this.stride);
  }

  /** The next generation of sixteen cells: alive are those with three neighbours, and of those alive the ones with two. */
  @inline
  private stepLanes(at: i32): void {
    const here = changetype<usize>(this.now) + at;
    const above = here - this.stride;
    const below = here + this.stride;
    const alive = v128.load(here);
    let neighbours = i8x16.add(v128.load(here - 1), v128.load(here + 1));
    neighbours = i8x16.add(neighbours, i8x16.add(v128.load(above - 1), i8x16.add(v128.load(above), v128.load(above + 1))));
    neighbours = i8x16.add(neighbours, i8x16.add(v128.load(below - 1), i8x16.add(v128.load(below), v128.load(below + 1))));
    const born = i8x16.eq(neighbours, i8x16.splat(3));
    const stays = v128.and(i8x16.eq(neighbours, i8x16.splat(2)), i8x16.eq(alive, i8x16.splat(1)));
    v128.store(changetype<usize>(this.next) + at, v128.and(v128.or(born, stays), i8x16.splat(1)));
  }
}
