// A QR code (ISO/IEC 18004) of bytes, at error correction level M: a code that is damaged in 15 % of its places is still read.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  QR_MOST_VERSION = 40,
  QR_MOST_SIZE = 17 + 4 * QR_MOST_VERSION,
  QR_MOST_BYTES = 2331,      // that level M has room for
  QR_MOST_CODEWORDS = 3706,  // with those that correct
};

typedef struct {
  int version;                              // 1 to 40: how large it is
  int size;                                 // modules on a side
  bool dark[QR_MOST_SIZE][QR_MOST_SIZE];    // by row and column
  bool fixed[QR_MOST_SIZE][QR_MOST_SIZE];   // what is not data, and so not masked
} Qr;

// Makes the smallest code that has room. False where the bytes are more than fit into any.
bool qr_encode(Qr *qr, const uint8_t *bytes, size_t count);

// blocks.c: how many codewords a version has for data, and all codewords of a version in the order in which they are drawn.
int qr_data_codewords(int version);
int qr_codewords(int version);
void qr_interleave(int version, const uint8_t *data, uint8_t *out);

// mask.c: chooses the mask that is easiest to read, applies it, and writes which it is into the code.
void qr_mask(Qr *qr);
