// This network takes and gives real numbers: there is nothing to quantize. The two functions are
// here so that the other files are the same for a network of integers.
#pragma once

namespace @{name}_network {

using InputCode = float;
using OutputCode = float;

inline InputCode Quantize(float x) { return x; }

inline float Dequantize(OutputCode code) { return code; }

}  // namespace @{name}_network
