// From real numbers to the network's codes and back:  real = scale * (code - zero point).
//
// The numbers are those of the .tflite file, and the rounding is that of the tools that made it.
// `(int8_t)(x / scale + zero_point)`, which many examples show, cuts off instead of rounding: half
// a code of error more, and values outside the range come out as anything.
#pragma once

#include <math.h>
#include <stdint.h>

namespace @{name}_network {

// The input has @{input_bits}-bit codes: real numbers from @{input_low} to @{input_high}.
using InputCode = @{input_ctype};
constexpr float kInputInverseScale = @{input_inverse_scale}f;  // 1 / @{input_scale}
constexpr int32_t kInputZeroPoint = @{input_zero_point};
constexpr int32_t kInputLowest = @{input_qmin};
constexpr int32_t kInputHighest = @{input_qmax};

// The output has @{output_bits}-bit codes: real numbers from @{output_low} to @{output_high}.
using OutputCode = @{output_ctype};
constexpr float kOutputScale = @{output_scale}f;
constexpr int32_t kOutputZeroPoint = @{output_zero_point};

// The code nearest to x; halves go away from zero, and what is out of range gets the outermost
// code. NaN, which has no code, gets that of zero.
inline InputCode Quantize(float x) {
  if (x != x) return static_cast<InputCode>(kInputZeroPoint);
  constexpr float lowest = static_cast<float>(kInputLowest - kInputZeroPoint);
  constexpr float highest = static_cast<float>(kInputHighest - kInputZeroPoint);
  float steps = roundf(x * kInputInverseScale);
  if (steps < lowest) steps = lowest;
  if (steps > highest) steps = highest;
  return static_cast<InputCode>(static_cast<int32_t>(steps) + kInputZeroPoint);
}

// The real number that an output code stands for.
inline float Dequantize(OutputCode code) {
  return kOutputScale * static_cast<float>(code - kOutputZeroPoint);
}

}  // namespace @{name}_network
