// From bytes to modules.
#include "qr.h"

#include <stdlib.h>
#include <string.h>

static void set(Qr *qr, int row, int column, bool dark) {
  if (row < 0 || column < 0 || row >= qr->size || column >= qr->size) return;
  qr->dark[row][column] = dark;
  qr->fixed[row][column] = true;
}

// Squares in squares: radius 4 with a light edge is a corner, radius 2 helps a reader to find its way in between.
static void square(Qr *qr, int row, int column, int radius) {
  for (int down = -radius; down <= radius; down++) {
    for (int right = -radius; right <= radius; right++) {
      int ring = abs(down) > abs(right) ? abs(down) : abs(right);
      set(qr, row + down, column + right, radius == 4 ? ring != 2 && ring != 4 : ring != 1);
    }
  }
}

static void alignments(Qr *qr) {
  int count = qr->version == 1 ? 0 : qr->version / 7 + 2;
  if (count == 0) return;
  int step = (qr->version * 8 + count * 3 + 5) / (count * 4 - 4) * 2, at[7] = {6};
  for (int i = count - 1, place = qr->size - 7; i > 0; i--, place -= step) at[i] = place;
  for (int i = 0; i < count; i++) {
    for (int j = 0; j < count; j++) {
      bool corner = (i == 0 && j == 0) || (i == 0 && j == count - 1) || (i == count - 1 && j == 0);
      if (!corner) square(qr, at[i], at[j], 2);
    }
  }
}

// From version 7 on a code says which it is.
static void write_version(Qr *qr) {
  int rest = qr->version;
  for (int i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
  int bits = qr->version << 12 | rest;
  for (int i = 0; i < 18; i++) {
    int one = qr->size - 11 + i % 3, other = i / 3;
    set(qr, one, other, bits >> i & 1);
    set(qr, other, one, bits >> i & 1);
  }
}

// Everything that is the same whatever the code says.
static void draw_frame(Qr *qr) {
  for (int i = 0; i < qr->size; i++) {
    set(qr, 6, i, i % 2 == 0);
    set(qr, i, 6, i % 2 == 0);
  }
  square(qr, 3, 3, 4);
  square(qr, 3, qr->size - 4, 4);
  square(qr, qr->size - 4, 3, 4);
  alignments(qr);
  if (qr->version >= 7) write_version(qr);
  // Where level and mask will be.
  for (int i = 0; i < 9; i++) {
    if (i != 6) set(qr, i, 8, false), set(qr, 8, i, false);
    if (i < 8) set(qr, 8, qr->size - 1 - i, false), set(qr, qr->size - 1 - i, 8, false);
  }
}

// Up and down in pairs of columns, from the right.
static void draw_codewords(Qr *qr, const uint8_t *codewords, int count) {
  int bit = 0;
  for (int right = qr->size - 1; right >= 1; right -= 2) {
    if (right == 6) right = 5;
    bool up = (right + 1) % 4 < 2;
    for (int i = 0; i < qr->size; i++) {
      int row = up ? qr->size - 1 - i : i;
      for (int column = right; column > right - 2; column--) {
        if (qr->fixed[row][column] || bit >= count * 8) continue;
        qr->dark[row][column] = codewords[bit / 8] >> (7 - bit % 8) & 1;
        bit++;
      }
    }
  }
}

static void append(uint8_t *data, int *bits, int value, int count) {
  for (int i = count - 1; i >= 0; i--, ++*bits) data[*bits / 8] |= (value >> i & 1) << (7 - *bits % 8);
}

// A segment of bytes, and what fills up the rest.
static void write_data(int version, const uint8_t *bytes, size_t count, uint8_t *data) {
  int bits = 0, room = qr_data_codewords(version) * 8;
  append(data, &bits, 4, 4);
  append(data, &bits, (int)count, version < 10 ? 8 : 16);
  for (size_t i = 0; i < count; i++) append(data, &bits, bytes[i], 8);
  bits += room - bits < 4 ? room - bits : 4;
  bits = (bits + 7) / 8 * 8;
  for (int filler = 0xec; bits < room; filler ^= 0xec ^ 0x11) append(data, &bits, filler, 8);
}

bool qr_encode(Qr *qr, const uint8_t *bytes, size_t count) {
  static uint8_t data[QR_MOST_CODEWORDS], codewords[QR_MOST_CODEWORDS];
  memset(qr, 0, sizeof *qr);
  memset(data, 0, sizeof data);
  for (int version = 1; version <= QR_MOST_VERSION; version++) {
    size_t head = version < 10 ? 12 : 20;
    if (head + count * 8 > (size_t)qr_data_codewords(version) * 8) continue;
    qr->version = version;
    qr->size = 17 + 4 * version;
    write_data(version, bytes, count, data);
    qr_interleave(version, data, codewords);
    draw_frame(qr);
    draw_codewords(qr, codewords, qr_codewords(version));
    qr_mask(qr);
    return true;
  }
  return false;
}
