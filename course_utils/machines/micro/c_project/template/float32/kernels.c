/* The layers of a float32 network: the loops of the int8 network's kernels.c, with float instead of
   codes. There is no zero point, no multiplier and no rounding; the processor does all that in each
   addition, if it has a floating-point unit, and a library in software if not. */
#include "kernels.h"

#include <float.h>

static inline float clip(float x, float low, float high) {
  return x < low ? low : x > high ? high : x;
}

/* --- Layers ----------------------------------------------------------------------------------- */

/* sum + x[0] * w[0] + x[1] * w[1] + ...: where the time goes. */
static inline float dot(float sum, const float *x, const float *w, int count) {
  for (const float *end = x + count; x != end; ++x, ++w) {
    sum += x[0] * READ_FLOAT(w);
  }
  return sum;
}

void fully_connected(const Dense *layer, const float *x, float *y) {
  Dense l;
  READ_LAYER(l, layer);
  for (int row = 0; row < l.rows; ++row, x += l.depth) {
    const float *w = l.weights;
    for (int unit = 0; unit < l.units; ++unit, w += l.depth) {
      const float sum = dot(READ_FLOAT(l.biases + unit), x, w, l.depth);
      *y++ = clip(sum, l.low, l.high);
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

void conv_2d(const Conv *layer, const float *x, float *y) {
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
      const float *w = l.weights;
      for (int unit = 0; unit < l.out_channels; ++unit, w += filter) {
        float sum = READ_FLOAT(l.biases + unit);
        const float *x_row = x + x_first, *w_row = w + w_first;
        for (int i = i_first; i < i_last; ++i, x_row += x_step, w_row += w_step) {
          for (int j = 0; j < dots; ++j) {
            sum = dot(sum, x_row + j * next, w_row + j * l.channels, count);
          }
        }
        *y++ = clip(sum, l.low, l.high);
      }
    }
  }
}

/* Each channel has filters of its own. */
void depthwise_conv_2d(const Conv *layer, const float *x, float *y) {
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
        float sum = READ_FLOAT(l.biases + unit);
        for (int i = i_first; i < i_last; ++i) {
          const int pixel = (row + i * l.dilation_h) * l.width + column + j_first * l.dilation_w;
          const float *value = x + pixel * l.channels + unit / filters;
          const float *w = l.weights + (i * l.kernel_width + j_first) * l.out_channels + unit;
          for (int j = j_first; j < j_last; ++j) {
            sum += value[0] * READ_FLOAT(w);
            value += l.dilation_w * l.channels;
            w += l.out_channels;
          }
        }
        *y++ = clip(sum, l.low, l.high);
      }
    }
  }
}

void max_pool_2d(const Conv *layer, const float *x, float *y) {
  Conv l;
  READ_LAYER(l, layer);
  for (int out_row = 0; out_row < l.out_height; ++out_row) {
    for (int out_column = 0; out_column < l.out_width; ++out_column) {
      const int row = out_row * l.stride_h - l.top, column = out_column * l.stride_w - l.left;
      int i_first, i_last, j_first, j_last;
      on_image(row, l.height, l.kernel_height, 1, &i_first, &i_last);
      on_image(column, l.width, l.kernel_width, 1, &j_first, &j_last);
      for (int channel = 0; channel < l.channels; ++channel) {
        float largest = -FLT_MAX;
        for (int i = i_first; i < i_last; ++i) {
          const float *value = x + ((row + i) * l.width + column + j_first) * l.channels + channel;
          for (int j = j_first; j < j_last; ++j, value += l.channels) {
            if (*value > largest) largest = *value;
          }
        }
        *y++ = clip(largest, l.low, l.high);
      }
    }
  }
}

void mean(const Mean *layer, const float *x, float *y) {
  Mean l;
  READ_LAYER(l, layer);
  for (int outer = 0; outer < l.outer; ++outer, x += l.count * l.inner) {
    for (int inner = 0; inner < l.inner; ++inner) {
      float sum = 0;
      const float *value = x + inner;
      for (int i = 0; i < l.count; ++i, value += l.inner) sum += *value;
      *y++ = sum / (float)l.count;
    }
  }
}

/* exp(x) for x <= 0: x = r - n/4, a series for r, and exp(-1/4) n times; 4 digits more than an
   8-bit answer needs. */
static float exp_of_negative(float x) {
  if (x < -80.0f) return 0.0f;
  const int n = (int)(-4.0f * x);
  const float t = x + (float)n * 0.25f + 0.125f; /* r + 1/8 */
  float result = 0.88249690f *
                 (1.0f + t * (1.0f + t * (0.5f + t * (1.0f / 6.0f + t * (1.0f / 24.0f)))));
  float factor = 0.77880078f; /* exp(-1/4), its square, the square of that ... */
  for (int bits = n; bits > 0; bits >>= 1, factor *= factor) {
    if (bits & 1) result *= factor;
  }
  return result;
}

/* exp(x - largest) / sum. */
void softmax(const Softmax *layer, const float *x, float *y) {
  Softmax l;
  READ_LAYER(l, layer);
  for (int row = 0; row < l.rows; ++row, x += l.depth, y += l.depth) {
    float largest = x[0];
    for (int i = 1; i < l.depth; ++i) {
      if (x[i] > largest) largest = x[i];
    }
    float total = 0.0f;
    for (int i = 0; i < l.depth; ++i) {
      y[i] = exp_of_negative(l.beta * (x[i] - largest));
      total += y[i];
    }
    for (int i = 0; i < l.depth; ++i) y[i] /= total;
  }
}
