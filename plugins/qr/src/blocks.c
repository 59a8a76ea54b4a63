// Data in blocks, each with its Reed-Solomon codewords.
#include <string.h>

#include "qr.h"

// Of level M, by version: correcting codewords of each block, and how many blocks there are.
static const uint8_t CORRECTING[QR_MOST_VERSION + 1] = {
    0,  10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
    26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28};
static const uint8_t BLOCKS[QR_MOST_VERSION + 1] = {
    0,  1,  1,  1,  2,  2,  4,  4,  4,  5,  5,  5,  8,  9,  9,  10, 10, 11, 13, 14, 16,
    17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49};

int qr_codewords(int version) {
  int modules = (16 * version + 128) * version + 64;
  if (version >= 2) {
    int alignments = version / 7 + 2;
    modules -= (25 * alignments - 10) * alignments - 55;
    if (version >= 7) modules -= 36;
  }
  return modules / 8;
}

int qr_data_codewords(int version) {
  return qr_codewords(version) - CORRECTING[version] * BLOCKS[version];
}

// In the field of 256 elements whose polynomial is x^8 + x^4 + x^3 + x^2 + 1.
static uint8_t times(uint8_t one, uint8_t other) {
  int product = 0;
  for (int bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((other >> bit) & 1) * one;
  }
  return (uint8_t)product;
}

// The product of (x - 2^i) for i below the degree, without its leading 1, highest power first.
static void generator(int degree, uint8_t *out) {
  memset(out, 0, degree);
  out[degree - 1] = 1;
  uint8_t root = 1;
  for (int i = 0; i < degree; i++) {
    for (int at = 0; at < degree; at++) {
      out[at] = times(out[at], root);
      if (at + 1 < degree) out[at] ^= out[at + 1];
    }
    root = times(root, 2);
  }
}

static void remainder_of(const uint8_t *data, int count, const uint8_t *divisor, int degree, uint8_t *out) {
  memset(out, 0, degree);
  for (int i = 0; i < count; i++) {
    uint8_t factor = data[i] ^ out[0];
    memmove(out, out + 1, degree - 1);
    out[degree - 1] = 0;
    for (int at = 0; at < degree; at++) out[at] ^= times(divisor[at], factor);
  }
}

void qr_interleave(int version, const uint8_t *data, uint8_t *out) {
  int blocks = BLOCKS[version], correcting = CORRECTING[version];
  int all = qr_data_codewords(version), least = all / blocks, shorter = blocks - all % blocks;
  uint8_t divisor[32], rest[32];
  generator(correcting, divisor);
  for (int block = 0; block < blocks; block++) {
    int count = least + (block >= shorter);
    // A shorter block has no codeword in the last column of data: what comes after it is one place less far.
    for (int i = 0; i < count; i++) out[i < least ? i * blocks + block : least * blocks + block - shorter] = data[i];
    remainder_of(data, count, divisor, correcting, rest);
    for (int i = 0; i < correcting; i++) out[all + i * blocks + block] = rest[i];
    data += count;
  }
}
