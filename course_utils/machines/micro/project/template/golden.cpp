#include "golden.h"

namespace @{name}_network {

const float kGoldenInputs[kGoldenCount][kInputSize] = {
@{golden_inputs}
};

const uint32_t kGoldenChecksums[kGoldenCount] = {@{golden_checksums}};

const OutputCode kGoldenOutputs[kGoldenCount][kOutputSize] = {
@{golden_outputs}
};

}  // namespace @{name}_network
