/* The layers of a float32 network: the loops of the int8 one, other numbers. C99, no library, no
   malloc. */
#ifndef KERNELS_H
#define KERNELS_H

/* Where the weights are. An AVR reads its flash by instructions of its own; elsewhere a pointer
   into flash is like any other. */
#ifdef __AVR__
#include <avr/pgmspace.h>
#define FLASH PROGMEM
#define READ_FLOAT(p) pgm_read_float(p)
#define READ_LAYER(to, from) ((void)memcpy_P(&(to), (from), sizeof(to)))
#else
#define FLASH
#define READ_FLOAT(p) (*(p))
#define READ_LAYER(to, from) ((to) = *(from))
#endif

/* A layer: its sizes, weights and biases. Images are rows of pixels of channels. */
typedef struct {
  int depth, units;               /* inputs and outputs */
  int rows;                       /* how many such vectors */
  float low, high;                /* lowest and highest output: a fused ReLU */
  const float *weights;           /* units x depth */
  const float *biases;
} Dense;

typedef struct {
  int height, width, channels;             /* of the input */
  int out_height, out_width, out_channels;
  int kernel_height, kernel_width;
  int stride_h, stride_w, dilation_h, dilation_w;
  int top, left;                           /* rows and columns of padding before the image */
  float low, high;
  const float *weights; /* out_channels x kernel_height x kernel_width x channels; of a depthwise
                           convolution kernel_height x kernel_width x out_channels */
  const float *biases;
} Conv; /* and depthwise convolution, and maximum, which has no weights */

typedef struct {
  int outer, count, inner; /* the input's axes: those before, those averaged, those after */
} Mean;

typedef struct {
  int rows, depth;
  float beta;
} Softmax;

/* Each takes a layer in FLASH, reads x and writes y. */
void fully_connected(const Dense *layer, const float *x, float *y);
void conv_2d(const Conv *layer, const float *x, float *y);
void depthwise_conv_2d(const Conv *layer, const float *x, float *y);
void max_pool_2d(const Conv *layer, const float *x, float *y);
void mean(const Mean *layer, const float *x, float *y);
void softmax(const Softmax *layer, const float *x, float *y);

#endif
