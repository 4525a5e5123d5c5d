/* The layers of an int8 network, in integers alone: the same names and the same order as in the
   course's int8.py, and the bits of TensorFlow Lite Micro's reference kernels.

   A code stands for a real number: real = scale * (code - zero_point). No scale is left here: each
   layer's factor scale_x * scale_w / scale_y was written as multiplier * 2^(shift - 31) ahead.

   Two things of the compiler are used that C leaves to it, and that all compilers for these chips
   do alike: >> of a negative number rounds down, and numbers that are too large for an int32 lose
   their upper bits. */
#include "kernels.h"

/* --- Rounding. A product of two int32 has 62 bits: keep the upper 31, then as many as needed -- */

/* a * b / 2^31 to the nearest integer, halves up. */
static inline int32_t high_multiply(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + ((int32_t)1 << 30)) >> 31);
}

/* x / 2^exponent to the nearest integer, halves away from zero: round up if what is cut off is
   more than a half, or a half of a positive number. */
static inline int32_t round_shift(int32_t x, int exponent) {
  const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1);
  return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0));
}

/* x * multiplier * 2^(shift - 31), rounded twice. */
static inline int32_t scale_by(int32_t x, int32_t multiplier, int shift) {
  const int left = shift > 0 ? shift : 0;
  const int right = shift > 0 ? 0 : -shift;
  return round_shift(high_multiply((int32_t)((uint32_t)x << left), multiplier), right);
}

static inline int32_t clip(int32_t x, int32_t low, int32_t high) {
  return x < low ? low : x > high ? high : x;
}

/* A sum to a code: scale, move to the output's zero point, saturate. */
static inline int8_t requantize(int32_t sum, int32_t multiplier, int shift, int zero_point, int low,
                                int high) {
  const uint32_t scaled = (uint32_t)scale_by(sum, multiplier, shift);
  return (int8_t)clip((int32_t)(scaled + (uint32_t)(int32_t)zero_point), low, high);
}

/* --- Layers. Add up integers, multiply once --------------------------------------------------- */

/* sum + (x[0] - zero_point) * w[0] + (x[1] - zero_point) * w[1] + ...: where the time goes.
   With -DSKIP_ZEROS a weight that is 0 is fetched and looked at, but not multiplied. */
static inline int32_t dot(int32_t sum, const int8_t *x, const int8_t *w, int count,
                          int zero_point) {
  for (const int8_t *end = x + count; x != end; ++x, ++w) {
    const int8_t weight = READ_INT8(w);
#ifdef SKIP_ZEROS
    if (weight == 0) continue;
#endif
    sum += (x[0] - zero_point) * weight; /* 9 bits times 8: fits 16 */
  }
  return sum;
}

#if defined(SIMD) && defined(__ARM_FEATURE_DSP)
#include "dot_simd.h" /* dot_two */
#define TWO_UNITS
#endif

void fully_connected(const Dense *layer, const int8_t *x, int8_t *y) {
  Dense l;
  READ_LAYER(l, layer);
  for (int row = 0; row < l.rows; ++row, x += l.depth) {
    const int8_t *w = l.weights;
    int unit = 0;
#ifdef TWO_UNITS
    for (; unit + 1 < l.units; unit += 2, w += 2 * l.depth) {
      int32_t sums[2] = {l.biases[unit], l.biases[unit + 1]};
      dot_two(sums, x, w, w + l.depth, l.depth, l.x_zero_point);
      for (int i = 0; i < 2; ++i) {
        *y++ = requantize(sums[i], l.multipliers[unit + i], l.shifts[unit + i], l.y_zero_point,
                          l.low, l.high);
      }
    }
#endif
    for (; unit < l.units; ++unit, w += l.depth) {
      const int32_t sum = dot(READ_INT32(l.biases + unit), x, w, l.depth, l.x_zero_point);
      *y++ = requantize(sum, READ_INT32(l.multipliers + unit), READ_INT8(l.shifts + unit),
                        l.y_zero_point, l.low, l.high);
    }
  }
}

/* Along one axis: which of a kernel's places lie on the image, from *first to before *last, if its
   place 0 lies at `start`. What lies beside the image would add nothing. */
static void on_image(int start, int size, int kernel, int dilation, int *first, int *last) {
  *first = 0;
  *last = kernel;
  while (*first < kernel && start + *first * dilation < 0) ++*first;
  while (*last > *first && start + (*last - 1) * dilation >= size) --*last;
}

void conv_2d(const Conv *layer, const int8_t *x, int8_t *y) {
  Conv l;
  READ_LAYER(l, layer);
  const int x_step = l.dilation_h * l.width * l.channels, w_step = l.kernel_width * l.channels;
  const int filter = l.kernel_height * w_step, next = l.dilation_w * l.channels;
  for (int out_row = 0; out_row < l.out_height; ++out_row) {
    for (int out_column = 0; out_column < l.out_width; ++out_column) {
      const int row = out_row * l.stride_h - l.top, column = out_column * l.stride_w - l.left;
      int i_first, i_last, j_first, j_last;
      on_image(row, l.height, l.kernel_height, l.dilation_h, &i_first, &i_last);
      on_image(column, l.width, l.kernel_width, l.dilation_w, &j_first, &j_last);
      /* Neighbouring pixels follow each other in memory, and so do their weights: one long dot. */
      const int dots = l.dilation_w == 1 ? 1 : j_last - j_first;
      const int count = l.dilation_w == 1 ? (j_last - j_first) * l.channels : l.channels;
      const int pixel = (row + i_first * l.dilation_h) * l.width + column + j_first * l.dilation_w;
      const int x_first = pixel * l.channels;
      const int w_first = (i_first * l.kernel_width + j_first) * l.channels;
      const int8_t *w = l.weights;
      int unit = 0;
#ifdef TWO_UNITS
      for (; unit + 1 < l.out_channels; unit += 2, w += 2 * filter) {
        int32_t sums[2] = {l.biases[unit], l.biases[unit + 1]};
        const int8_t *x_row = x + x_first, *w_row = w + w_first;
        for (int i = i_first; i < i_last; ++i, x_row += x_step, w_row += w_step) {
          for (int j = 0; j < dots; ++j) {
            const int8_t *w_dot = w_row + j * l.channels;
            dot_two(sums, x_row + j * next, w_dot, w_dot + filter, count, l.x_zero_point);
          }
        }
        for (int i = 0; i < 2; ++i) {
          *y++ = requantize(sums[i], l.multipliers[unit + i], l.shifts[unit + i], l.y_zero_point,
                            l.low, l.high);
        }
      }
#endif
      for (; unit < l.out_channels; ++unit, w += filter) {
        int32_t sum = READ_INT32(l.biases + unit);
        const int8_t *x_row = x + x_first, *w_row = w + w_first;
        for (int i = i_first; i < i_last; ++i, x_row += x_step, w_row += w_step) {
          for (int j = 0; j < dots; ++j) {
            sum = dot(sum, x_row + j * next, w_row + j * l.channels, count, l.x_zero_point);
          }
        }
        *y++ = requantize(sum, READ_INT32(l.multipliers + unit), READ_INT8(l.shifts + unit),
                          l.y_zero_point, l.low, l.high);
      }
    }
  }
}

/* Each channel has filters of its own. */
void depthwise_conv_2d(const Conv *layer, const int8_t *x, int8_t *y) {
  Conv l;
  READ_LAYER(l, layer);
  const int filters = l.out_channels / l.channels;
  for (int out_row = 0; out_row < l.out_height; ++out_row) {
    for (int out_column = 0; out_column < l.out_width; ++out_column) {
      const int row = out_row * l.stride_h - l.top, column = out_column * l.stride_w - l.left;
      int i_first, i_last, j_first, j_last;
      on_image(row, l.height, l.kernel_height, l.dilation_h, &i_first, &i_last);
      on_image(column, l.width, l.kernel_width, l.dilation_w, &j_first, &j_last);
      for (int unit = 0; unit < l.out_channels; ++unit) {
        int32_t sum = READ_INT32(l.biases + unit);
        for (int i = i_first; i < i_last; ++i) {
          const int pixel = (row + i * l.dilation_h) * l.width + column + j_first * l.dilation_w;
          const int8_t *value = x + pixel * l.channels + unit / filters;
          const int8_t *w = l.weights + (i * l.kernel_width + j_first) * l.out_channels + unit;
          for (int j = j_first; j < j_last; ++j) {
            sum += (value[0] - l.x_zero_point) * READ_INT8(w);
            value += l.dilation_w * l.channels;
            w += l.out_channels;
          }
        }
        *y++ = requantize(sum, READ_INT32(l.multipliers + unit), READ_INT8(l.shifts + unit),
                          l.y_zero_point, l.low, l.high);
      }
    }
  }
}

void max_pool_2d(const Conv *layer, const int8_t *x, int8_t *y) {
  Conv l;
  READ_LAYER(l, layer);
  for (int out_row = 0; out_row < l.out_height; ++out_row) {
    for (int out_column = 0; out_column < l.out_width; ++out_column) {
      const int row = out_row * l.stride_h - l.top, column = out_column * l.stride_w - l.left;
      int i_first, i_last, j_first, j_last;
      on_image(row, l.height, l.kernel_height, 1, &i_first, &i_last);
      on_image(column, l.width, l.kernel_width, 1, &j_first, &j_last);
      for (int channel = 0; channel < l.channels; ++channel) {
        int8_t largest = -128;
        for (int i = i_first; i < i_last; ++i) {
          const int8_t *value = x + ((row + i) * l.width + column + j_first) * l.channels + channel;
          for (int j = j_first; j < j_last; ++j, value += l.channels) {
            if (*value > largest) largest = *value;
          }
        }
        *y++ = (int8_t)clip(largest, l.low, l.high);
      }
    }
  }
}

void mean(const Mean *layer, const int8_t *x, int8_t *y) {
  Mean l;
  READ_LAYER(l, layer);
  for (int outer = 0; outer < l.outer; ++outer, x += l.count * l.inner) {
    for (int inner = 0; inner < l.inner; ++inner) {
      int32_t sum = 0;
      const int8_t *value = x + inner;
      for (int i = 0; i < l.count; ++i, value += l.inner) sum += *value - l.x_zero_point;
      *y++ = requantize(sum, l.multiplier, l.shift, l.y_zero_point, -128, 127);
    }
  }
}

/* exp(x - largest) / sum, in fixed point: Q12.19 has 19 of its 31 bits behind the point. */
void softmax(const Softmax *layer, const int8_t *x, int8_t *y) {
  Softmax l;
  READ_LAYER(l, layer);
  for (int row = 0; row < l.rows; ++row, x += l.depth) {
    int largest = -128;
    for (int i = 0; i < l.depth; ++i) {
      if (x[i] > largest) largest = x[i];
    }
    int32_t total = 0; /* Q12.19 */
    for (int i = 0; i < l.depth; ++i) {
      total += round_shift(READ_INT32(l.exponentials + (largest - x[i])), 12);
    }
    int zeros = 1; /* bits in front of it, of 32: less than 512 exponentials leave some */
    while (total < (int32_t)1 << (31 - zeros)) ++zeros;
    const int32_t half = total << (zeros - 1); /* total / 2^(13 - zeros), in [1/2, 1), Q0.31 */
    /* 1 / half: a first guess, Q2.29, and Newton's method three times */
    int32_t inverse = 1515870810 + high_multiply(half, -1010580540);
    for (int i = 0; i < 3; ++i) {
      const int32_t error = ((int32_t)1 << 29) - high_multiply(half, inverse);
      inverse += high_multiply(inverse, error) * 4;
    }
    inverse = inverse >= (int32_t)1 << 30 ? INT32_MAX : inverse * 2;
    for (int i = 0; i < l.depth; ++i) {
      const int32_t part = READ_INT32(l.exponentials + (largest - x[i]));
      *y++ = (int8_t)clip(round_shift(high_multiply(inverse, part), 35 - zeros) - 128, -128, 127);
    }
  }
}
