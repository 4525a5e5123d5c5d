// Inputs whose outputs are known, to see whether the network on the board is the one that left.
#pragma once

#include <stdint.h>

#include "network.h"

namespace @{name}_network {

constexpr int kGoldenCount = @{golden_count};

// Real numbers:
// @{golden_inputs_are}.
extern const float kGoldenInputs[kGoldenCount][kInputSize];

// Checksum of each input once it is quantized: tells an error of quantization from one of TFLM.
extern const uint32_t kGoldenChecksums[kGoldenCount];

// What the network answered: @{golden_outputs_by}.
extern const OutputCode kGoldenOutputs[kGoldenCount][kOutputSize];

// How far an output may be off, relative to the expected one where that is above 1:
// @{tolerance_is}.
constexpr float kTolerance = @{tolerance};

}  // namespace @{name}_network
