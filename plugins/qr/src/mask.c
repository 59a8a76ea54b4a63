// The mask: which of eight patterns makes a code easiest to read.
#include <stdlib.h>

#include "qr.h"

static bool inverts(int mask, int row, int column) {
  switch (mask) {
    case 0: return (row + column) % 2 == 0;
    case 1: return row % 2 == 0;
    case 2: return column % 3 == 0;
    case 3: return (row + column) % 3 == 0;
    case 4: return (row / 2 + column / 3) % 2 == 0;
    case 5: return row * column % 2 + row * column % 3 == 0;
    case 6: return (row * column % 2 + row * column % 3) % 2 == 0;
    default: return ((row + column) % 2 + row * column % 3) % 2 == 0;
  }
}

// Applies a mask, or takes it back.
static void apply(Qr *qr, int mask) {
  for (int row = 0; row < qr->size; row++) {
    for (int column = 0; column < qr->size; column++) {
      qr->dark[row][column] ^= !qr->fixed[row][column] && inverts(mask, row, column);
    }
  }
}

// Level and mask, twice, with the codewords that correct them.
static void write_format(Qr *qr, int mask) {
  int rest = mask;  // the level's own two bits are 00
  for (int i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
  int bits = (mask << 10 | rest) ^ 0x5412, size = qr->size;
  for (int i = 0; i < 15; i++) {
    bool dark = bits >> i & 1;
    if (i < 6) qr->dark[i][8] = dark;
    else if (i < 8) qr->dark[i + 1][8] = dark;
    else if (i == 8) qr->dark[8][7] = dark;
    else qr->dark[8][14 - i] = dark;
    if (i < 8) qr->dark[8][size - 1 - i] = dark;
    else qr->dark[size - 15 + i][8] = dark;
  }
  qr->dark[size - 8][8] = true;
}

static bool module_at(const Qr *qr, int line, int at, bool down) {
  return down ? qr->dark[at][line] : qr->dark[line][at];
}

// Long runs of one colour, and what looks like a corner, in one row or column.
static int penalty_of_line(const Qr *qr, int line, bool down) {
  int penalty = 0, run = 0, last = 0;
  for (int at = 0; at < qr->size; at++) {
    bool dark = module_at(qr, line, at, down);
    run = at > 0 && dark == module_at(qr, line, at - 1, down) ? run + 1 : 1;
    if (run == 5) penalty += 3;
    if (run > 5) penalty += 1;
    last = (last << 1 | dark) & 0x7ff;
    if (at >= 10 && (last == 0x05d || last == 0x5d0)) penalty += 40;
  }
  return penalty;
}

static int penalty_of(const Qr *qr) {
  int penalty = 0, dark = 0, size = qr->size;
  for (int line = 0; line < size; line++) {
    penalty += penalty_of_line(qr, line, false) + penalty_of_line(qr, line, true);
  }
  for (int row = 0; row < size; row++) {
    for (int column = 0; column < size; column++) {
      bool here = qr->dark[row][column];
      dark += here;
      if (row == 0 || column == 0) continue;
      // A square of one colour.
      if (here == qr->dark[row - 1][column] && here == qr->dark[row][column - 1] && here == qr->dark[row - 1][column - 1]) penalty += 3;
    }
  }
  return penalty + abs(dark * 20 - size * size * 10) / (size * size) * 10;
}

void qr_mask(Qr *qr) {
  int best = 0, least = -1;
  for (int mask = 0; mask < 8; mask++) {
    apply(qr, mask);
    write_format(qr, mask);
    int penalty = penalty_of(qr);
    if (least < 0 || penalty < least) best = mask, least = penalty;
    apply(qr, mask);
  }
  apply(qr, best);
  write_format(qr, best);
}
