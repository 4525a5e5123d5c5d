/* The layers of an int8 network, in integers alone. C99, no library, no malloc. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdint.h>

/* Where the weights are. An AVR reads its flash by instructions of its own; elsewhere a pointer
   into flash is like any other. */
#ifdef __AVR__
#include <avr/pgmspace.h>
#define FLASH PROGMEM
#define READ_INT8(p) ((int8_t)pgm_read_byte(p))
#define READ_INT32(p) ((int32_t)pgm_read_dword(p))
#define READ_LAYER(to, from) ((void)memcpy_P(&(to), (from), sizeof(to)))
#else
#define FLASH
#define READ_INT8(p) (*(p))
#define READ_INT32(p) (*(p))
#define READ_LAYER(to, from) ((to) = *(from))
#endif

/* A layer: its sizes, zero points, and what was computed ahead. Images are rows of pixels of
   channels. Each output channel has a bias, a multiplier and a shift. */
typedef struct {
  int depth, units;               /* inputs and outputs */
  int rows;                       /* how many such vectors */
  int x_zero_point, y_zero_point;
  int low, high;                  /* lowest and highest code: a fused ReLU */
  const int8_t *weights;          /* units x depth */
  const int32_t *biases, *multipliers;
  const int8_t *shifts;
} Dense;

typedef struct {
  int height, width, channels;             /* of the input */
  int out_height, out_width, out_channels;
  int kernel_height, kernel_width;
  int stride_h, stride_w, dilation_h, dilation_w;
  int top, left;                           /* rows and columns of padding before the image */
  int x_zero_point, y_zero_point;
  int low, high;
  const int8_t *weights; /* out_channels x kernel_height x kernel_width x channels; of a depthwise
                            convolution kernel_height x kernel_width x out_channels */
  const int32_t *biases, *multipliers;
  const int8_t *shifts;
} Conv; /* and depthwise convolution, and maximum, which has no weights */

typedef struct {
  int outer, count, inner; /* the input's axes: those before, those averaged, those after */
  int x_zero_point, y_zero_point;
  int32_t multiplier;      /* divides by count, too */
  int shift;
} Mean;

typedef struct {
  int rows, depth;
  const int32_t *exponentials; /* exp(-scale * d), Q0.31, for d = 0 .. 255 codes below the largest */
} Softmax;

/* Each takes a layer in FLASH, reads x and writes y. */
void fully_connected(const Dense *layer, const int8_t *x, int8_t *y);
void conv_2d(const Conv *layer, const int8_t *x, int8_t *y);
void depthwise_conv_2d(const Conv *layer, const int8_t *x, int8_t *y);
void max_pool_2d(const Conv *layer, const int8_t *x, int8_t *y);
void mean(const Mean *layer, const int8_t *x, int8_t *y);
void softmax(const Softmax *layer, const int8_t *x, int8_t *y);

#endif
